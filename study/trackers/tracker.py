"""What a tracker gets of a trial, and what a tracker is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from trainables.vocabulary.schema import State

Setting = str | float | int | bool

CURVE: Final = "curve/"
"""Before the name of a number of each epoch, which may have the name of one of the whole trial."""


@dataclass(frozen=True)
class Entry:
    """One settled trial: its settings, its final numbers, and those of its epochs.

    `curve` has one pair per epoch: the epoch, counted from 0 with the dense run's, and its numbers
    by name. What was not recorded is absent. Accuracies and shares are ratios in [0, 1], as in the
    frames. `started` and `finished` are None where the record does not say.
    """

    fingerprint: str
    study: str
    state: State
    name: str
    settings: Mapping[str, Setting]
    numbers: Mapping[str, float]
    curve: Sequence[tuple[int, Mapping[str, float]]]
    started: datetime | None = None
    finished: datetime | None = None


class Tracker(Protocol):
    """A place that keeps trials.

    A trial counts as written only once it is there whole, so that one whose writing was broken off
    is written again, and none is there twice.
    """

    def written(self, study: str) -> set[str]:
        """Return the fingerprints of a study's trials that are there whole."""
        ...

    def write(self, entry: Entry) -> None:
        """Write a trial that is not there; what is left of a try before goes."""
        ...

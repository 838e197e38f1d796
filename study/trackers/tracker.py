"""What a tracker gets of a trial, and what a tracker is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from trainables.vocabulary.schema import State

Setting = str | float | int | bool

CURVE: Final = "curve/"
"""Before the name of a number of each epoch, which may have the name of one of the whole trial."""


SETTLED: Final = ""
"""The version of a trial that is settled: no other one will follow it."""


def version(state: State, attempt: int) -> str:
    """Return which of a trial's ends this is: `SETTLED`, or the attempt that failed.

    The next run tries a failed trial again, and what it comes to takes the failure's place.
    """
    return f"failed {attempt}" if state == "failed" else SETTLED


Outcome = Literal["success", "failure", "broken off"]

OUTCOMES: Final[dict[State, Outcome]] = {
    "done": "success", "diverged": "failure", "failed": "failure", "stopped": "broken off",
}  # fmt: skip
"""What trackers call the ends of a trial."""


@dataclass(frozen=True)
class Entry:
    """One trial that ended: its settings, its final numbers, and those of its epochs.

    `curve` has one pair per epoch: the epoch, counted from 0 with the dense run's, and its numbers
    by name. What was not recorded is absent. Accuracies and shares are ratios in [0, 1], as in the
    frames. `message` is why the trial did not end well, "" where it did. `started` and `finished`
    are None where the record does not say.
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
    message: str = ""
    attempt: int = 1

    @property
    def version(self) -> str:
        """Which of the trial's ends this is."""
        return version(self.state, self.attempt)

    @property
    def outcome(self) -> Outcome:
        """How the trial ended, as trackers see it."""
        return OUTCOMES[self.state]


class Tracker(Protocol):
    """A place that keeps trials.

    A trial counts as written only once it is there whole, so that one whose writing was broken off
    is written again, and none is there twice.
    """

    def written(self, study: str) -> dict[str, str]:
        """Return the version of each of a study's trials that is there whole, by fingerprint."""
        ...

    def write(self, entry: Entry) -> None:
        """Write a trial; what is there of it, torn or of a failed attempt, goes."""
        ...

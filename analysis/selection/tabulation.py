"""A figure's numbers together with what their reader must be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Tabulation:
    """The numbers of a figure, what they are about, and notes on them.

    `notes` are plain sentences on what was left out, chosen or is missing; empty ones are dropped.
    `metric`, `by` (whose values are compared), `x`, `y` and `budget` are columns of the trials, ""
    where there is none. `at` is the block: columns with their values. `keys` are the columns of a
    block over which the rows run. `facts` is what one figure alone says of its numbers, of a kind
    that its two functions agree on. `chosen` holds controls, by name, that the table settled by
    what it found, for whoever shows a choice beside it.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    metric: str = ""
    by: str = ""
    x: str = ""
    y: str = ""
    budget: str = ""
    at: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    facts: Any = None
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(note for note in self.notes if note))

    def noting(self, *sentences: str) -> Tabulation:
        """Return the same numbers with further notes."""
        return replace(self, notes=(*self.notes, *sentences))


def nothing(*why: str) -> Tabulation:
    """Return a table without numbers, and why it has none."""
    return Tabulation(pd.DataFrame(), why)

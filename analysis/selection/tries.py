"""How many settings each contestant of a comparison was tried with, in words where that differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import shown, words
from analysis.columns.names import joined
from analysis.selection.series import values
from analysis.selection.stand_ins import TRIED
from trainables.vocabulary.wording import counted

UNEQUAL: Final = 1.5
"""From so many times as many tries on a comparison says that its tries are unequal."""

MANY: Final = 4
"""Of more contestants with one number of tries not all are named."""


def tries(entries: pd.DataFrame, by: str) -> dict[Any, int]:
    """Return how many settings of each series were tried in a block, where these are most."""
    most = entries.groupby(by, sort=False)[TRIED].max()
    return {name: int(most[name]) for name in values(entries, by)}


def _named(by: str, name: Any) -> str:
    """Who was tried: a number alone says nothing, `number of cycles 3` does."""
    return shown(by, name) if isinstance(name, str) else f"{words(by)} {shown(by, name)}"


def unequal_tries(counts: Mapping[Any, int], by: str) -> str:
    """Return a clause such as `allr is the best of 13 settings, ft and llr of 1`.

    "" where the numbers are about equal: a method with more settings to choose from is tuned
    better, though none of its luck is counted.
    """
    if not counts or max(counts.values()) < UNEQUAL * max(min(counts.values()), 1):
        return ""
    numbers = sorted(set(counts.values()), reverse=True)
    parts: list[str] = []
    for n in numbers:
        names = [_named(by, name) for name, tried in counts.items() if tried == n]
        few = joined(names) if len(names) <= MANY else f"{len(names)} others"
        if parts:
            parts.append(f"{few} of {n}")
        else:
            verb = "is" if len(names) == 1 else "are each"
            parts.append(f"{few} {verb} the best of {counted(n, 'setting')}")
    return ", ".join(parts)

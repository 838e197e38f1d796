"""A table of one row per trial no wider than a terminal: heads on several lines, fewer columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from analysis.tables.layout import TextTable

_GAP: Final = 2
"""Characters between two columns."""

_PADDING: Final = 2
"""Characters that tabulate keeps free beside a column's head."""

_JOINT: Final = re.compile(r"(?<=[._])(?=.)")
"""Where a column's name may go on on the next line: behind a dot or an underscore."""


def narrowed(table: TextTable, width: int, first: Sequence[str] = ()) -> TextTable:
    """Return a table whose lines have at most `width` characters, as far as its columns allow.

    Where it is wider its heads are broken at dots and underscores. Where that is not enough, and
    `first` names columns by their heads, the first of these stays, and of the others those that
    fit, in the order of `first`; the table keeps its own order.
    """
    if _width(table, range(len(table.headers))) <= width:
        return table
    names = [header[-1] for header in table.headers]
    broken = replace(table, headers=tuple(tuple(_JOINT.split(name)) for name in names))
    kept: list[int] = [] if first else list(range(len(names)))
    for place in (names.index(name) for name in first):
        if not kept or _width(broken, [*kept, place]) <= width:
            kept.append(place)
    return broken.of_columns(sorted(kept))


def _width(table: TextTable, places: Sequence[int]) -> int:
    """How many characters a line of some columns takes."""
    wide = [
        max(
            *(len(part) + _PADDING for part in table.headers[place]),
            *(len(row[place].text) for row in table.rows),
            0,
        )
        for place in places
    ]
    return sum(wide) + _GAP * (len(wide) - 1)

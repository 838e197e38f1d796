"""A table as text no wider than a terminal: a wider one is split by its columns' first key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from textwrap import fill
from typing import Final

from analysis.tables.content import Table
from analysis.tables.layout import TextTable, lay_out
from analysis.tables.render import to_text

NARROWEST: Final = 40
"""Notes are not wrapped to fewer characters than this."""


def fitted(table: Table | TextTable, width: int) -> str:
    """Return a table as `to_text` does, its columns in several tables where one is too wide.

    They are split by what the top row of headers says (a sparsity), and column by column where one
    of those is still too wide. The title stands once above, the notes once below.
    """
    grid = lay_out(table) if isinstance(table, Table) else table
    bare = replace(grid, title="", notes=())
    parts = [bare] if _fits(bare, width) else _split(bare, width)
    notes = "\n".join(fill(note, max(width, NARROWEST)) for note in grid.notes)
    texts = [grid.title, *(to_text(part).rstrip("\n") for part in parts)]
    above = "\n\n".join(text for text in texts if text)
    return f"{above}\n\n{notes}\n" if notes else f"{above}\n"


def _fits(grid: TextTable, width: int) -> bool:
    return max(map(len, to_text(grid).splitlines()), default=0) <= width


def _split(grid: TextTable, width: int) -> list[TextTable]:
    """Tables of the columns below each top header; single columns where that is not enough."""
    places = range(len(grid.headers))
    groups = [list(group) for _, group in groupby(places, key=lambda n: grid.headers[n][:1])]
    parts = [_columns(grid, group) for group in groups]
    if not any(len(group) > 1 for group in groups):
        return parts
    return [one for part in parts for one in _narrowed(part, width)]


def _narrowed(part: TextTable, width: int) -> list[TextTable]:
    if _fits(part, width):
        return [part]
    return [_columns(part, [place]) for place in range(len(part.headers))]


def _columns(grid: TextTable, places: Sequence[int]) -> TextTable:
    """The same rows with some of the columns."""
    return replace(
        grid,
        headers=tuple(grid.headers[place] for place in places),
        rows=tuple(tuple(row[place] for place in places) for row in grid.rows),
        words=frozenset(n for n, place in enumerate(places) if place in grid.words),
    )

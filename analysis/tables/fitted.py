"""A table as text no wider than a terminal: a wider one is split by its columns' first key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from textwrap import fill
from typing import Final

from analysis.columns.labels import unbroken
from analysis.tables.content import Table
from analysis.tables.layout import TextTable, lay_out
from analysis.tables.render import to_text

NARROWEST: Final = 40
"""Notes are not wrapped to fewer characters than this."""


def fitted(table: Table | TextTable, width: int) -> str:
    """Return a table as `to_text` does, its columns in several tables where one is too wide.

    They are split by what the top row of headers says (a sparsity), and where one of those is still
    too wide by as many columns as fit. The title stands once above, the notes once below.
    """
    grid = lay_out(table) if isinstance(table, Table) else table
    bare = replace(grid, title="", notes=())
    parts = [bare] if _fits(bare, width) else _split(bare, width)
    notes = wrapped(grid.notes, width)
    texts = [grid.title, *(to_text(part).rstrip("\n") for part in parts)]
    above = "\n\n".join(text for text in texts if text)
    return f"{above}\n\n{notes}\n" if notes else f"{above}\n"


def by_head(table: Table | TextTable, most: int) -> list[TextTable]:
    """Return a table, or where it has more than `most` columns one for each of its top headers.

    The title of each ends in that header (a sparsity), and the notes stand below the last.
    """
    grid = lay_out(table) if isinstance(table, Table) else table
    deep = all(len(header) > 1 for header in grid.headers)
    if len(grid.headers) <= most or not deep:
        return [grid]
    groups = groupby(range(len(grid.headers)), key=lambda n: grid.headers[n][0])
    parts = [
        replace(_headed(grid.of_columns(list(group))), title=f"{grid.title}, {head}", notes=())
        for head, group in groups
    ]
    return [*parts[:-1], replace(parts[-1], notes=grid.notes)]


def _headed(grid: TextTable) -> TextTable:
    """The table without its top row of headers."""
    return replace(grid, headers=tuple(header[1:] for header in grid.headers))


def wrapped(notes: Sequence[str], width: int) -> str:
    """Return notes below each other, their lines wrapped; no line ends between number and unit."""
    lines = (fill(unbroken(note), max(width, NARROWEST)) for note in notes)
    return "\n".join(lines).replace("\u00a0", " ")


def _fits(grid: TextTable, width: int) -> bool:
    return max(map(len, to_text(grid).splitlines()), default=0) <= width


def _split(grid: TextTable, width: int) -> list[TextTable]:
    """Tables of the columns below each top header; fewer columns where that is not enough."""
    places = range(len(grid.headers))
    groups = [list(group) for _, group in groupby(places, key=lambda n: grid.headers[n][:1])]
    parts = [grid.of_columns(group) for group in groups]
    if not any(len(group) > 1 for group in groups):
        return parts
    return [one for part in parts for one in _narrowed(part, width)]


def _narrowed(part: TextTable, width: int) -> list[TextTable]:
    """Tables of as many columns as fit beside each other, one at least."""
    groups: list[list[int]] = []
    for place in range(len(part.headers)):
        if groups and _fits(part.of_columns([*groups[-1], place]), width):
            groups[-1].append(place)
        else:
            groups.append([place])
    return [part.of_columns(group) for group in groups]

"""Blocks: where contestants meet, one task, sparsity and budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.names import (
    codes,
    config_columns,
    differing,
    is_missing,
    or_none,
    require_columns,
)
from analysis.columns.rows import records
from analysis.selection.series import goal_columns, values
from analysis.selection.settings import varying

Block = Mapping[str, Any]
"""Columns with the values that they have in a block."""


def block_columns(frame: pd.DataFrame, by: str) -> list[str]:
    """Return the columns that make a block: what varies of the task, sparsity, and the budget."""
    goals = [c for c in goal_columns(frame) if c in frame]
    return [c for c in [*task_columns(frame), *goals] if c != by]


def task_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of the task that vary.

    One of a single value, which some trials have not, is among them where no other says which: the
    whole of a data set beside a hundred images of it, but not the widths that one network has.
    """
    named = [c for c in varying(frame) if c.split(".")[0] == "task"]
    every = [c for c in config_columns(frame) if c.split(".")[0] == "task" and c not in named]
    for column in differing(frame, every):
        if not named or _differs_within(frame, named, column):
            named.append(column)
    return named


def _differs_within(frame: pd.DataFrame, columns: list[str], column: str) -> bool:
    groups = frame.groupby(columns, dropna=False, sort=False)[column]
    return bool((groups.nunique(dropna=False) > 1).any())


def blocks(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the blocks that trials lie in, in order; one empty block without columns."""
    if not columns:
        return [{}]
    distinct = frame[list(columns)].drop_duplicates()
    return records(distinct.sort_values(list(columns), key=codes, kind="stable"))


def block_rows(keys: pd.DataFrame) -> list[tuple[dict[str, Any], NDArray[np.intp]]]:
    """Return the blocks that rows lie in, in order, each with the positions of its rows.

    `keys` are the columns that make a block; what is missing is None in it. As `groupby` under
    `sort`, also of values that pandas cannot sort, as lists of which some rows have none.
    """
    columns = [str(column) for column in keys]
    number = keys.groupby(columns, dropna=False, sort=False).ngroup().to_numpy()
    firsts = keys[~pd.Series(number).duplicated().to_numpy()].reset_index(drop=True)
    order = firsts.sort_values(columns, key=codes, kind="stable")
    return [
        ({key: or_none(value) for key, value in block.items()}, np.flatnonzero(number == place))
        for place, block in zip(order.index, records(order), strict=True)
    ]


def block_of(frame: pd.DataFrame, columns: Sequence[str], at: Block | None) -> dict[str, Any]:
    """Return a value for each column: the one given in `at`, else the one with most trials.

    Of several with as many the last: the highest sparsity, the longest budget.
    """
    given = dict(at or {})
    require_columns(frame, list(given))
    chosen: dict[str, Any] = {}
    for column in columns:
        rest = inside(frame, {**given, **chosen})
        chosen[column] = given[column] if column in given else _commonest(rest, column)
    return {**chosen, **{c: v for c, v in given.items() if c not in chosen}}


def _commonest(frame: pd.DataFrame, column: str) -> Any:
    counts = frame[column].value_counts()
    most = [value for value in values(frame, column) if counts[value] == counts.max()]
    return most[-1] if most else None


def inside(frame: pd.DataFrame, at: Block) -> pd.DataFrame:
    """Return the rows whose columns have the values of `at`; a missing value matches missing."""
    keep = pd.Series(True, index=frame.index)
    for column, value in at.items():
        keep &= frame[column].isna() if is_missing(value) else _equal(frame[column], value)
    return frame[keep]


def _equal(column: pd.Series, value: Any) -> pd.Series:
    """Whether each is the value; pandas would compare a tuple with the column entry by entry."""
    return column.map(lambda one: one == value) if isinstance(value, tuple) else column == value

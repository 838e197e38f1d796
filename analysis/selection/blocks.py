"""Blocks, and who stands in them for a tuned series.

A block is where contestants meet: one task, sparsity and budget. Of a series with several
configurations in a block the best on validation stands for it, never the best on test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.names import is_missing, require_columns
from analysis.columns.roles import choice
from analysis.columns.rows import records
from analysis.frames.constraints import beyond_bounds
from analysis.selection.series import goal_columns, values
from analysis.selection.settings import configurations, varying
from analysis.stats.candidates import sign_of

Block = Mapping[str, Any]
"""Columns with the values that they have in a block."""


def block_columns(frame: pd.DataFrame, by: str) -> list[str]:
    """Return the columns that make a block: what varies of the task, sparsity, and the budget."""
    goals = [c for c in goal_columns(frame) if c in frame]
    return [c for c in [*task_columns(frame), *goals] if c != by]


def task_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of the task that vary."""
    return [c for c in varying(frame) if c.split(".")[0] == "task"]


def blocks(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the blocks that trials lie in, in order; one empty block without columns."""
    if not columns:
        return [{}]
    return records(frame[list(columns)].drop_duplicates().sort_values(list(columns)))


def block_of(frame: pd.DataFrame, columns: Sequence[str], at: Block | None) -> dict[str, Any]:
    """Return a value for each column: the one given in `at`, else the one with most trials.

    Of several with as many the last: the highest sparsity, the longest budget.
    """
    given = dict(at or {})
    require_columns(frame, list(given))
    chosen: dict[str, Any] = {}
    for column in columns:
        rest = inside(frame, chosen)
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
        keep &= frame[column].isna() if is_missing(value) else frame[column] == value
    return frame[keep]


def stand_ins(frame: pd.DataFrame, by: str, block: Sequence[str]) -> pd.DataFrame:
    """Return the trials that stand for each series in each block, with `n_configurations`.

    Where a series has several configurations in a block, the one with the best mean on
    validation stands for it. Configurations with most done seeds go first: a mean over the
    seeds that survived is no fair mean. One beyond the bounds of its search goes last, see
    `beyond_bounds`.
    """
    keys = [by, *block]
    require_columns(frame, [*keys, choice(frame), "state"])
    tried = frame.dropna(subset=[by])
    # With the keys: a series such as the study does not follow from the configuration.
    cell = tried.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    configuration = configurations(tried).to_numpy()
    one = pd.factorize(cell * (configuration.max(initial=0) + 1) + configuration)[0]
    ranked = _ranked(tried, cell, one)
    best = ranked.drop_duplicates("cell").set_index("cell")["one"]
    sizes = ranked["cell"].value_counts()
    stands = one == best.reindex(cell).to_numpy()
    chosen: pd.DataFrame = tried[stands].reset_index(drop=True)
    chosen["n_configurations"] = sizes.reindex(cell[stands]).to_numpy()
    return chosen


def _ranked(tried: pd.DataFrame, cell: NDArray[Any], one: NDArray[Any]) -> pd.DataFrame:
    """The configurations of each cell, best first: in bounds, by done seeds, by mean choice."""
    done = (tried["state"] == "done").to_numpy()
    chosen_by = choice(tried)
    scores = sign_of(chosen_by) * tried[chosen_by].astype(float).to_numpy()
    seen = pd.DataFrame({"cell": cell, "one": one, "done": done})
    seen["score"] = np.where(done, scores, np.nan)
    bounded = tried.assign(_cell=cell, _one=one)
    seen["late"] = beyond_bounds(bounded, ["_one"], ["_cell"]).to_numpy()
    grouped = seen.groupby("one", sort=False)
    ranked = seen.drop_duplicates("one")[["cell", "one", "late"]].reset_index(drop=True)
    ranked["n"] = grouped["done"].sum().to_numpy()
    ranked["mean"] = grouped["score"].mean().to_numpy()
    return ranked.sort_values(["late", "n", "mean"], ascending=[True, False, False], kind="stable")

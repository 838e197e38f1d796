"""The dense model as a row of a comparison table: what all the others started from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.selection.blocks import inside
from analysis.selection.dense import dense_row, dense_settings
from analysis.selection.stand_ins import SELF_CHOSEN
from analysis.stats.spread import COUNTS, row_groups

DENSE: Final = "dense"
"""The name of the row, in place of a schedule or method."""


def with_dense(
    cells: pd.DataFrame,
    frame: pd.DataFrame,
    row_keys: Sequence[str],
    columns: Sequence[str],
    metrics: Sequence[str],
) -> pd.DataFrame:
    """Return a table's cells with the dense model's row of each task above those of the task.

    `row_keys` are the columns of the task and, last, what is compared. The dense model has the same
    mean in every column, over dense runs, and neither rank nor mark. No row where nobody knows it,
    or where a task's dense runs are of several settings: their mean is that of no model.
    """
    tasks, named = list(row_keys[:-1]), row_keys[-1]
    parts = []
    for values, part in row_groups(frame, tasks):
        task: dict[str, Any] = dict(zip(tasks, values, strict=True))
        here = inside(cells, task)
        dense = _row(part, here, columns, metrics)
        if len(dense):
            names = {**task, named: DENSE}
            # A value may be a tuple, such as the widths of layers: one per row, not one each.
            parts.append(dense.assign(**{key: [name] * len(dense) for key, name in names.items()}))
        parts.append(here)
    if len(parts) == len(row_groups(frame, tasks)):
        return cells
    whole = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    return whole[cells.columns].infer_objects()


def _row(
    trials: pd.DataFrame, cells: pd.DataFrame, columns: Sequence[str], metrics: Sequence[str]
) -> pd.DataFrame:
    """The dense model's cells of one task, without the names of its row."""
    rows = []
    for metric in metrics:
        found = pd.DataFrame() if dense_settings(trials, metric) else dense_row(trials, metric)
        if len(found) and found["n"].iloc[0]:
            one = found.iloc[0]
            counts = {**dict.fromkeys(COUNTS, 0), "n": int(one["n"])}
            rows += [
                {**dict(zip(columns, place, strict=True)), "metric": metric, "mean": one["mean"],
                 "std": one["std"], **counts, SELF_CHOSEN: False, "rank": np.nan, "marked": False}
                for place in cells[list(columns)].drop_duplicates().itertuples(False, None)
            ]  # fmt: skip
    return pd.DataFrame(rows)

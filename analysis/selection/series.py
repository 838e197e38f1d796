"""What a study compares: its series, the budget, and the trials that may be compared at all.

A series is what is compared, a schedule or a method. Choices are made on validation, never on test.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from analysis.columns.names import distinct_trials, ordered
from analysis.selection.networks import per_seed
from analysis.selection.settings import varying

SPARSITY: Final = "prune.sparsity"
MANY_SERIES: Final = 10

_SERIES: Final = (
    "method", "retrain.schedule", "prune.structure", "prune.criterion", "prune.scope",
    "retrain.norm", "retrain.discount", "prune.cycles", "budget.dense_fraction",
)  # fmt: skip
"""Settings that a study may be about, the first that vary."""


def values(frame: pd.DataFrame, column: str) -> list[Any]:
    """Return a column's distinct values in the order of legends, missing ones left out."""
    return ordered(frame[column].dropna().tolist(), column) if column in frame else []


def of_series(frame: pd.DataFrame, name: Any) -> pd.DataFrame:
    """Return the frame with a column `series` of that one value.

    A list's is a tuple, of which `assign` would take an entry per row.
    """
    return frame.assign(series=pd.Series([name] * len(frame), index=frame.index))


def series_column(frame: pd.DataFrame) -> str:
    """Return what the study compares: its methods if it has several, else its schedules, ...

    The first of `_SERIES` that takes two to ten values; a study of several methods compares these,
    whichever schedules they retrain with.
    """
    counts = {c: frame[c].nunique() for c in _SERIES if c in frame}
    compared = [c for c, n in counts.items() if 2 <= n <= MANY_SERIES]
    return compared[0] if compared else next((c for c, n in counts.items() if n), "method")


def series_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns by which series can be told apart, the default first."""
    first = series_column(frame)
    taken = {first, *goal_columns(frame)}
    few = [c for c in varying(frame) if frame[c].nunique() <= MANY_SERIES]
    return [first, *(c for c in few if c not in taken)]


def budget_column(frame: pd.DataFrame) -> str:
    """Return the column that says how long a trial may train.

    `budget.epochs`, the whole, where any method of the study has one budget for all of its
    training; else `retrain.epochs`.
    """
    whole = "budget.epochs" in frame and frame["budget.epochs"].notna().any()
    return "budget.epochs" if whole else "retrain.epochs"


def goal_columns(frame: pd.DataFrame) -> tuple[str, str]:
    """Return the columns of sparsity and budget, which every trial is asked for."""
    return SPARSITY, budget_column(frame)


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that means and comparisons are made of, one for each seed.

    They are those of `each_once`; where a dense network was retrained several times, a row is the
    mean of its retrainings, see `per_seed`.
    """
    return per_seed(each_once(frame))


def each_once(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without repeats, each with a value in the budget's column.

    A trial that several studies hold counts once, as done where it is done in one of them. Where
    some methods have one budget for all of their training, the others are given theirs: dense and
    retraining epochs together.
    """
    once = distinct_trials(frame)
    once = once.drop_duplicates("fingerprint") if "fingerprint" in once else once
    column = budget_column(once)
    if column == "budget.epochs" and {"dense.epochs", "retrain.epochs"} <= set(once):
        whole = once["dense.epochs"].astype(float) + once["retrain.epochs"].astype(float)
        once = once.assign(**{column: once[column].astype(float).fillna(whole)})
    return once

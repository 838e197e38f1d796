"""Which trials may be compared with which: series, blocks, and who stands for a tuned series.

A block is a place where contestants meet: one task, sparsity and budget. A series is what is
compared, a schedule or a method. Choices are made on validation, never on test.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.labels import words
from analysis.columns.names import (
    config_columns,
    differing,
    distinct_trials,
    is_missing,
    ordered,
    require_columns,
)
from analysis.frames.constraints import BEYOND, beyond_bounds
from analysis.frames.query import group
from trainables.vocabulary.wording import counted

SPARSITY: Final = "prune.sparsity"
CHOICE: Final = "val_accuracy"
"""The metric by which a configuration is chosen among several."""

MANY_SERIES: Final = 10

_SERIES: Final = (
    "method", "retrain.schedule", "prune.structure", "prune.criterion", "prune.scope",
    "retrain.norm", "retrain.discount", "prune.cycles", "budget.dense_fraction",
)  # fmt: skip
"""Settings that a study may be about, the first that vary."""


def values(frame: pd.DataFrame, column: str) -> list[Any]:
    """Return a column's distinct values in the order of legends, missing ones left out."""
    return ordered(frame[column].dropna().tolist(), column) if column in frame else []


_DERIVED: Final = ("retrain.epochs", "retrain.budget", "dense.epochs")
"""Lengths that may follow from others; these go last where one of a kind is kept."""

_LENGTHS: Final = frozenset({*_DERIVED, "budget.epochs", "budget.dense_fraction"})


def varying(frame: pd.DataFrame) -> list[str]:
    """Return the configuration columns with at least two values, often derived ones last."""
    names = [c for c in config_columns(frame) if frame[c].nunique(dropna=True) > 1]
    return sorted(names, key=lambda name: _DERIVED.index(name) if name in _DERIVED else -1)


def without_synonyms(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return columns without those lengths whose values only rename an earlier length's.

    Lengths alone: two continuous settings of a search rename each other by chance, as every trial
    has values of its own.
    """
    codes: set[bytes] = set()
    kept = []
    for column in columns:
        code = np.ascontiguousarray(pd.factorize(frame[column])[0]).tobytes()
        if column not in _LENGTHS or code not in codes:
            kept.append(column)
        if column in _LENGTHS:
            codes.add(code)
    return kept


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
    taken = {first, SPARSITY, budget_column(frame)}
    few = [c for c in varying(frame) if frame[c].nunique() <= MANY_SERIES]
    return [first, *(c for c in few if c not in taken)]


def budget_column(frame: pd.DataFrame) -> str:
    """Return the column that says how long a trial may train.

    `budget.epochs`, the whole, where any method of the study has one budget for all of its
    training; else `retrain.epochs`.
    """
    whole = "budget.epochs" in frame and frame["budget.epochs"].notna().any()
    return "budget.epochs" if whole else "retrain.epochs"


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
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


def block_columns(frame: pd.DataFrame, by: str) -> list[str]:
    """Return the columns that make a block: what varies of the task, sparsity, and the budget."""
    task = [c for c in varying(frame) if c.split(".")[0] == "task"]
    fixed = [c for c in (SPARSITY, budget_column(frame)) if c in frame]
    return [c for c in [*task, *fixed] if c != by]


def block_of(
    frame: pd.DataFrame, columns: Sequence[str], at: Mapping[str, Any] | None
) -> dict[str, Any]:
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


def inside(frame: pd.DataFrame, at: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows whose columns have the values of `at`; a missing value matches missing."""
    keep = pd.Series(True, index=frame.index)
    for column, value in at.items():
        keep &= frame[column].isna() if is_missing(value) else frame[column] == value
    return frame[keep]


def stand_ins(frame: pd.DataFrame, by: str, block: Sequence[str]) -> pd.DataFrame:
    """Return the trials that stand for each series in each block, with `n_configurations`.

    Where a series has several configurations in a block, the one with the best mean validation
    accuracy stands for it. Configurations with most done seeds go first: a mean over the
    seeds that survived is no fair mean. One beyond the bounds of its search goes last, see
    `beyond_bounds`.
    """
    keys = [by, *block]
    require_columns(frame, [*keys, CHOICE, "state"])
    tried = frame.dropna(subset=[by])
    # With the keys: a series such as the study does not follow from the configuration.
    places = tried.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
    own = configurations(tried).to_numpy()
    one = pd.factorize(places * (own.max(initial=0) + 1) + own)[0]
    ranked = _ranked(tried, places, one)
    best = ranked.drop_duplicates("place").set_index("place")["one"]
    sizes = ranked["place"].value_counts()
    stands = one == best.reindex(places).to_numpy()
    chosen: pd.DataFrame = tried[stands].reset_index(drop=True)
    chosen["n_configurations"] = sizes.reindex(places[stands]).to_numpy()
    return chosen


def _ranked(
    tried: pd.DataFrame, places: NDArray[Any], one: NDArray[Any]
) -> pd.DataFrame:  # fmt: skip
    """The configurations at their places, best first: in bounds, by done seeds, by mean choice."""
    done = (tried["state"] == "done").to_numpy()
    scores = tried[CHOICE].astype(float).to_numpy()
    seen = pd.DataFrame({"place": places, "one": one, "done": done})
    seen["score"] = np.where(done, scores, np.nan)
    bounded = tried.assign(_place=places, _one=one)
    seen["late"] = beyond_bounds(bounded, ["_one"], ["_place"]).to_numpy()
    grouped = seen.groupby("one", sort=False)
    found = seen.drop_duplicates("one")[["place", "one", "late"]].reset_index(drop=True)
    found["n"] = grouped["done"].sum().to_numpy()
    found["mean"] = grouped["score"].mean().to_numpy()
    return found.sort_values(["late", "n", "mean"], ascending=[True, False, False], kind="stable")


def configurations(frame: pd.DataFrame) -> pd.Series[int]:
    """Return a number for each row, equal for rows that differ in the seed alone."""
    columns = differing(frame, config_columns(frame))
    if not columns:
        return pd.Series(0, index=frame.index)
    return frame.groupby(columns, dropna=False, sort=False).ngroup()


def means(frame: pd.DataFrame, keys: Sequence[str], metric: str) -> pd.DataFrame:
    """Return one row per key: mean, std, n, lo, hi of a metric, and counts of what fell out."""
    if frame.empty:
        columns = [*keys, "mean", "std", "n", "lo", "hi", "n_failed", "n_diverged"]
        return pd.DataFrame(columns=columns)
    return group(frame, list(keys), [metric]).drop(columns="metric")


def described(table: pd.DataFrame, **about: Any) -> pd.DataFrame:
    """Return the table with what its figure must say: metric, by, x, at. See `noted`."""
    table.attrs.update(about)
    return table


def noted(table: pd.DataFrame, *sentences: str) -> pd.DataFrame:
    """Return the table with sentences for its reader; empty ones are dropped. See `notes`."""
    table.attrs["notes"] = [*table.attrs.get("notes", []), *(s for s in sentences if s)]
    return table


def notes(table: pd.DataFrame) -> list[str]:
    """Return what the reader of a table must know: what was left out, chosen or is missing."""
    return list(table.attrs.get("notes", []))


def fallen_note(frame: pd.DataFrame) -> str:
    """Return a sentence that counts the trials that a mean leaves out; "" when there are none."""
    counts = frame["state"].value_counts()
    said = [f"{counts[s]} {s}" for s in ("failed", "diverged", "stopped") if counts.get(s, 0)]
    if not said:
        return ""
    return f"Means leave out {', '.join(said)} of {counted(len(frame), 'trial')}."


def tuned_note(table: pd.DataFrame, by: str) -> str:
    """Return a sentence on stand-ins; "" when every series has one configuration a block."""
    most = table["n_configurations"].max() if len(table) else 1
    if not most > 1:
        return ""
    bounded = BEYOND in table and table[BEYOND].notna().any()
    within = ", of those within the search's bounds where there are any" if bounded else ""
    return (
        f"Where a {words(by)} has several configurations in a block (up to {int(most)}),"
        f" the one with the best mean validation accuracy stands for it{within}."
    )


def wide(values: pd.Series[float]) -> bool:
    """Whether positive values span two orders of magnitude, which a linear axis would crowd."""
    return bool(values.min() > 0 and values.max() / values.min() >= 100)


def tuples(table: pd.DataFrame) -> list[Any]:
    """Return a table's rows as `itertuples` does; a column that is no identifier has no name."""
    row = _row_type(("Index", *map(str, table.columns)))
    columns = [table.index.tolist(), *(table[column].tolist() for column in table.columns)]
    return list(map(row._make, zip(*columns, strict=True)))


@cache
def _row_type(columns: tuple[str, ...]) -> Any:
    """A kind of row, made once: making one costs more than most tables do."""
    return namedtuple("Row", columns, rename=True)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings from column to value."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def told(table: pd.DataFrame) -> dict[str, Any]:
    """Return what `described` said of a table."""
    return {str(key): value for key, value in table.attrs.items()}

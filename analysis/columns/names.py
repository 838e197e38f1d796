"""The columns of a frame: which are configuration, and the order of names and of their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.revisions import newest
from trainables.config.catalog import METHODS
from trainables.formulas.schedules import RETRAIN_SCHEDULES
from trainables.formulas.structures import KINDS, kind_named

KEYS: Final = ("study", "fingerprint")
"""Together they name one row of the trials frame."""

RETRAIN_SEED: Final = "retrain_seed"
"""Tells retrainings of one dense network apart; missing where a method retrains nothing. No
setting: trials that differ in it alone are of one configuration, as those of several seeds are."""

SECTIONS: Final = ("task", "dense", "method", "prune", "retrain", "budget", "compute", "quantise")
"""Sections of a configuration, in the order of its columns."""

_LEADING: Final = ("dense.epochs", "prune.sparsity", "retrain.schedule")
"""Settings that come first in their section."""

STRUCTURE: Final = "prune.structure"
"""What is removed together: `weights`, `2:4`, `blocks 4x4`."""

KNOWN_ORDER: Final = {"retrain.schedule": tuple(RETRAIN_SCHEDULES), "method": tuple(METHODS)}
"""Columns whose values have an order of their own, the order of their catalog."""


def config_columns(frame: pd.DataFrame) -> list[str]:
    """Return the frame's configuration columns, in its order."""
    return [column for column in frame.columns if column.split(".")[0] in SECTIONS]


def in_schema_order(names: Iterable[str]) -> list[str]:
    """Return configuration columns by section; within one by name, but for the leading ones."""

    def key(column: str) -> tuple[int, bool, str]:
        section = column.split(".")[0]
        rank = SECTIONS.index(section) if section in SECTIONS else len(SECTIONS)
        return (rank, column not in _LEADING, column)

    return sorted(names, key=key)


def differing(frame: pd.DataFrame, columns: Iterable[str]) -> list[str]:
    """Return those of the columns that hold more than one value, a missing one being a value.

    Whatever its kind: where studies are read together, what one does not have is NaN beside None.
    """
    return [c for c in columns if frame[c].nunique() + int(frame[c].isna().any()) > 1]


def distinct_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each trial once: of one read from several studies, one study's rows.

    Trials of an older revision beside newer ones are left out, see `revisions.newest`. The same
    configuration and seed is one measurement, whichever studies list it. A study in which the trial
    is done is preferred, then the first.
    """
    frame = newest(frame)
    if not {"study", "fingerprint", "state"} <= set(frame.columns) or frame["study"].nunique() < 2:
        return frame
    done_first = frame.assign(_late=frame["state"] != "done").sort_values("_late", kind="stable")
    kept = done_first.groupby("fingerprint")["study"].transform("first")
    return frame[(done_first["study"] == kept).reindex(frame.index)]


def ordered(values: Iterable[Any], column: str = "") -> list[Any]:
    """Return the distinct values in reading order: numbers, text, the rest, missing (None) last.

    Schedules and methods come in the order of their catalog, when `column` says that they are;
    structures by their kind, then by name.
    """
    ranks = {value: rank for rank, value in enumerate(KNOWN_ORDER.get(column, ()))}
    kinds = {kind: rank for rank, kind in enumerate(KINDS if column == STRUCTURE else ())}

    def key(value: Any) -> tuple[int, Any]:
        if value is None:
            return (4, 0)
        if value in ranks:
            return (0, ranks[value])
        if isinstance(value, str) and (rank := kinds.get(kind_named(value))) is not None:
            return (0, (rank, value))
        if isinstance(value, bool | int | float | np.number | np.bool_):
            return (1, value)
        return (2, value) if isinstance(value, str) else (3, str(value))

    few = dict.fromkeys(values)  # of twenty thousand; what is missing costs more to find out
    return sorted(dict.fromkeys(map(or_none, few)), key=key)


def is_missing(value: Any) -> bool:
    """Return whether a value is None or one of pandas' missing ones; a tuple never is."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def or_none(value: Any) -> Any:
    """Return the value, None where it is missing: a key that equals itself."""
    return None if is_missing(value) else value


def codes(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column's values as numbers in reading order, so that mixed types can be sorted."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    values = ordered(column.dropna(), str(column.name))
    return column.map({value: rank for rank, value in enumerate(values)}).astype(float)


def joined(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: `a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the hint for an unknown column: the nearest known ones, however far they are."""
    names = list(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    near += [full for full in names if full.endswith(f".{name}") and full not in near]
    if not near and len(names) <= FEW_NAMES:
        return f"known are {', '.join(names)}"
    return f"nearest are {', '.join(near or get_close_matches(name, names, FEW_NAMES, 0.0))}"


FEW_NAMES: Final = 5
"""So many columns are named where none is near."""


def require_columns(frame: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise ValueError, naming the nearest columns, unless the frame has all of them."""
    for name in names:
        if name not in frame.columns:
            raise ValueError(f"unknown column {name!r}; {nearest(name, frame.columns)}")

"""Settings that vary in a study, and the configurations that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.names import config_columns, differing

_DERIVED: Final = ("retrain.epochs", "retrain.budget", "dense.epochs")
"""Lengths that may follow from others; these go last where one of a kind is kept."""

SPLIT: Final = "budget.dense_fraction"

_LENGTHS: Final = frozenset({*_DERIVED, "budget.epochs", "budget.dense_fraction"})


def varying(frame: pd.DataFrame) -> list[str]:
    """Return the configuration columns with at least two values, often derived ones last."""
    names = [c for c in config_columns(frame) if frame[c].nunique(dropna=True) > 1]
    return sorted(names, key=lambda name: _DERIVED.index(name) if name in _DERIVED else -1)


def without_synonyms(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return columns without those lengths whose values only rename an earlier length's.

    Lengths alone: two continuous settings of a search rename each other by chance, as every trial
    has values of its own. Where all trials split one budget, the split says the lengths of both
    parts, whatever rounding to steps made of these.
    """
    if SPLIT in columns and frame[SPLIT].notna().all():
        columns = [column for column in columns if column not in _DERIVED]
    codes: set[bytes] = set()
    kept = []
    for column in columns:
        code = np.ascontiguousarray(pd.factorize(frame[column])[0]).tobytes()
        if column not in _LENGTHS or code not in codes:
            kept.append(column)
        if column in _LENGTHS:
            codes.add(code)
    return kept


def configurations(frame: pd.DataFrame) -> pd.Series[int]:
    """Return a number for each row, equal for rows that differ in the seed alone."""
    columns = differing(frame, config_columns(frame))
    if not columns:
        return pd.Series(0, index=frame.index)
    return frame.groupby(columns, dropna=False, sort=False).ngroup()


FEW: Final = 8
"""A setting with no more values than this can be held at one of them, and trials are left."""


def held_settings(frame: pd.DataFrame, shown: Sequence[str] = ()) -> list[str]:
    """Return the settings of few values that vary besides those shown: what a picture must hold."""
    return [c for c in _beside(frame, shown) if frame[c].nunique() <= FEW]


def free_settings(frame: pd.DataFrame, shown: Sequence[str] = ()) -> list[str]:
    """Return the settings that vary besides those shown and take too many values to be held."""
    return [c for c in _beside(frame, shown) if frame[c].nunique() > FEW]


def _beside(frame: pd.DataFrame, shown: Sequence[str]) -> list[str]:
    """What varies besides the settings shown, and does not only rename one of them."""
    first = [c for c in shown if c in frame]
    names = without_synonyms(frame, [*first, *(c for c in varying(frame) if c not in first)])
    return [c for c in names if c not in first]


def numeric_settings(frame: pd.DataFrame) -> list[str]:
    """Return the varying settings that are numbers wherever they are set, most values first."""
    names = without_synonyms(frame, varying(frame))
    counts = {name: numbers_of(frame[name]).nunique() for name in names}
    return sorted((name for name, n in counts.items() if n > 2), key=lambda name: -counts[name])


def numbers_of(column: pd.Series[Any]) -> pd.Series[float]:
    """Return a column's numbers, its words missing."""
    return pd.to_numeric(column, errors="coerce")


def wide(values: pd.Series[float]) -> bool:
    """Whether positive values span two orders of magnitude, which a linear axis would crowd."""
    return bool(values.min() > 0 and values.max() / values.min() >= 100)

"""Rows, columns and groups of a frame by dotted names, as the command line and figures ask."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import pandas as pd


def unknown_columns(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Return a sentence naming the first column that the frame lacks and the nearest ones."""
    known = [str(column) for column in frame.columns]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"nearest are {', '.join(near)}" if near else f"known are {', '.join(known)}"
            return f"unknown column {name!r}; {hint}"
    return None


def require_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise ValueError, naming the nearest columns, unless the frame has all of them."""
    if (sentence := unknown_columns(frame, names)) is not None:
        raise ValueError(sentence)


def where(frame: pd.DataFrame, expression: str) -> pd.DataFrame:
    """Return the rows for which an expression holds (`prune.sparsity > 0.8 and method == "imp"`).

    Raises ValueError naming the nearest columns, or what in the expression is not understood.
    """
    raise NotImplementedError


def select(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns in that order; ValueError names the nearest of an unknown one."""
    require_columns(frame, columns)
    return frame[list(columns)]


def sort(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the rows sorted by columns, a leading `-` meaning downwards; missing values last."""
    names = [name.removeprefix("-") for name in by]
    require_columns(frame, names)
    ascending = [not name.startswith("-") for name in by]
    return frame.sort_values(names, ascending=ascending, kind="stable", ignore_index=True)


def group(frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row per (group, metric) with mean, std, n, lo, hi, n_failed, n_diverged.

    Only trials that are done count towards mean, standard deviation (ddof 1) and n; the interval is
    the BCa bootstrap's, missing where n is 1. Missing keys form groups of their own.
    """
    raise NotImplementedError

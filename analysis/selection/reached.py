"""Goals that a prune cannot reach: what is reached instead, and goals that give the same masks.

Whole filters end where a layer has one left, so that .99 and .999 may both give .947. What is
compared then is one result under two names.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from analysis.columns.labels import number, shown
from analysis.columns.names import config_columns, differing, joined
from analysis.selection.series import SPARSITY, series_column, values
from analysis.stats.closeness import close

REACHED: Final = "sparsity"

SLACK: Final = 0.01
"""A goal is met where the weights kept are within a hundredth of those asked for."""

MANY: Final = 6

_SAME: Final = ("sparsity", "theoretical_speedup", "val_accuracy", "val_loss")
"""What trials with the same masks, seed and settings have in common."""


def off_goal(trials: pd.DataFrame) -> pd.Series[bool]:
    """Return which trials ended with fewer zeros than their goal asks for."""
    if REACHED not in trials or SPARSITY not in trials:
        return pd.Series(False, index=trials.index)
    goal, found = trials[SPARSITY].astype(float), trials[REACHED].astype(float)
    return (goal - found) > SLACK * (1 - goal)


def missed_note(trials: pd.DataFrame) -> str:
    """Return which goals were missed, by whom, and what was reached; "" where all were met."""
    missed = trials[off_goal(trials) & (trials["state"] == "done")]
    if missed.empty:
        return ""
    column = _told_by(trials, missed)
    keys = [column, SPARSITY] if column else [SPARSITY]
    means = missed.groupby(keys, sort=True)[REACHED].mean()
    parts = []
    for key, reached in means.items():
        *who, goal = key if isinstance(key, tuple) else (key,)
        name = f"{shown(column, who[0])} " if who else ""
        parts.append(f"{name}{number(100 * reached)} % instead of {number(100 * goal)} %")
    few = parts[:MANY] + ([f"{len(parts) - MANY} more"] * (len(parts) > MANY))
    return f"Goals are not reached everywhere: {joined(few)}; results stand at what was reached."


def _told_by(trials: pd.DataFrame, missed: pd.DataFrame) -> str:
    """What tells those that miss a goal from others: the structure, or what is compared; or ""."""
    for column in ("prune.structure", series_column(trials)):
        if column in trials and missed[column].nunique() < trials[column].nunique():
            return column
    return ""


def repeated_goals(trials: pd.DataFrame) -> dict[float, float]:
    """Return goals at which every trial repeats that of a lower goal: by goal, the lower one.

    A trial repeats another that differs in the goal alone, and ended short of its own goal with the
    same sparsity and the same numbers.
    """
    short = off_goal(trials)
    if not short.any():
        return {}
    same = [c for c in _SAME if c in trials]
    settings = [c for c in config_columns(trials) if c != SPARSITY]
    keys = [*differing(trials, settings), "seed"]
    done = trials[trials["state"] == "done"]
    found: dict[float, float] = {}
    for lower, goal in pairwise(values(trials, SPARSITY)):
        here = done[(done[SPARSITY] == goal)]
        if here.empty or not short[here.index].all():
            continue
        below = done[done[SPARSITY] == lower]
        both = here.merge(below, on=keys, suffixes=("", "_below")) if len(below) else here.head(0)
        if len(both) == len(here) and _alike(both, same):
            found[goal] = found.get(lower, lower)
    return found


def _alike(both: pd.DataFrame, same: list[str]) -> bool:
    """Whether numbers agree with those below, missing ones with missing ones."""
    for column in same:
        here, below = both[column], both[f"{column}_below"]
        if not np.all(close(here, below) | (here.isna() & below.isna()).to_numpy()):
            return False
    return True


def counted_once(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without those at goals that only repeat a lower one: see `repeats_note`."""
    repeated = repeated_goals(trials)
    return trials[~trials[SPARSITY].isin(list(repeated))] if repeated else trials


def repeats_note(trials: pd.DataFrame) -> str:
    """Return which goals give the same masks as a lower one and count once; "" without any."""
    repeated = repeated_goals(trials)
    parts = [f"{number(100 * goal)} % as {number(100 * low)} %" for goal, low in repeated.items()]
    if not parts:
        return ""
    return f"Some goals give the same results, {joined(parts)}: they count once in comparisons."

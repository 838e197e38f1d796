"""Which settings move a metric, and which only together: exact analysis of variance on a grid.

On a complete grid (every level of one setting with every level of the others) the cell means split
without remainder into main effects and interactions, whatever the order of the factors. Seeds are
blocks: all cells of a seed share its dense run, so its effect is no part of the noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd

from analysis.columns.names import distinct_trials, ordered, require_columns
from analysis.stats.candidates import SEED
from analysis.stats.closeness import reach
from analysis.stats.intervals import Floats
from analysis.stats.pairs import require_single
from analysis.stats.spread import COUNTED

MOST_FACTORS: Final = 4
COLUMNS: Final = ["term", "order", "df", "ss", "share", "noise", "f", "p", "n_cells", "n_seeds"]


def complete(frame: pd.DataFrame, factors: Sequence[str], metric: str) -> bool:
    """Whether trials that are done fill the grid of the factors, each with at least two levels."""
    done = _done(frame, factors, metric)
    sizes = [done[factor].nunique() for factor in factors]
    filled = done[list(factors)].drop_duplicates()
    return min(sizes, default=0) > 1 and len(filled) == math.prod(sizes)


def anova(frame: pd.DataFrame, factors: Sequence[str], metric: str) -> pd.DataFrame:
    """Return how the variance of a metric's cell means splits over factors and interactions.

    A cell is one combination of the factors' values, its mean that over the seeds that all cells
    have done. One row per term, main effects first, the largest share first within an order.
    Columns: term (a tuple of factors), order (how many), df, ss (sum of squares of the cell means),
    share (of the total, adding up to 1), noise (the share that a term without any effect would have
    on average, by the variance left within cells once seeds are taken out), f and p (Fisher's test
    against that variance), n_cells, n_seeds. The last four but the counts are missing with one
    seed. All shares are missing where no cell mean differs. Raises ValueError unless the grid is
    complete, with two levels at least of each of one to four factors.
    """
    if not 1 <= len(factors) <= MOST_FACTORS:
        raise ValueError(f"factors must be 1 to {MOST_FACTORS} columns, got {len(factors)}")
    values = _cells(_done(frame, factors, metric), factors, metric)
    means = values.mean(axis=-1)
    n_seeds = values.shape[-1]
    error, error_df = _error(values)
    total = float(((means - means.mean()) ** 2).sum())
    flat = total <= means.size * reach(means) ** 2
    rows = []
    for order in range(1, len(factors) + 1):
        for axes in combinations(range(len(factors)), order):
            effect = _effect(means, axes)
            df = math.prod(means.shape[axis] - 1 for axis in axes)
            ss = float((effect**2).sum() * means.size / effect.size)
            f = n_seeds * ss / df / error if error > reach(values) ** 2 else math.nan
            rows.append(
                {"term": tuple(factors[axis] for axis in axes), "order": order, "df": df, "ss": ss,
                 "share": math.nan if flat else ss / total,
                 "noise": math.nan if flat else df * error / n_seeds / total,
                 "f": f, "p": _f_tail(f, df, error_df), "n_cells": means.size, "n_seeds": n_seeds}
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(
        ["order", "share"], ascending=[True, False], kind="stable", ignore_index=True
    )


def _done(frame: pd.DataFrame, factors: Sequence[str], metric: str) -> pd.DataFrame:
    require_columns(frame, [*factors, SEED, "state", metric])
    once = distinct_trials(frame)
    done = once[(once["state"] == COUNTED) & once[metric].notna()].dropna(subset=list(factors))
    require_single(done, [*factors, SEED], "one cell")
    return done


def _levels(done: pd.DataFrame, factors: Sequence[str]) -> list[list[object]]:
    return [ordered(done[factor], factor) for factor in factors]


def _cells(done: pd.DataFrame, factors: Sequence[str], metric: str) -> Floats:
    """The metric as [levels of each factor ..., seeds], over the seeds that all cells have."""
    grid = _levels(done, factors)
    shape = tuple(len(levels) for levels in grid)
    if min(shape, default=0) < 2:
        few = next(factor for factor, levels in zip(factors, grid, strict=True) if len(levels) < 2)
        raise ValueError(f"{few} must have two levels at least, got {done[few].nunique()}")
    table = done.pivot(index=list(factors), columns=SEED, values=metric)
    cells = table.reindex(pd.MultiIndex.from_product(grid) if len(grid) > 1 else grid[0])
    shared = cells.loc[:, cells.notna().all()]
    if shared.shape[1] == 0:
        absent = int(cells.isna().all(axis=1).sum())
        raise ValueError(
            f"the grid must be complete, got {absent} of {len(cells)} cells without a trial"
            if absent
            else "all cells must have a seed in common, got none"
        )
    values: Floats = np.asarray(shared, dtype=float)
    return np.reshape(values, (*shape, shared.shape[1]))


def _effect(means: Floats, axes: Sequence[int]) -> Floats:
    """The effect of the factors on some axes together: their means less all lower effects."""
    others = tuple(axis for axis in range(means.ndim) if axis not in axes)
    effect: Floats = means.mean(axis=others, keepdims=True)
    for order in range(len(axes)):
        for lower in combinations(axes, order):
            effect = effect - _effect(means, lower)
    return effect


def _error(values: Floats) -> tuple[float, int]:
    """The variance within cells once seeds are taken out, and its degrees of freedom."""
    n = values.shape[-1]
    flat = values.reshape(-1, n)
    df = (flat.shape[0] - 1) * (n - 1)
    if df == 0:
        return math.nan, 0
    rest = flat - flat.mean(axis=1, keepdims=True) - flat.mean(axis=0) + flat.mean()
    return float((rest**2).sum()) / df, df


def _f_tail(f: float, df: int, error_df: int) -> float:
    if math.isnan(f):
        return math.nan
    from scipy.special import fdtrc

    return float(fdtrc(df, error_df, f))

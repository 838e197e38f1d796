"""Fronts: what no other equals or beats everywhere, and what lies between the points of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.stats.closeness import snapped
from analysis.stats.intervals import Floats


def non_dominated(losses: Floats) -> NDArray[np.bool_]:
    """Return which rows of losses [n, objectives] no other row dominates; lower is better.

    A row dominates another when it is nowhere worse and somewhere better, so equal rows stay
    together; equal is what is equal but for rounding. Rows with a missing value are never on the
    front.
    """
    whole = np.asarray(np.isfinite(losses).all(axis=1))
    level = np.column_stack([snapped(column) for column in np.where(whole[:, None], losses, 0.0).T])
    order = np.lexsort(level[:, ::-1].T)
    front = np.zeros(len(losses), dtype=bool)
    kept = np.empty((0, losses.shape[1]))
    for row in order[whole[order]]:
        point = level[row]
        if ((kept <= point).all(axis=1) & (kept < point).any(axis=1)).any():
            continue
        kept = np.vstack([kept, point])
        front[row] = True
    return front


def knee(gains: Floats) -> int:
    """Return which row of a front [n, objectives], more being better, is nearest to the ideal.

    The ideal is the best of every objective at once. Each objective is scaled to the range that it
    takes on the front, and distances are Euclid's; of equally near rows the first.
    """
    best, span = gains.max(axis=0), np.ptp(gains, axis=0)
    lost = (best - gains) / np.where(span > 0, span, 1.0)
    return int(np.argmin((lost**2).sum(axis=1)))


def end(gains: Floats, objective: int) -> int:
    """Return the row of a front that is best in one objective, of ties the nearest to the ideal."""
    ties = np.flatnonzero(gains[:, objective] == gains[:, objective].max())
    return int(ties[knee(gains[ties])])


def along(x: Floats, y: Floats, at: Floats, slack: float = 0.0) -> Floats:
    """Return y at each x of `at`, on the straight lines between points; missing outside them.

    Nothing is extrapolated: within `slack` outside the outermost points theirs counts, beyond it
    the value is missing. Of points with one x the highest y counts. No points, nothing.
    """
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return np.full(np.shape(at), np.nan)
    order = np.lexsort([y[known], snapped(x[known])])
    points, heights = snapped(x[known])[order], y[known][order]
    last = np.append(points[1:] != points[:-1], True)
    within = (at >= points[0] - slack) & (at <= points[-1] + slack)
    return np.where(within, np.interp(at, points[last], heights[last]), np.nan)

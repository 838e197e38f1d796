"""When two numbers count as equal: what rounding alone can tell apart is a tie, never a finding.

A mean of the same accuracies summed in another order differs in its last bits; so does .93 - .90
from .95 - .92. Ties, fronts and the sides of intervals are decided here, with one tolerance.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOLERANCE: Final = 1e-9
"""Share of the numbers' scale within which they are equal; rounding is far below, a count above."""

SMALLEST: Final = 1e-3
"""Numbers are taken to be at least of this size, so that zeros with rounding in them are equal."""


def reach(*values: ArrayLike, scale: float | None = None) -> float:
    """Return how far apart two of these values may be and still be equal.

    `scale` is the size of the numbers that they were computed from: 1 for accuracies and their
    differences. Without it, the largest magnitude among the values themselves, at least `SMALLEST`.
    """
    if scale is None:
        sizes = [np.abs(np.asarray(value, dtype=float)) for value in values]
        scale = max([SMALLEST, *(np.nanmax(s) for s in sizes if not np.isnan(s).all())])
    return float(TOLERANCE * scale)


def close(a: ArrayLike, b: ArrayLike, scale: float | None = None) -> NDArray[np.bool_]:
    """Return whether values are equal within the tolerance; a missing value equals none."""
    left, right = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return np.asarray(np.abs(left - right) <= reach(left, right, scale=scale))


def side(value: float, scale: float = 1.0) -> int:
    """Return 1 for a value above zero, -1 for one below, 0 for one that is zero or missing."""
    if not abs(value) > reach(scale=scale):
        return 0
    return 1 if value > 0 else -1


def snapped(values: ArrayLike, scale: float | None = None) -> NDArray[np.float64]:
    """Return the values with those that are equal within the tolerance made equal, the least first.

    So exact comparisons of the result (ranks, fronts, best ones) decide ties rightly. Missing
    values stay missing.
    """
    array = np.asarray(values, dtype=float)
    flat = array.ravel()
    order = np.argsort(flat, kind="stable")  # missing ones come last
    apart = ~(np.diff(flat[order]) <= reach(flat, scale=scale))
    starts = np.concatenate([[0], np.flatnonzero(apart) + 1]) if len(flat) else np.array([], int)
    sizes = np.diff(np.append(starts, len(flat)))
    result = np.empty_like(flat)
    result[order] = np.repeat(flat[order][starts], sizes)
    return result.reshape(array.shape)

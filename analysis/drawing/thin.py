"""Long series made short for drawing, without losing a jump."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

LIMIT: Final = 600
"""Points that a drawn series has at most where it does not jump."""

JUMP: Final = 0.01
"""A step of more than this share of the series' range is a jump, both of whose ends are kept."""


def kept_points(values: ArrayLike, limit: int = LIMIT) -> NDArray[np.int64]:
    """Return the positions of a series to draw: its ends, both sides of every jump, even samples.

    All of them when there are at most `limit`. A missing value counts as a jump to what surrounds
    it. Of a series with more than `limit` jumps the largest are kept, so never more than about
    three times `limit` points in all.
    """
    series = np.asarray(values, dtype=float)
    if len(series) <= limit:
        return np.arange(len(series))
    even = np.linspace(0, len(series) - 1, limit).round().astype(np.int64)
    step = np.abs(np.diff(series))
    low, high = np.nanmin(series), np.nanmax(series)
    step = np.where(np.isnan(step), np.inf, step)
    jumps = np.flatnonzero(step > JUMP * (high - low))
    if len(jumps) > limit:
        jumps = jumps[np.argsort(step[jumps], kind="stable")[-limit:]]
    return np.unique(np.concatenate([even, jumps, jumps + 1]))

"""A median and its interval from order statistics: nothing is assumed of the distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import comb


@dataclass(frozen=True)
class Median:
    """The median of `n` values, and the two of them between which the true one lies.

    `lo` and `hi` are None where there are too few values for the level asked for.
    """

    median: float
    lo: float | None
    hi: float | None
    n: int


def median_of(values: Sequence[float], level: float = 0.95) -> Median:
    """Return the median with an interval that holds the true one with probability >= `level`.

    The k-th smallest and the k-th largest value, with the largest k for which the chance of at most
    k - 1 heads among n throws is at most (1 - level) / 2. At 95 % this takes six values.
    ValueError without values.
    """
    if not values:
        raise ValueError("median_of must have a value, got none")
    ordered, n = sorted(values), len(values)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    tails = accumulate(comb(n, heads) for heads in range(n // 2))
    k = sum(tail <= (1 - level) / 2 * 2**n for tail in tails)
    if k == 0:
        return Median(middle, None, None, n)
    return Median(middle, ordered[k - 1], ordered[n - k], n)

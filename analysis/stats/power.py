"""How many seeds a difference takes, and the least difference that some seeds find.

Everything is the exact power of the two-sided paired t test, from the noncentral t distribution:
with few seeds a normal approximation asks for too few of them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np

from analysis.stats.crossfit import FEWEST_SEEDS
from analysis.stats.intervals import Floats

POWER: Final = 0.8
LEVEL: Final = 0.05
MOST_SEEDS: Final = 10_000
"""A difference that would take more seeds than this has no number of seeds."""


def power(difference: float, spread: float, n: int, level: float = LEVEL) -> float:
    """Return how often n seeds find a true difference, given the spread of paired differences.

    Found means a two-sided paired t test at `level`, in the right direction or the wrong; `spread`
    is the standard deviation of the differences from seed to seed, in the unit of `difference`.
    """
    from scipy.special import ndtr, stdtrit

    bound = float(stdtrit(n - 1, 1 - level / 2))
    shift = math.sqrt(n) * abs(difference) / spread
    scale, weight = _spreads(n - 1)
    return float(weight @ (ndtr(shift - bound * scale) + ndtr(-shift - bound * scale)))


@cache
def _spreads(df: int) -> tuple[Floats, Floats]:
    """Quantiles of a spread seen over the true one, and their weights, for integrals over it.

    Given the spread, t is normal: its noncentral distribution is a mean over these, to a part in
    10^10. scipy's own returns no number for some large differences.
    """
    from scipy.special import chdtri

    nodes, weights = _nodes()
    angle = (nodes + 1) * math.pi / 4  # of u = sin^2, which is smooth where u nears 0 and 1
    scale = np.sqrt(chdtri(df, np.sin(angle) ** 2) / df)
    return scale, weights * np.sin(2 * angle) * math.pi / 4


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Where an integral from -1 to 1 is evaluated, and with which weights."""
    return np.polynomial.legendre.leggauss(400)


def seeds_needed(
    difference: float,
    spread: float,
    n_comparisons: int = 1,
    share: float = POWER,
    level: float = LEVEL,
) -> int | None:
    """Return with how many seeds a true difference is found in a `share` of studies.

    `n_comparisons` is the size of the family that the difference stands in; the level is divided by
    it, as Holm's first step does, so a verdict needs at most so many. Three at least, since fewer
    give no verdict; None where it takes over `MOST_SEEDS`, or the spread or difference is missing
    or the difference zero.
    """
    if not (abs(difference) > 0 and spread >= 0):
        return None
    if spread == 0:
        return FEWEST_SEEDS
    strict = level / max(n_comparisons, 1)
    low, high = FEWEST_SEEDS - 1, FEWEST_SEEDS
    while power(difference, spread, high, strict) < share:
        low, high = high, 2 * high
        if low >= MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if power(difference, spread, middle, strict) >= share else (middle, high)
        )
    return high if high <= MOST_SEEDS else None


def smallest_difference(
    spread: float,
    n: int,
    n_comparisons: int = 1,
    share: float = POWER,
    level: float = LEVEL,
) -> float:
    """Return the least true difference that n seeds find in a `share` of studies; see above.

    Missing with fewer than three seeds, or where the spread is.
    """
    if n < FEWEST_SEEDS or not spread >= 0:
        return math.nan
    if spread == 0:
        return 0.0
    from scipy.optimize import brentq

    strict = level / max(n_comparisons, 1)
    high = 1.0
    while power(high, 1.0, n, strict) < share:
        high *= 2
    return spread * float(brentq(lambda size: power(size, 1.0, n, strict) - share, 1e-9, high))


def spread_range(spread: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a standard deviation seen in n normal values (chi-squared).

    A spread from three seeds may be half of the true one or six times it, and with it the number
    of seeds needed. Missing with fewer than two values.
    """
    if n < 2 or not spread >= 0:
        return math.nan, math.nan
    from scipy.special import chdtri

    tail = (1 - confidence) / 2
    low, high = (math.sqrt((n - 1) / float(chdtri(n - 1, q))) for q in (tail, 1 - tail))
    return spread * low, spread * high

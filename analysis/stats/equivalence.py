"""When a difference is shown to be too small to matter, which "no clear difference" never shows.

Two one-sided t tests against a margin (Schuirmann 1987): not to find a difference with few seeds
proves nothing, so nothing is called near, equal or as good without a margin stated beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from analysis.columns.labels import in_percent
from analysis.stats.closeness import side
from analysis.stats.crossfit import FEWEST_SEEDS
from analysis.stats.intervals import (
    BY_CHOICES,
    Interval,
    Values,
    interval,
    present,
    standard_errors,
)
from analysis.stats.power import LEVEL

Likeness = Literal["equivalent", "identical", "not shown", "unknown"]

HALF_A_POINT: Final = 0.005


@dataclass(frozen=True)
class Equivalence:
    """Whether a mean difference is shown to lie within a margin on either side of zero.

    `p` is the larger of the two one-sided p-values; `interval` the one that lies within the margin
    where p is at most the level: 90 % at a level of 5 %. `inside` is the share of the region of
    practical equivalence, the probability that the true mean lies within the margin, under
    Student's t around the mean seen (flat prior; Benavoli et al. 2017). All differences zero make
    two things identical; with two seeds or fewer likeness is unknown, and p and share are missing.
    """

    margin: float
    mean: float
    p: float
    inside: float
    interval: Interval
    likeness: Likeness


def default_margin(metric: str) -> float | None:
    """Return half a point for a metric in per cent; None for others, which must be given one."""
    return HALF_A_POINT if in_percent(metric) else None


def equivalence(
    differences: Values, margin: float, choices: int = 0, level: float = LEVEL
) -> Equivalence:
    """Return whether paired differences, one per seed, are shown to be within the margin.

    `choices` is for cross-fitted differences, see `intervals.standard_errors`. Differences that are
    all equal but not zero have no spread to judge by: nothing is shown. Raises ValueError unless
    the margin is above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin must be > 0, got {margin}")
    values = present(differences)
    n = len(values)
    span = interval(values, 1 - 2 * level, BY_CHOICES[choices])
    mean = float(values.mean()) if n else math.nan
    if n < FEWEST_SEEDS:
        return Equivalence(margin, mean, math.nan, math.nan, span, "unknown")
    error = float(standard_errors(values, choices))
    if error == 0:
        same = not side(mean)
        return Equivalence(
            margin, mean, math.nan, math.nan, span, "identical" if same else "not shown"
        )
    above, below = _tail((mean + margin) / error, n), _tail((margin - mean) / error, n)
    p = max(above, below)
    likeness: Likeness = "equivalent" if p <= level else "not shown"
    return Equivalence(margin, mean, p, 1 - above - below, span, likeness)


def _tail(t: float, n: int) -> float:
    """How likely Student's t of n - 1 degrees of freedom lies above t."""
    from scipy.special import stdtr

    return float(stdtr(n - 1, -t))

"""Confidence intervals of a mean from few seeds, each with its kind, its n and its confidence.

The half-width of a t interval is a quantile times a standard error, and both are exact for normal
data from two values on. The bias-corrected bootstrap (BCa) is not used: from the few values that a
study has it draws intervals that are far too narrow, its "95 %" covering .51, .71, .81 and .85 of
normal data at n = 2, 3, 4, 5 and still only .92 at n = 20. `benchmarks/null_studies.py` measures
the coverage of every kind here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.stats.closeness import SMALLEST, TOLERANCE, side

Floats = NDArray[np.float64]
Values: TypeAlias = "Sequence[float] | Floats | pd.Series[float]"

Kind = Literal["t", "corrected t", "twice corrected t", "bootstrap t", "jackknife t", "Wilson"]

IN_WORDS: Final[dict[Kind, str]] = {
    "t": "Student's t",
    "corrected t": "Student's t, corrected for a choice that the seeds share",
    "twice corrected t": "Student's t, corrected for two choices that the seeds share",
    "bootstrap t": "bootstrap-t",
    "jackknife t": "Student's t, jackknifed over trials",
    "Wilson": "Wilson's score",
}

BY_CHOICES: Final[tuple[Kind, ...]] = ("t", "corrected t", "twice corrected t")
"""The kind of interval by how many choices, made on the other seeds, are in each value."""

CONFIDENCE: Final = 0.95
FEWEST_RESAMPLED: Final = 5
"""From fewer values the bootstrap-t is not drawn: at three its "95 %" covers .81 of normal data."""

_RESAMPLES: Final = 4999


@dataclass(frozen=True)
class Interval:
    """An interval of a mean or a share: its ends, of which kind it is and from how many values.

    The ends are missing (nan) where n is too small for the kind.
    """

    lo: float
    hi: float
    kind: Kind
    n: int
    confidence: float = CONFIDENCE

    @property
    def known(self) -> bool:
        return not (math.isnan(self.lo) or math.isnan(self.hi))

    def side(self, scale: float = 1.0) -> int:
        """Return 1 where it lies above zero, -1 below, 0 where it holds zero or is missing.

        An end that is zero but for rounding is zero; `scale` is the size of the values compared.
        """
        low, high = side(self.lo, scale), side(self.hi, scale)
        return low if low == high else 0

    @property
    def words(self) -> str:
        """What it is, for a caption: `95 %, Student's t, n = 3`."""
        return f"{100 * self.confidence:g} %, {IN_WORDS[self.kind]}, n = {self.n}"


def present(values: Values) -> Floats:
    """Return the values that are not missing."""
    array: Floats = np.asarray(values, dtype=float)
    return np.asarray(array[~np.isnan(array)])


def t_quantile(n: int, confidence: float = CONFIDENCE) -> float:
    """Return Student's two-sided quantile for n values, n - 1 degrees of freedom; n >= 2."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 0.5 + confidence / 2))


def t_p(means: Floats, errors: Floats, n: int) -> Floats:
    """Return two-sided p-values of means against zero, given their standard errors.

    Missing where the error is zero: values that are all equal say nothing of their spread.
    """
    from scipy.special import stdtr

    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(errors > 0, np.abs(means) / errors, np.nan)
    return np.asarray(2 * stdtr(n - 1, -t))


def standard_errors(values: Floats, choices: int = 0) -> Floats:
    """Return the standard error of the mean along the last axis [..., n]; 0 where all are equal.

    `choices` is for values each scored at a seed under a choice made on the n - 1 others, or the
    difference of two such. Any two of them share n - 2 seeds of their choices, and the plain error
    is too small: each choice adds 1/(n - 1), the seeds tested over those chosen on, to the 1/n by
    which the variance is multiplied (Nadeau and Bengio 2003 for one).
    """
    n = values.shape[-1]
    spread = values.std(axis=-1, ddof=1)
    size = np.maximum(np.abs(values).max(axis=-1), SMALLEST)
    spread = np.where(spread <= TOLERANCE * size, 0.0, spread)
    return np.asarray(spread * math.sqrt(1 / n + (choices / (n - 1) if choices else 0.0)))


def t_bounds(
    values: Floats, confidence: float = CONFIDENCE, choices: int = 0
) -> tuple[Floats, Floats]:
    """Return both ends of the t interval of the mean along the last axis [..., n], n >= 2."""
    centre = values.mean(axis=-1)
    half = t_quantile(values.shape[-1], confidence) * standard_errors(values, choices)
    return np.asarray(centre - half), np.asarray(centre + half)


def bootstrap_bounds(samples: Floats, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Return both ends of the bootstrap-t interval of the means of samples [K, n], n >= 5.

    The quantiles of (resampled mean - mean) / resampled error take the place of Student's
    (Efron 1979, Hall 1988), so that a long tail widens the interval on its own side. Resamples of
    one value only have no error and are left out. The generator is fixed and the samples are
    sorted: an interval is a function of its sample alone, whatever the order of the values.
    """
    ordered = np.sort(samples, axis=-1)
    n = ordered.shape[-1]
    centre, error = ordered.mean(axis=-1), standard_errors(ordered)
    scale = np.where(error > 0, error, 1.0) * math.sqrt(n)
    drawn = np.random.default_rng(0).integers(0, n, (_RESAMPLES, n))
    tails = np.array([(1 - confidence) / 2, 0.5 + confidence / 2])
    scaled = (ordered - centre[:, None]) / scale[:, None]
    low, high = np.array([_studentized(sample[drawn], tails) for sample in scaled]).T
    return centre - high * error, centre - low * error


def _studentized(resampled: Floats, tails: Floats) -> Floats:
    """Quantiles of sqrt(n) times mean over spread of resamples [B, n] of one scaled sample."""
    spread = resampled.std(axis=-1, ddof=1)
    whole = spread > 1e-9
    if not whole.any():
        return np.zeros(len(tails))
    t = math.sqrt(resampled.shape[-1]) * resampled.mean(axis=-1)[whole] / spread[whole]
    return np.asarray(np.quantile(t, tails))


def interval(values: Values, confidence: float = CONFIDENCE, kind: Kind = "t") -> Interval:
    """Return the interval of the mean of the values that are not missing; see `intervals`."""
    return intervals([present(values)], confidence, kind)[0]


def intervals(
    samples: Sequence[Floats], confidence: float = CONFIDENCE, kind: Kind = "t"
) -> list[Interval]:
    """Return the interval of each sample's mean: a t, once or twice corrected, or a bootstrap t.

    One value gives a missing interval, equal ones the degenerate interval at their value. From
    fewer than `FEWEST_RESAMPLED` values a bootstrap-t is Student's, and its kind says so. Raises
    ValueError for a kind that is no interval of a mean of values.
    """
    if kind not in _BOUNDS:
        raise ValueError(f"kind must be one of {', '.join(_BOUNDS)}, got {kind!r}")
    kinds = [_feasible(kind, len(sample)) for sample in samples]
    result = [
        Interval(math.nan, math.nan, used, len(sample), confidence)
        for used, sample in zip(kinds, samples, strict=True)
    ]
    for n in sorted({len(sample) for sample in samples} - {0, 1}):
        places = [place for place, sample in enumerate(samples) if len(sample) == n]
        used = kinds[places[0]]
        ends = _BOUNDS[used](np.stack([samples[place] for place in places]), confidence)
        for place, lo, hi in zip(places, *ends, strict=True):
            result[place] = Interval(float(lo), float(hi), used, n, confidence)
    return result


def _feasible(kind: Kind, n: int) -> Kind:
    return "t" if kind == "bootstrap t" and n < FEWEST_RESAMPLED else kind


_BOUNDS: Final[dict[Kind, Callable[[Floats, float], tuple[Floats, Floats]]]] = {
    **{kind: partial(t_bounds, choices=choices) for choices, kind in enumerate(BY_CHOICES)},
    "bootstrap t": bootstrap_bounds,
}


def wilson(share: float, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval of a share seen in n trials (Wilson 1927)."""
    if n < 1 or math.isnan(share):
        return Interval(math.nan, math.nan, "Wilson", n, confidence)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - half), min(1.0, centre + half), "Wilson", n, confidence)

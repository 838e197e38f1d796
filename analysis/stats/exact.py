"""Exact paired tests for few seeds, and p-values corrected for how many were computed.

Large permutation tests draw from a fixed generator, so that a p is a function of the data alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np

from analysis.stats.closeness import reach, snapped
from analysis.stats.intervals import Floats

_ENUMERATED: Final = 16
"""Up to this many units a sign-flip test enumerates all 2^n assignments of signs."""


def smallest_p(n: int) -> float:
    """Return the smallest two-sided p that an exact paired test of n units can give: 2^(1-n)."""
    return min(1.0, 2.0 ** (1 - n)) if n else math.nan


def caution(n: int, level: float = 0.05) -> str | None:
    """Return a sentence when n units cannot give a p of at most `level`, else None."""
    if n and smallest_p(n) <= level:
        return None
    needed = next(m for m in range(1, 64) if smallest_p(m) <= level)
    if n == 0:
        return f"no pairs; {needed} independent ones are needed for a p below {level:g}"
    units = "1 independent pair" if n == 1 else f"{n} independent pairs"
    return (
        f"with {units} no exact test can give a p below {smallest_p(n):.2g}; {needed} are needed"
        f" for one below {level:g}"
    )


def sign_flip_p(differences: Floats) -> float:
    """Return the two-sided p of the mean difference if each sign were a fair coin's.

    Exact by enumeration up to 16 values, beyond by scipy's permutation test; missing without any.
    """
    values = _level(differences)
    if len(values) == 0:
        return math.nan
    return _permuted_p(values) if len(values) > _ENUMERATED else _enumerated_p(values)


def _level(differences: Floats) -> Floats:
    """Differences of which those equal but for rounding are equal: .93 - .90 is .95 - .92."""
    values = np.asarray(differences, dtype=float)
    sizes = snapped(np.abs(values))
    return np.asarray(np.where(sizes <= reach(values), 0.0, np.sign(values) * sizes))


def _enumerated_p(values: Floats) -> float:
    """Share of all sign assignments whose sum is at least as far from 0 as the one seen."""
    signs = np.array(list(product((1.0, -1.0), repeat=len(values))))
    sums = np.abs(signs @ np.abs(values))
    seen = abs(values.sum())
    return float(np.mean(sums >= seen - reach(sums)))


def _permuted_p(values: Floats) -> float:
    from scipy.stats import permutation_test

    def mean(sample: Floats, axis: int) -> Floats:
        return np.asarray(sample.mean(axis=axis))

    found = permutation_test(
        (values,), mean, permutation_type="samples", vectorized=True, n_resamples=99_999,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(found.pvalue)


def wilcoxon_p(differences: Floats) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test, exact up to 16 differences.

    Zeros are left out and ties share their mean rank; 1 when only zeros are left, missing without
    any difference at all. Beyond 16 it is scipy's.
    """
    from scipy.stats import rankdata, wilcoxon

    values = _level(differences)
    if len(values) == 0:
        return math.nan
    apart = values[values != 0]
    if len(apart) == 0:
        return 1.0
    if len(apart) > _ENUMERATED:
        return float(wilcoxon(apart).pvalue)
    return _enumerated_p(np.sign(apart) * rankdata(np.abs(apart)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number after Holm (1979); missing ones stay missing."""
    given = np.asarray(p_values, dtype=float)
    adjusted = np.full(given.shape, math.nan)
    known = ~np.isnan(given)
    adjusted[known] = holm_adjusted(given[known])
    return [float(p) for p in adjusted]


def holm_adjusted(p_values: Floats) -> Floats:
    """Return families of p-values [..., m] adjusted after Holm along the last axis; none missing.

    The least p is multiplied by m, the next by m - 1, ..., and none falls below one before it.
    """
    m = p_values.shape[-1]
    order = p_values.argsort(axis=-1)
    raised = np.take_along_axis(p_values, order, -1) * np.arange(m, 0, -1)
    adjusted = np.empty_like(p_values)
    steps = np.maximum.accumulate(np.minimum(raised, 1.0), axis=-1)
    np.put_along_axis(adjusted, order, steps, -1)
    return adjusted

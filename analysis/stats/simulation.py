"""Made-up studies whose truth is known: how often what the statistics say of them is wrong.

All values are points of a metric of which more is better. The tests hold the short forms to their
limits; `benchmarks/null_studies.py` prints the long ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analysis.stats.crossfit import optimum_at
from analysis.stats.exact import holm_adjusted
from analysis.stats.intervals import Floats, Kind, intervals, standard_errors, t_bounds, t_p
from analysis.stats.power import LEVEL

SPREAD: Final = 0.3
"""Standard deviation of a network's luck and of a dense run's, in points."""


def studies(
    rng: np.random.Generator,
    n_studies: int,
    true: Sequence[float],
    n_seeds: int,
    *,
    noise: float = 0.0,
    step: float = 0.0,
) -> tuple[Floats, Floats]:
    """Return validation and test values [studies, entrants, seeds] of entrants of `true` worth.

    All entrants of a seed share its dense run; each network has luck of its own, which validation
    and test share; `noise` is the deviation of each evaluation beside that. With a `step` values
    come in multiples of it, as accuracies come in multiples of an image.
    """
    shape = (n_studies, len(true), n_seeds)
    dense = rng.normal(0, SPREAD, (n_studies, 1, n_seeds))
    networks = np.asarray(true, dtype=float)[:, None] + dense + rng.normal(0, SPREAD, shape)
    val, test = (networks + noise * rng.normal(size=shape) for _ in range(2))
    return (val, test) if step == 0 else (step * np.round(val / step), step * np.round(test / step))


@dataclass(frozen=True)
class Coverage:
    """How an interval does over many studies: shares that hold the truth, lie above it, below it.

    `mean` is the mean of what is estimated minus the truth, `error` its standard error over studies
    and `width` the median width.
    """

    covered: float
    above: float
    below: float
    mean: float
    error: float
    width: float


def coverage(estimates: Floats, low: Floats, high: Floats, truth: float = 0.0) -> Coverage:
    """Return how intervals [studies] do against the truth."""
    return Coverage(
        float(((low <= truth) & (truth <= high)).mean()),
        float((low > truth).mean()),
        float((high < truth).mean()),
        float(estimates.mean() - truth),
        float(estimates.std(ddof=1) / np.sqrt(len(estimates))),
        float(np.median(high - low)),
    )


def coverage_of(samples: Floats, kind: Kind, truth: float) -> Coverage:
    """Return how the intervals of one kind of the means of samples [studies, n] do."""
    spans = intervals(list(samples), kind=kind)
    ends = np.array([[one.lo, one.hi] for one in spans])
    return coverage(samples.mean(axis=-1), ends[:, 0], ends[:, 1], truth)


def regrets(val: Floats, test: Floats) -> Floats:
    """Return the cross-fitted regret [studies, seeds] of the last entrant against the others."""
    return np.asarray(optimum_at(-val[:, :-1], test[:, :-1]) - test[:, -1])


def regret_coverage(val: Floats, test: Floats, choices: int = 1) -> Coverage:
    """Return how the interval of the regret does where the truth is 0."""
    values = regrets(val, test)
    low, high = t_bounds(values, choices=choices)
    return coverage(values.mean(axis=-1), low, high)


def pair_differences(test: Floats) -> Floats:
    """Return the differences [studies, pairs, seeds] of all pairs of entrants."""
    pairs = combinations(range(test.shape[1]), 2)
    return np.stack([test[:, of] - test[:, rival] for of, rival in pairs], axis=1)


def settled(differences: Floats, choices: int = 0, level: float = LEVEL) -> NDArray[np.bool_]:
    """Return which differences [studies, family, seeds] are settled after Holm's correction."""
    errors = standard_errors(differences, choices)
    p = t_p(differences.mean(axis=-1), errors, differences.shape[-1])
    return np.asarray(holm_adjusted(np.nan_to_num(p, nan=1.0)) <= level)


def false_verdicts(test: Floats, choices: int = 0) -> float:
    """Return the share of studies with any verdict, where all entrants are equally good."""
    return float(settled(pair_differences(test), choices).any(axis=1).mean())


def found(test: Floats, of: int = 0, rival: int = 1) -> float:
    """Return the share of studies in which `of` is settled to be better than `rival`."""
    pairs = list(combinations(range(test.shape[1]), 2))
    differences = pair_differences(test)
    place = pairs.index((of, rival))
    better = differences[:, place].mean(axis=-1) > 0
    return float((settled(differences)[:, place] & better).mean())

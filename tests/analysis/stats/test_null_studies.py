"""What is claimed of studies without any effect, and how often intervals cover: short simulations.

The limits are those that the long form, `benchmarks/null_studies.py`, shows to hold, with room for
the number of studies here: three standard errors.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.stats import Candidates, optimum, regret, verdicts
from analysis.stats.crossfit import advantage_at, optimum_at
from analysis.stats.intervals import t_bounds
from analysis.stats.simulation import (
    coverage,
    coverage_of,
    false_verdicts,
    found,
    pair_differences,
    regret_coverage,
    regrets,
    settled,
    studies,
)
from analysis.stats.verdicts import LIKELY_LEVEL

SEEDS = (3, 5, 8)
N_STUDIES = 4000


def room(share: float) -> float:
    """Three standard errors of a share of the studies."""
    return 3 * math.sqrt(share * (1 - share) / N_STUDIES)


def naive_regret(val: np.ndarray, test: np.ndarray) -> float:
    """The mean regret against the optimum of all seeds, scored at these same seeds."""
    best = val[:, :-1].mean(axis=-1).argmax(axis=1)
    tuned = np.take_along_axis(test, best[:, None, None], axis=1)[:, 0]
    return float((tuned - test[:, -1]).mean())


def test_the_regret_of_two_hundred_null_studies_is_nothing() -> None:
    val, test = studies(np.random.default_rng(1), 200, [0.0] * 13, 3)
    fits = [
        regret(Candidates(tuple(range(12)), (0, 1, 2), -v[:12], t[:12]), t[12])
        for v, t in zip(val, test, strict=True)
    ]
    assert abs(np.mean([fit.mean for fit in fits])) < 0.02
    assert np.mean([fit.interval.side() > 0 for fit in fits]) <= 0.05
    assert np.allclose([fit.values for fit in fits], regrets(val, test))
    assert naive_regret(val, test) > 0.2  # what choosing and scoring at the same seeds claims


@pytest.mark.parametrize("n_seeds", SEEDS)
def test_the_regret_is_not_biased_and_its_interval_covers(n_seeds: int) -> None:
    val, test = studies(np.random.default_rng(n_seeds), N_STUDIES, [0.0] * 13, n_seeds)
    result = regret_coverage(val, test)
    assert abs(result.mean) < 3 * result.error < 0.02
    assert result.above <= 0.025 + room(0.025)
    assert 0.93 <= result.covered <= 0.98 + room(0.98)


@pytest.mark.parametrize("n_seeds", SEEDS)
@pytest.mark.parametrize("n_entrants", [2, 3, 4, 5, 6])
def test_false_verdicts_of_equal_entrants(n_entrants: int, n_seeds: int) -> None:
    rng = np.random.default_rng(100 * n_entrants + n_seeds)
    _, test = studies(rng, N_STUDIES, [0.0] * n_entrants, n_seeds)
    assert false_verdicts(test) <= 0.05 + room(0.05)
    assert false_verdicts(test) > 0.03  # nor are they bought with verdicts that never come
    likely = settled(pair_differences(test), level=LIKELY_LEVEL).any(axis=1).mean()
    assert likely <= 0.2 + room(0.2)


@pytest.mark.parametrize("n_seeds", SEEDS)
def test_false_verdicts_of_equal_entrants_that_were_tuned(n_seeds: int) -> None:
    val, test = studies(np.random.default_rng(n_seeds), N_STUDIES, [0.0] * 20, n_seeds)
    groups = [slice(first, first + 5) for first in range(0, 20, 5)]
    stands = np.stack([optimum_at(-val[:, g], test[:, g]) for g in groups], axis=1)
    assert false_verdicts(stands, choices=2) <= 0.05 + room(0.05)
    assert false_verdicts(stands) > 0.08  # without the allowance for choices that seeds share


@pytest.mark.parametrize("n_seeds", [*SEEDS, 12])
@pytest.mark.parametrize("n_settings", [2, 6])
def test_the_advantage_of_one_equal_over_another_is_nothing(n_settings: int, n_seeds: int) -> None:
    val, test = studies(np.random.default_rng(n_seeds), N_STUDIES, [0.0] * n_settings, n_seeds)
    values = advantage_at(-val, test)
    low, high = t_bounds(values, choices=2)
    result = coverage(values.mean(axis=-1), low, np.maximum(high, 0.0))
    assert abs(result.mean) < 3 * result.error
    assert result.above <= 0.04
    plain = coverage(values.mean(axis=-1), *t_bounds(values))
    assert plain.covered < 0.92  # what no allowance for the choices would cover


def test_verdicts_are_those_of_the_simulation() -> None:
    import pandas as pd

    _, test = studies(np.random.default_rng(4), 60, [0.9, 0.0, 0.0], 5)
    outcomes = [
        verdicts(pd.DataFrame(one.T, columns=list("abc")))[0].outcome == "better" for one in test
    ]
    assert np.mean(outcomes) == pytest.approx(found(test))
    assert 0 < found(test) < 1


@pytest.mark.parametrize("kind", ["t", "bootstrap t"])
@pytest.mark.parametrize("n", [3, 5, 8, 12])
def test_intervals_cover_normal_data(kind: str, n: int) -> None:
    n_studies = 1500 if kind == "bootstrap t" else N_STUDIES
    samples = np.random.default_rng(n).normal(1.0, 0.3, (n_studies, n))
    result = coverage_of(samples, kind, 1.0)
    slack = 3 * math.sqrt(0.05 * 0.95 / n_studies)
    assert 0.95 - slack <= result.covered <= 0.95 + slack


def test_of_skewed_data_the_bootstrap_t_covers_more() -> None:
    samples = np.random.default_rng(0).exponential(size=(1000, 8))
    assert coverage_of(samples, "bootstrap t", 1.0).covered > 0.91
    assert coverage_of(samples, "t", 1.0).covered < 0.91


def test_what_a_setting_chosen_by_luck_is_worth() -> None:
    """Of settings that differ, the optimum is what the choice of the other seeds is truly worth."""
    rng = np.random.default_rng(2)
    true = np.array([0.0, 0.1, 0.2, 0.3])
    val, test = studies(rng, N_STUDIES, true, 3)
    again = studies(rng, N_STUDIES, true, 3)[1]  # the same settings at three other seeds
    chosen = np.argmax(val[:, :, :2].mean(axis=-1), axis=1)
    fresh = np.take_along_axis(again, chosen[:, None, None], axis=1).mean()
    fits = [optimum(Candidates(tuple(range(4)), (0, 1, 2), -v, t)).mean for v, t in
            zip(val[:500], test[:500], strict=True)]  # fmt: skip
    estimate = optimum_at(-val, test).mean()
    assert estimate == pytest.approx(fresh, abs=0.02)
    assert np.mean(fits) == pytest.approx(optimum_at(-val[:500], test[:500]).mean())

"""Power, seeds needed and equivalence against closed forms, printed tables and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import (
    default_margin,
    equivalence,
    interval,
    power,
    seeds_needed,
    smallest_difference,
    spread_range,
)


def test_power_of_no_difference_is_the_level() -> None:
    assert power(0.0, 1.0, 3) == pytest.approx(0.05)
    assert power(0.0, 2.0, 8, level=0.01) == pytest.approx(0.01)


@pytest.mark.parametrize(("effect", "n"), [(0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5), (0.2, 199)])
def test_seeds_needed_against_printed_tables(effect: float, n: int) -> None:
    # paired t test, two-sided, 80 % power, 5 % level (G*Power 3)
    assert seeds_needed(effect, 1.0) == n
    assert seeds_needed(-10 * effect, 10.0) == n


def test_seeds_needed_at_the_ends() -> None:
    assert seeds_needed(100.0, 1.0) == 3
    assert seeds_needed(0.5, 0.0) == 3
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(1e-4, 1.0) is None
    assert seeds_needed(math.nan, 1.0) is None
    assert seeds_needed(0.5, math.nan) is None
    assert seeds_needed(1.0, 1.0, n_comparisons=15) == 19


@pytest.mark.parametrize(("n", "size"), [(3, 3.264), (5, 1.682), (8, 1.156)])
def test_the_smallest_difference_in_spreads(n: int, size: float) -> None:
    assert smallest_difference(1.0, n) == pytest.approx(size, abs=1e-3)
    assert smallest_difference(0.3, n) == pytest.approx(0.3 * size, abs=1e-3)
    assert power(smallest_difference(2.0, n, 15), 2.0, n, 0.05 / 15) == pytest.approx(0.8)


def test_the_smallest_difference_of_too_little_is_missing() -> None:
    assert math.isnan(smallest_difference(1.0, 2))
    assert math.isnan(smallest_difference(math.nan, 3))
    assert smallest_difference(0.0, 3) == 0.0


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 5), st.floats(0.1, 3))
def test_one_seed_fewer_would_not_do(difference: float, spread: float) -> None:
    n = seeds_needed(difference, spread)
    if n is None:
        return
    assert power(difference, spread, n) >= 0.8
    assert n == 3 or power(difference, spread, n - 1) < 0.8


def test_power_is_what_simulation_finds() -> None:
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(0).normal(1.2, 1.0, (8000, 5))
    found = (ttest_1samp(values, 0, axis=1).pvalue <= 0.05).mean()
    assert power(1.2, 1.0, 5) == pytest.approx(found, abs=3 * math.sqrt(0.25 / 8000))


def test_a_spread_of_three_seeds_may_be_anything() -> None:
    # chi-squared of two degrees: 7.3778 and .050636
    low, high = spread_range(1.0, 3)
    assert (low, high) == pytest.approx((math.sqrt(2 / 7.3778), math.sqrt(2 / 0.050636)), abs=1e-3)
    assert math.isnan(spread_range(1.0, 1)[0])


def test_equivalence_by_hand() -> None:
    # mean .1, error .1 / sqrt(3) * 1 = .057735; t of two degrees has the tail (1 - t/sqrt(t^2+2))/2
    found = equivalence([0.0, 0.1, 0.2], 0.5)
    error = 0.1 / math.sqrt(3)
    tails = [(1 - t / math.sqrt(t * t + 2)) / 2 for t in (0.6 / error, 0.4 / error)]
    assert found.p == pytest.approx(tails[1])
    assert found.inside == pytest.approx(1 - sum(tails))
    assert found.likeness == "equivalent"
    assert found.interval == interval([0.0, 0.1, 0.2], 0.9)
    assert found.mean == pytest.approx(0.1)


@given(st.lists(st.integers(-30, 30), min_size=3, max_size=8), st.floats(0.05, 2))
def test_equivalent_is_an_interval_within_the_margin(values: list[int], margin: float) -> None:
    found = equivalence([value / 100 for value in values], margin)
    if found.likeness in ("identical", "unknown") or math.isnan(found.p):
        return
    within = -margin <= found.interval.lo and found.interval.hi <= margin
    assert (found.likeness == "equivalent") == within
    assert 0 <= found.inside <= 1


def test_likeness_at_the_ends() -> None:
    assert equivalence([0.0, 0.0], 0.5).likeness == "unknown"
    assert equivalence([], 0.5).likeness == "unknown"
    assert equivalence([1e-17, 0.0, -1e-17], 0.5).likeness == "identical"
    level = equivalence([0.1, 0.1, 0.1], 0.5)
    assert (level.likeness, math.isnan(level.p)) == ("not shown", True)
    assert equivalence([1.0, 1.1, 1.2], 0.5).likeness == "not shown"
    assert equivalence([-1.0, -1.1, -1.2], 0.5).p > 0.95
    with pytest.raises(ValueError, match="margin must be > 0, got 0"):
        equivalence([0.1, 0.2, 0.3], 0)


def test_shared_choices_make_likeness_harder() -> None:
    values = [0.0, 0.1, 0.2]
    assert equivalence(values, 0.5, choices=1).p > equivalence(values, 0.5).p
    assert equivalence(values, 0.5, choices=1).interval.kind == "corrected t"


def test_half_a_point_is_the_margin_of_per_cent_alone() -> None:
    assert default_margin("test_accuracy") == 0.005
    assert default_margin("val_loss") is None
    assert default_margin("train_s") is None


def test_equivalence_is_claimed_wrongly_in_one_study_of_twenty() -> None:
    """At a true difference as large as the margin, where the claim is just false."""
    values = np.random.default_rng(1).normal(0.5, 0.2, (2000, 3))
    wrong = np.mean([equivalence(row, 0.5).likeness == "equivalent" for row in values])
    assert wrong == pytest.approx(0.05, abs=0.015)

"""Statistics against statsmodels, which computes the same from formulas of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import equivalence, holm, power, seeds_needed

pytestmark = pytest.mark.slow  # importing statsmodels takes seconds


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_agrees_with_statsmodels(given_p: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    expected = multipletests(given_p, method="holm")[1]
    assert holm(given_p) == pytest.approx(expected.tolist())


@pytest.mark.parametrize("n", [3, 5, 12])
def test_two_one_sided_tests_agree_with_statsmodels(n: int) -> None:
    from statsmodels.stats.weightstats import ttost_paired

    of, rival = np.random.default_rng(n).normal(0, 0.3, (2, n))
    expected, _, _ = ttost_paired(of, rival, -0.5, 0.5)
    assert equivalence(of - rival, 0.5).p == pytest.approx(expected)


@pytest.mark.parametrize("n", [3, 8])
@pytest.mark.parametrize("size", [0.1, 1.0, 3.3])
def test_power_agrees_with_statsmodels(n: int, size: float) -> None:
    from statsmodels.stats.power import TTestPower

    expected = TTestPower().power(size, n, 0.01)
    assert power(2 * size, 2.0, n, 0.01) == pytest.approx(expected)
    found = seeds_needed(size, 1.0, n_comparisons=5)
    enough = TTestPower().solve_power(size, None, 0.01, 0.8)
    assert found == math.ceil(enough)

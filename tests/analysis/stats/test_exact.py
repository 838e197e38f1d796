"""Exact tests and corrections against values worked out by hand, scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats import caution, holm, sign_flip_p, smallest_p, wilcoxon_p

floats = st.floats(-100, 100).map(lambda value: round(value, 3))


@pytest.mark.parametrize(
    ("n", "p"), [(1, 1.0), (2, 0.5), (3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125)]
)
def test_the_smallest_p_is_reached_when_all_signs_agree(n: int, p: float) -> None:
    assert smallest_p(n) == p
    assert sign_flip_p(np.arange(1.0, n + 1)) == p
    assert sign_flip_p(-np.arange(1.0, n + 1)) == p
    assert wilcoxon_p(np.arange(1.0, n + 1)) == p


def test_the_caution_ends_where_a_small_p_is_possible() -> None:
    assert caution(6) is None
    assert caution(5) == (
        "with 5 independent pairs no exact test can give a p below 0.062; 6 are needed for one"
        " below 0.05"
    )
    assert caution(3, level=0.25) is None
    assert "8 are needed" in str(caution(7, level=0.01))
    assert str(caution(1)).startswith("with 1 independent pair no exact test")


def test_sign_flips_by_hand() -> None:
    # |+-1 +-2 +-4| >= |1 + 2 - 4| = 1: all eight; >= |1 - 2 + 4| = 3: 3, 5, 7 and negatives, six
    assert sign_flip_p(np.array([1.0, 2.0, -4.0])) == 1.0
    assert sign_flip_p(np.array([1.0, -2.0, 4.0])) == 0.75
    assert sign_flip_p(np.array([0.0, 0.0])) == 1.0
    assert math.isnan(sign_flip_p(np.array([])))


def test_differences_that_are_equal_but_for_rounding_tie() -> None:
    differences = np.array([0.93 - 0.90, 0.95 - 0.92, 0.90 - 0.93])
    assert len(set(np.abs(differences))) > 1
    assert sign_flip_p(differences) == 1.0
    assert wilcoxon_p(differences) == 1.0


def test_more_units_than_can_be_enumerated_agree_with_enumeration() -> None:
    from scipy.stats import wilcoxon

    values = np.random.default_rng(5).normal(0.5, 1, size=17)
    assert sign_flip_p(values) == pytest.approx(sign_flip_p(values[:16]), abs=0.1)
    assert wilcoxon_p(values) == pytest.approx(wilcoxon(values).pvalue)


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=9, unique_by=abs))
def test_wilcoxon_agrees_with_scipy_where_nothing_ties(values: list[int]) -> None:
    from scipy.stats import wilcoxon

    array = np.array([value for value in values if value], dtype=float)
    expected = wilcoxon(array, method="exact").pvalue
    assert wilcoxon_p(np.array(values, dtype=float)) == pytest.approx(expected)


def test_wilcoxon_leaves_zeros_out_and_shares_tied_ranks() -> None:
    # ranks of |1, 1, 2| are 1.5, 1.5, 3; 1.5 - 1.5 + 3 = 3 is reached by 6 of 8 assignments
    assert wilcoxon_p(np.array([1.0, -1.0, 2.0, 0.0])) == 0.75
    assert wilcoxon_p(np.zeros(3)) == 1.0
    assert math.isnan(wilcoxon_p(np.array([])))


@given(st.lists(floats, min_size=1, max_size=8))
def test_a_p_value_is_a_probability_and_blind_to_sign(values: list[float]) -> None:
    array = np.array(values)
    for test in (sign_flip_p, wilcoxon_p):
        p = test(array)
        assert smallest_p(len(values)) <= p <= 1
        assert p == test(-array)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    adjusted = holm([0.02, math.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_never_lowers_a_p_and_keeps_their_order(given_p: list[float]) -> None:
    adjusted = holm(given_p)
    assert all(p <= q <= 1 for p, q in zip(given_p, adjusted, strict=True))
    assert [q for _, q in sorted(zip(given_p, adjusted, strict=True))] == sorted(adjusted)


def test_differences_that_are_zero_but_for_rounding_are_zero() -> None:
    # Three ties and one difference: of the signs of one value, both are as far from zero.
    assert sign_flip_p(np.array([1e-17, -1e-17, 2e-17, 0.01])) == 1.0
    assert wilcoxon_p(np.array([1e-17, -1e-17, 2e-17, 0.01])) == 1.0
    assert sign_flip_p(np.array([1e-17, 1e-17, 1e-17])) == 1.0

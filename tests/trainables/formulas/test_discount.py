"""ALLR's discount against values by hand."""

import math

import pytest

from trainables.formulas.discount import adaptive_discount, discount_d1, discount_d2


def test_discounts_by_hand():
    assert discount_d1(0.3, 0.25) == pytest.approx(0.6)
    assert discount_d1(0.0, 0.0) == 0.0
    assert discount_d1(0.1, 0.0) == 0.0
    assert discount_d1(0.9, 0.25) == pytest.approx(1.8)  # recorded unclipped
    assert discount_d2(5, 20) == 0.25
    assert discount_d2(30, 20) == 1.5


@pytest.mark.parametrize(
    ("d1", "d2", "d"),
    [(0.2, 0.3, 0.3), (0.4, 0.3, 0.4), (0.4, 1.2, 1.0), (1.3, 0.2, 1.0), (0.0, 0.1, 0.1)],
)
def test_adaptive_discount_is_the_larger_clipped_to_one(d1, d2, d):
    assert adaptive_discount(d1, d2) == d


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: discount_d1(-0.1, 0.5), "norm_drop must be >= 0 and finite, got -0.1"),
        (lambda: discount_d1(math.nan, 0.5), "norm_drop must be >= 0 and finite, got nan"),
        (lambda: discount_d1(0.1, 1.1), r"removed_share must be in \[0, 1\], got 1.1"),
        (lambda: discount_d2(0, 5), "must be >= 1, got 0 and 5"),
        (lambda: discount_d2(5, 0), "must be >= 1, got 5 and 0"),
        (lambda: adaptive_discount(math.nan, 0.5), "d1 and d2 must be >= 0 and finite"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Medians and their intervals, by hand from the binomial distribution."""

from __future__ import annotations

import random

import pytest

from trainables.formulas.order_statistics import Median, median_of


@pytest.mark.parametrize(
    ("n", "k"),
    # P(at most k - 1 heads of n) <= .025: of 6 throws 1/64, of 9 1 + 9 of 512, of 31 k is 10
    [(5, 0), (6, 1), (8, 1), (9, 2), (10, 2), (11, 2), (12, 3), (31, 10)],
)
def test_the_interval_reaches_from_the_kth_smallest_to_the_kth_largest(n: int, k: int) -> None:
    values = list(range(1, n + 1))
    random.Random(0).shuffle(values)
    interval = (k, n + 1 - k) if k else (None, None)
    assert median_of(values) == Median((n + 1) / 2, *interval, n)


def test_an_even_number_of_values_and_other_levels() -> None:
    assert median_of([4.0, 1.0, 2.0, 10.0]).median == 3.0
    assert median_of([3.0, 1.0, 2.0], level=0.75) == Median(2.0, 1.0, 3.0, 3)
    assert median_of([3.0, 1.0, 2.0], level=0.76).lo is None
    with pytest.raises(ValueError, match="must have a value, got none"):
        median_of([])

"""What counts as equal: rounding is a tie, a difference of one in a million is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats.closeness import close, reach, side, snapped


def test_sums_in_another_order_are_close() -> None:
    assert 0.93 - 0.90 != 0.95 - 0.92
    assert close(0.93 - 0.90, 0.95 - 0.92)
    assert not close(0.03, 0.03 + 1e-9)
    assert close(0.03, 0.03 + 1e-10, scale=1.0)
    assert close([1e12, 1.0], [1e12 + 1, 2.0]).tolist() == [True, True]
    assert close([1e12, 1.0], [1e12 + 1, 2.0], scale=1.0).tolist() == [False, False]
    assert not close(math.nan, math.nan)


def test_the_reach_is_a_billionth_of_the_largest() -> None:
    assert reach([0.0, -4.0], [math.nan, 2.0]) == pytest.approx(4e-9)
    assert reach([0.0]) == pytest.approx(1e-12)
    assert reach([math.nan], []) == pytest.approx(1e-12)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.2e-15, 0), (-1.2e-15, 0), (0.0, 0), (math.nan, 0), (2e-9, 1), (-2e-9, -1), (0.5, 1)],
)
def test_a_side_is_none_where_rounding_could_have_chosen_it(value: float, expected: int) -> None:
    assert side(value) == expected


def test_snapped_values_tie() -> None:
    values = np.array([0.3, 0.1 + 0.2, 0.7, math.nan, 0.3 + 1e-8])
    level = snapped(values)
    assert level[0] == level[1] == 0.3
    assert level[4] == values[4]
    assert level[2] == 0.7
    assert math.isnan(level[3])
    assert snapped(np.zeros((0, 3))).shape == (0, 3)
    assert snapped([[1e-17, 0.0], [-1e-17, 1.0]]).tolist() == [[-1e-17, -1e-17], [-1e-17, 1.0]]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_snapping_moves_nothing_that_can_be_seen(values: list[float]) -> None:
    level = snapped(values)
    assert np.abs(level - values).max() <= len(values) * reach(values)
    assert snapped(level).tolist() == level.tolist()
    assert np.argsort(level, kind="stable").tolist() == sorted(
        range(len(values)), key=lambda place: (level[place], place)
    )

"""Fronts with ties, by hand and by definition, and the lines between points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats import non_dominated
from analysis.stats.fronts import along

NAN = math.nan


def test_non_dominated_by_hand() -> None:
    losses = np.array([[1, 4], [2, 2], [2, 2], [3, 3], [4, 1], [2, 5], [NAN, 0], [1, 5]], float)
    expected = [True, True, True, False, True, False, False, False]
    assert non_dominated(losses).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_non_dominated_as_defined(points: list[tuple[int, int, int]]) -> None:
    losses = np.array(points, dtype=float)
    naive = [
        not any(all(o <= p for o, p in zip(other, point, strict=True)) and other != point
                for other in points)
        for point in points
    ]  # fmt: skip
    assert non_dominated(losses).tolist() == naive


def test_points_that_differ_by_rounding_stay_on_the_front_together() -> None:
    losses = np.array([[0.1 + 0.2, 1.0], [0.3, 1.0], [0.3, 0.9 + 1e-13], [0.3, 0.9], [0.2, 5.0]])
    assert non_dominated(losses).tolist() == [False, False, True, True, True]
    assert non_dominated(np.array([[math.nan, 0.0], [1.0, 1.0], [-math.inf, 0.0]])).tolist() == [
        False, True, False,
    ]  # fmt: skip
    assert non_dominated(np.empty((0, 2))).tolist() == []


def test_along_a_line_by_hand() -> None:
    x, y = np.array([3.0, 1.0, 1.0, math.nan]), np.array([0.0, 1.0, 2.0, 9.0])
    at = np.array([0.9, 0.995, 1.0, 2.0, 3.0, 3.005, 3.1])
    found = along(x, y, at, slack=0.01)
    assert found[1:6] == pytest.approx([2.0, 2.0, 1.0, 0.0, 0.0])
    assert np.isnan(found[[0, 6]]).all()
    assert np.isnan(along(x[3:], y[3:], at)).all()
    alone = along(np.array([1.0]), np.array([5.0]), np.array([1.0, 1.1]))
    assert alone[0] == 5.0
    assert math.isnan(alone[1])

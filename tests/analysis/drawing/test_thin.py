"""Long series made short."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis.drawing.thin import kept_points


def test_a_long_series_keeps_its_jumps() -> None:
    values = np.concatenate([np.full(70_000, 0.1), np.full(200_000, 0.01), np.full(30_000, 0.001)])
    kept = kept_points(values)
    assert len(kept) < 700
    assert {0, 69_999, 70_000, 269_999, 270_000, 299_999} <= set(kept.tolist())


def test_a_short_series_is_kept_whole() -> None:
    assert kept_points([3.0, 1.0, 2.0]).tolist() == [0, 1, 2]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=3000), st.integers(2, 300))
def test_thinning_keeps_ends_and_order(values: list[float], limit: int) -> None:
    kept = kept_points(values, limit)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= max(len(values) if len(values) <= limit else 0, 3 * limit)

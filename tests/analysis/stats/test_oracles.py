"""Statistics against statsmodels, which computes the same from formulas of its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import holm

pytestmark = pytest.mark.slow  # importing statsmodels takes seconds


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_agrees_with_statsmodels(given_p: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    expected = multipletests(given_p, method="holm")[1]
    assert holm(given_p) == pytest.approx(expected.tolist())

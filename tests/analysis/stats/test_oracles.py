"""Statistics against statsmodels, which computes the same from formulas of its own."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import anova, components, equivalence, holm, power, seeds_needed
from tests.analysis.small import hand_frame

pytestmark = pytest.mark.slow  # importing statsmodels takes seconds


@pytest.fixture(scope="module", autouse=True)
def little_to_collect() -> Iterator[None]:
    """`multipletests` collects garbage at each call: half a second where much is loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


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


def three_way() -> pd.DataFrame:
    """Three schedules, two sparsities, three budgets, four seeds, with an interaction."""
    rng = np.random.default_rng(0)
    rows = [
        (a, b, c, seed, a * b + 0.3 * c * (a == 1) + 0.2 * seed + 0.1 * rng.normal())
        for a in range(3) for b in (0.8, 0.9) for c in range(3) for seed in range(4)
    ]  # fmt: skip
    return hand_frame(["a", "b", "c", "seed", "val_accuracy"], rows)


def test_anova_agrees_with_statsmodels() -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    frame = three_way()
    model = ols("val_accuracy ~ C(seed) + C(a) * C(b) * C(c)", frame).fit()
    expected = anova_lm(model, typ=2)
    table = anova(frame, ["a", "b", "c"], "val_accuracy")
    for row in table.itertuples():
        there = expected.loc[":".join(f"C({name})" for name in row.term)]
        assert row.ss * row.n_seeds == pytest.approx(there["sum_sq"])
        assert row.df == there["df"]
        assert (row.f, row.p) == (pytest.approx(there["F"]), pytest.approx(there["PR(>F)"]))


def test_components_are_those_of_reml_on_balanced_data() -> None:
    from statsmodels.regression.mixed_linear_model import MixedLM

    rng = np.random.default_rng(1)
    rows = [
        (seed, again, luck + 0.1 * rng.normal())
        for seed, luck in enumerate(0.3 * rng.normal(size=6)) for again in range(4)
    ]  # fmt: skip
    frame = hand_frame(["seed", "again", "val_accuracy"], rows)
    fit = MixedLM(frame["val_accuracy"], np.ones(len(frame)), frame["seed"]).fit(reml=True)
    found = components(frame, "val_accuracy", [], "again")
    assert found is not None
    assert found.dense == pytest.approx(float(fit.cov_re.iloc[0, 0]), rel=1e-3)
    assert found.retraining == pytest.approx(fit.scale, rel=1e-3)

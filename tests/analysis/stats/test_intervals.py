"""Intervals against tables, scipy and by hand; `test_null_studies.py` has how often they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import Interval, interval, intervals, summaries, wilson
from analysis.stats.intervals import bootstrap_bounds, standard_errors, t_p, t_quantile
from tests.analysis.small import hand_frame

floats = st.floats(-100, 100).map(lambda value: round(value, 3))


@pytest.mark.parametrize(("n", "t"), [(2, 12.706), (3, 4.303), (5, 2.776), (8, 2.365), (12, 2.201)])
def test_quantiles_against_the_printed_table(n: int, t: float) -> None:
    assert t_quantile(n) == pytest.approx(t, abs=5e-4)


def test_the_t_interval_by_hand() -> None:
    # mean 5, spread sqrt(13), error sqrt(13 / 3) = 2.0817, times 4.30265
    found = interval([2.0, 4.0, math.nan, 9.0])
    assert (found.lo, found.hi) == pytest.approx((5 - 8.95669, 5 + 8.95669), abs=1e-4)
    assert (found.kind, found.n, found.confidence) == ("t", 3, 0.95)
    assert found.words == "95 %, Student's t, n = 3"
    # 1/3 + 1/2 in place of 1/3: wider by sqrt(2.5)
    corrected = interval([2.0, 4.0, 9.0], kind="corrected t")
    assert (corrected.hi - 5) / (found.hi - 5) == pytest.approx(math.sqrt(2.5))
    assert corrected.kind == "corrected t"
    # 1/3 + 2/2: twice as wide
    twice = interval([2.0, 4.0, 9.0], kind="twice corrected t")
    assert (twice.hi - 5) / (found.hi - 5) == pytest.approx(2)


def test_the_t_interval_and_its_p_agree_with_scipy() -> None:
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(3).normal(0.4, 1, size=9)
    expected = ttest_1samp(values, 0)
    span = expected.confidence_interval(0.9)
    found = interval(values, 0.9)
    assert (found.lo, found.hi) == pytest.approx((span.low, span.high))
    p = t_p(values.mean(), standard_errors(values), 9)
    assert p == pytest.approx(expected.pvalue)


def test_one_value_has_no_interval_and_equal_values_a_degenerate_one() -> None:
    for values in ([0.5], [], [math.nan]):
        assert not interval(values).known
        assert interval(values).side() == 0
    found = interval([0.5, math.nan, 0.5])
    assert (found.lo, found.hi, found.n) == (0.5, 0.5, 2)
    # Equal but for rounding is equal; so is zero but for rounding.
    assert standard_errors(np.array([0.95 - 0.92, 0.93 - 0.90])) == 0
    assert standard_errors(np.array([1e-17, -1e-17, 0.0])) == 0
    assert math.isnan(t_p(np.array(0.1), np.array(0.0), 3))


@pytest.mark.parametrize(
    ("lo", "hi", "side"),
    [(1.2e-15, 0.004, 0), (2e-9, 0.004, 1), (-0.004, -1e-16, 0), (-0.004, -1e-3, -1), (-1, 1, 0),
     (math.nan, math.nan, 0)],
)  # fmt: skip
def test_the_side_of_an_interval_is_not_decided_by_rounding(
    lo: float, hi: float, side: int
) -> None:
    assert Interval(lo, hi, "t", 3).side() == side


def test_the_bootstrap_t_leans_towards_the_tail() -> None:
    values = np.array([1.0, 1.1, 1.2, 1.3, 4.0])
    plain, found = interval(values), interval(values, kind="bootstrap t")
    assert found.kind == "bootstrap t"
    mean = values.mean()
    assert found.hi - mean > 2 * (mean - found.lo)
    assert found.hi > plain.hi
    mirrored = interval(-values, kind="bootstrap t")
    assert mirrored.lo == pytest.approx(-found.hi, rel=0.05)


def test_the_bootstrap_t_of_few_values_is_students_and_says_so() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    assert interval(values, kind="bootstrap t") == interval(values)
    assert interval([], kind="bootstrap t").kind == "t"


def test_the_bootstrap_t_agrees_with_its_definition() -> None:
    rng = np.random.default_rng(7)
    values = rng.exponential(size=12)
    drawn = values[rng.integers(0, 12, (40_000, 12))]
    t = (drawn.mean(axis=1) - values.mean()) / (drawn.std(axis=1, ddof=1) / math.sqrt(12))
    low, high = np.quantile(t, [0.025, 0.975])
    error = values.std(ddof=1) / math.sqrt(12)
    found = interval(values, kind="bootstrap t")
    expected = (values.mean() - high * error, values.mean() - low * error)
    assert (found.lo, found.hi) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("kind", ["t", "corrected t", "bootstrap t"])
def test_an_interval_is_a_function_of_its_sample_alone(kind: str) -> None:
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=n) for n in (3, 6, 3, 1, 6)]
    together = intervals(samples, kind=kind)
    for sample, found in zip(samples, together, strict=True):
        alone = interval(sample[::-1], kind=kind)
        assert (alone.lo, alone.hi) == pytest.approx((found.lo, found.hi), nan_ok=True)
        assert alone.kind == found.kind


def test_no_interval_of_a_mean_is_wilsons() -> None:
    with pytest.raises(
        ValueError,
        match=r"must be one of t, corrected t, twice .*, bootstrap t, got 'W",
    ):
        interval([1.0, 2.0], kind="Wilson")


@settings(deadline=None, max_examples=25)
@given(st.lists(floats, min_size=2, max_size=7), st.floats(0.1, 10), floats)
def test_an_interval_holds_the_mean_and_follows_scale_and_shift(
    values: list[float], scale: float, shift: float
) -> None:
    for kind in ("t", "corrected t", "bootstrap t"):
        found = interval(values, kind=kind)
        slack = 1e-6 * (1 + max(map(abs, values)))
        assert found.lo - slack <= np.mean(values) <= found.hi + slack
        moved = interval([scale * value + shift for value in values], kind=kind)
        expected = (scale * found.lo + shift, scale * found.hi + shift)
        size = max(abs(e) for e in (*expected, 1.0))
        assert (moved.lo, moved.hi) == pytest.approx(expected, abs=1e-5 * size)


def test_equal_samples_are_degenerate_under_every_kind() -> None:
    low, high = bootstrap_bounds(np.full((2, 5), 0.3))
    np.testing.assert_allclose([*low, *high], 0.3)


def test_seconds_get_a_bootstrap_t_and_no_mean_leaves_its_range() -> None:
    seconds = [1.0, 1.1, 1.2, 1.3, 9.0]
    frame = hand_frame(
        ["g", "train_s", "val_accuracy"],
        [("a", second, 0.9 + place / 50) for place, second in enumerate(seconds)]
        + [("b", 1.0, 0.90), ("b", 9.0, 0.99)],
    )
    rows = summaries(frame, ["g"], ["train_s", "val_accuracy"]).set_index(["g", "metric"])
    skewed = interval(seconds, kind="bootstrap t")
    assert tuple(rows.loc[("a", "train_s"), ["lo", "hi"]]) == (skewed.lo, skewed.hi)
    plain = interval([0.9 + place / 50 for place in range(5)])
    assert tuple(rows.loc[("a", "val_accuracy"), ["lo", "hi"]]) == (plain.lo, plain.hi)
    # Two values: .945 +- 12.7 * .045, and 5 +- 50.8
    assert rows.loc[("b", "val_accuracy"), "hi"] == 1.0
    assert rows.loc[("b", "val_accuracy"), "lo"] == pytest.approx(0.945 - 0.5718, abs=1e-4)
    assert rows.loc[("b", "train_s"), "lo"] == 0.0


def test_wilson_against_a_published_value() -> None:
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662
    found = wilson(81 / 263, 263)
    assert (found.lo, found.hi) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (found.kind, found.n) == ("Wilson", 263)
    found = wilson(1.0, 3)
    assert 0.4 < found.lo < 0.5
    assert found.hi == 1.0
    assert not wilson(math.nan, 0).known

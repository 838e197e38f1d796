"""Statistics against values worked out by hand, published tables and scipy as a second witness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.columns.names import distinct_trials
from analysis.stats import (
    TestSelectionError,
    caution,
    gains,
    holm,
    improvement,
    interval,
    intervals,
    losses,
    paired,
    pairing_keys,
    pairs,
    require_choosable,
    sign_flip_p,
    smallest_p,
    summaries,
    summary,
    wilcoxon_p,
    wilson,
)
from tests.analysis.small import hand_frame
from trainables.vocabulary.schema import METRICS

floats = st.floats(-100, 100).map(lambda value: round(value, 3))


def test_summary_by_value() -> None:
    found = summary([2.0, 4.0, math.nan, 9.0])
    assert (found.mean, found.n) == (5.0, 3)
    assert found.std == pytest.approx(math.sqrt(13))


@pytest.mark.parametrize(("values", "n"), [([], 0), ([math.nan], 0), ([3.0], 1)])
def test_a_summary_of_too_few_values_is_missing(values: list[float], n: int) -> None:
    found = summary(values)
    assert found.n == n
    assert math.isnan(found.std)
    assert math.isnan(found.mean) == (n == 0)


def test_one_value_has_no_interval_and_equal_values_a_degenerate_one() -> None:
    assert np.isnan(interval([0.5])).all()
    assert np.isnan(interval([])).all()
    assert interval([0.5, 0.5, 0.5]) == (0.5, 0.5)
    assert interval([0.5, math.nan, 0.5]) == (0.5, 0.5)


def test_the_interval_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(3).exponential(size=25)
    expected = bootstrap((values,), np.mean, n_resamples=20_000, rng=1).confidence_interval
    assert interval(values) == pytest.approx((expected.low, expected.high), abs=0.02)
    narrow = interval(values, confidence=0.5)
    assert expected.low < narrow[0] < values.mean() < narrow[1] < expected.high


def test_an_interval_is_a_function_of_its_sample_alone() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=n) for n in (3, 5, 3, 1, 3)]
    together = intervals(samples)
    np.testing.assert_array_equal(together, [interval(sample) for sample in samples])
    assert interval(samples[1][::-1]) == together[1]


@settings(deadline=None, max_examples=10)
@given(st.lists(floats, min_size=2, max_size=6), st.floats(0.1, 10), floats)
def test_an_interval_holds_the_mean_and_follows_scale_and_shift(
    values: list[float], scale: float, shift: float
) -> None:
    low, high = interval(values)
    mean, span = float(np.mean(values)), float(np.ptp(values))
    slack = 1e-9 * (span + abs(mean))
    assert min(values) - slack <= low <= mean + slack
    assert mean - slack <= high <= max(values) + slack
    moved = interval([scale * value + shift for value in values])
    expected = (scale * low + shift, scale * high + shift)
    assert moved == pytest.approx(expected, abs=0.05 * scale * span + 1e-9)


def test_summaries_count_what_is_not_in_the_mean() -> None:
    frame = hand_frame(
        ["g", "state", "val_accuracy"],
        [("a", "done", 0.5), ("a", "failed", math.nan), ("a", "diverged", 0.1),
         ("a", "stopped", 0.2), ("a", "done", math.nan)],
    )  # fmt: skip
    (row,) = summaries(frame, ["g"], ["val_accuracy"]).to_dict("records")
    counts = {k: row[k] for k in ("n", "n_missing", "n_failed", "n_diverged", "n_stopped")}
    assert counts == dict.fromkeys(counts, 1)
    assert row["mean"] == 0.5


@pytest.mark.parametrize(
    ("metric", "loss"), [("val_accuracy", -0.9), ("val_loss", 0.9), ("theoretical_speedup", -0.9)]
)
def test_a_loss_is_lower_where_the_metric_is_better(metric: str, loss: float) -> None:
    assert losses(pd.DataFrame({metric: [0.9]}), metric).tolist() == [loss]


def test_a_metric_without_direction_is_no_loss() -> None:
    with pytest.raises(ValueError, match="sparsity has no better direction"):
        losses(pd.DataFrame({"sparsity": [0.9]}), "sparsity")
    with pytest.raises(KeyError, match="unknown metric 'nonsense'"):
        losses(pd.DataFrame({"nonsense": [0.9]}), "nonsense")


def test_nothing_is_chosen_on_test() -> None:
    for metric in METRICS.values():
        if "test" in metric.name:
            with pytest.raises(TestSelectionError, match=f"{metric.name} is measured on test data"):
                require_choosable(metric.name)
    assert require_choosable("val_accuracy").direction == "max"
    with pytest.raises(ValueError, match="use pruned_val_accuracy"):
        require_choosable("pruned_test_accuracy")


COLUMNS = ["retrain.schedule", "prune.sparsity", "seed", "val_accuracy"]
SEEDS = [
    ("ft", 0.8, 0, 0.70), ("ft", 0.8, 1, 0.72), ("ft", 0.9, 0, 0.60), ("ft", 0.9, 1, 0.66),
    ("allr", 0.8, 0, 0.74), ("allr", 0.8, 1, 0.75), ("allr", 0.9, 0, 0.68), ("allr", 0.9, 1, 0.65),
]  # fmt: skip


def test_pairs_by_value() -> None:
    found = pairs(hand_frame(COLUMNS, SEEDS), "val_accuracy", "allr", "ft")
    assert found.by == ("prune.sparsity", "seed")
    assert found.table[["prune.sparsity", "seed"]].values.tolist() == [
        [0.8, 0], [0.8, 1], [0.9, 0], [0.9, 1],
    ]  # fmt: skip
    np.testing.assert_allclose(found.table["difference"], [0.04, 0.03, 0.08, -0.01])
    assert (found.n_unpaired, found.n_failed, found.n_diverged) == (0, 0, 0)


def test_a_comparison_by_value() -> None:
    found = paired(hand_frame(COLUMNS, SEEDS), "val_accuracy", "allr", "ft")
    assert found.mean == pytest.approx(0.035)
    assert found.std == pytest.approx(np.std([0.06, 0.01], ddof=1))
    assert (found.n, found.n_units) == (4, 2)
    assert found.lo == pytest.approx(0.01)  # the two seeds' means are .06 and .01
    assert found.hi == pytest.approx(0.06)
    assert found.p_sign == 0.5
    assert found.improved == 0.75
    assert found.caution is not None
    assert found.caution.startswith("with 2 independent pairs no exact test can give a p below 0.5")


def test_a_seed_with_fewer_pairs_counts_as_much_as_the_others() -> None:
    frame = hand_frame(COLUMNS, SEEDS)
    frame.loc[7, "state"] = "failed"  # seed 1 has one pair left: +.03; those of seed 0 are .04, .08
    found = paired(frame, "val_accuracy", "allr", "ft")
    assert (found.n, found.n_units) == (3, 2)
    assert found.mean == pytest.approx(0.045)  # of .06 and .03; the mean of the pairs is .05
    assert found.lo <= found.mean <= found.hi
    frame.loc[[4, 6], "val_accuracy"] = [0.65, 0.75]  # of seed 0's two pairs one is worse
    share, low, high = improvement(pairs(frame, "val_accuracy", "allr", "ft"))
    assert share == 0.75  # of 1/2 and 1; of the three pairs two are better
    assert (low, high) == wilson(0.75, 2)


def test_every_pair_can_be_a_unit() -> None:
    found = paired(hand_frame(COLUMNS, SEEDS), "val_accuracy", "allr", "ft", unit=None)
    assert found.n_units == 4
    assert found.p_sign == 0.25  # 14 and 16 of a possible 16 hundredths: 4 of 16 assignments
    assert paired(hand_frame(COLUMNS, SEEDS), "val_accuracy", "ft", "allr").mean == -found.mean


def test_pairs_of_one_seed_are_one_unit() -> None:
    frame = hand_frame(COLUMNS, [row for row in SEEDS if row[2] == 0])
    found = paired(frame, "val_accuracy", "allr", "ft")
    assert (found.n, found.n_units) == (2, 1)
    assert math.isnan(found.lo)
    assert found.p_sign == 1.0


def test_what_has_no_partner_is_counted() -> None:
    rows = [*SEEDS[:-1], ("ft", 0.95, 0, 0.5), ("ft", 0.95, 1, 0.4)]
    frame = hand_frame(COLUMNS, rows)
    frame.loc[0, "state"] = "failed"
    frame.loc[0, "val_accuracy"] = math.nan
    frame.loc[8, "state"] = "diverged"
    found = pairs(frame, "val_accuracy", "allr", "ft")
    assert len(found.table) == 2
    assert (found.n_unpaired, found.n_failed, found.n_diverged) == (3, 1, 1)


def test_no_pairs_at_all() -> None:
    frame = hand_frame(COLUMNS, [("ft", 0.8, 0, 0.7), ("allr", 0.9, 0, 0.8)])
    found = paired(frame, "val_accuracy", "allr", "ft")
    assert found.n == 0
    assert found.pairs.n_unpaired == 2
    assert np.isnan([found.mean, found.lo, found.p_sign, found.p_wilcoxon, found.improved]).all()
    assert found.caution == "no pairs; 6 independent ones are needed for a p below 0.05"
    nobody = paired(frame, "val_accuracy", "allr", "slr")
    assert (nobody.n, nobody.pairs.n_unpaired) == (0, 1)


def test_a_setting_that_one_kind_lacks_is_no_key() -> None:
    frame = hand_frame(
        ["retrain.schedule", "retrain.discount", "dense.lr", "task.model", "seed", "val_accuracy"],
        [("ft", None, 0.1, "mlp", 0, 0.5), ("allr", "adaptive", 0.1, "mlp", 0, 0.6),
         ("allr", "adaptive", 0.2, "mlp", 0, 0.7)],
    )  # fmt: skip
    assert pairing_keys(frame, "retrain.schedule", ("allr", "ft")) == ["dense.lr", "seed"]
    found = pairs(frame, "val_accuracy", "allr", "ft")
    assert len(found.table) == 1
    assert found.n_unpaired == 1


def test_ambiguous_pairs_are_refused_naming_what_differs() -> None:
    frame = hand_frame(
        ["retrain.schedule", "retrain.discount", "seed", "val_accuracy"],
        [("ft", None, 0, 0.5), ("allr", 0.1, 0, 0.6), ("allr", 0.2, 0, 0.7)],
    )
    match = r"2 trials with retrain\.schedule = allr share their seed; they differ in retrain\.disc"
    with pytest.raises(ValueError, match=match):
        pairs(frame, "val_accuracy", "allr", "ft")
    with pytest.raises(ValueError, match="unknown column 'sede'"):
        pairs(frame, "val_accuracy", "allr", "ft", by=["sede"])


def test_a_trial_read_from_two_studies_counts_once() -> None:
    one = hand_frame(COLUMNS, SEEDS)
    both = pd.concat([one, one.assign(study="other")], ignore_index=True)
    found = paired(both, "val_accuracy", "allr", "ft")
    assert (found.n, found.pairs.n_unpaired) == (4, 0)


def test_a_trial_of_several_studies_is_counted_where_it_is_done() -> None:
    frame = hand_frame(
        ["study", "fingerprint", "state", "seed", "val_accuracy"],
        [("one", "a", "failed", 0, math.nan), ("two", "a", "done", 0, 0.5),
         ("one", "b", "done", 1, 0.7), ("two", "b", "done", 1, 0.7), ("two", "c", "done", 2, 0.9)],
    )  # fmt: skip
    once = distinct_trials(frame)
    assert once.index.tolist() == [1, 2, 4]
    (row,) = summaries(frame, [], ["val_accuracy"]).to_dict("records")
    assert (row["n"], row["n_failed"]) == (3, 0)
    assert row["mean"] == pytest.approx(0.7)
    by_study = summaries(frame, ["study"], ["val_accuracy"])
    assert by_study["n"].tolist() == [1, 3]
    cycles = pd.concat([frame.assign(cycle=1), frame.assign(cycle=2)], ignore_index=True)
    assert distinct_trials(cycles)["cycle"].tolist() == [1, 1, 1, 2, 2, 2]
    repeated = frame.assign(study="one")
    assert distinct_trials(repeated) is repeated


def test_missing_keys_pair_with_missing_keys() -> None:
    frame = hand_frame(
        ["method", "budget.epochs", "seed", "val_accuracy"],
        [("a", None, 0, 0.5), ("b", None, 0, 0.6), ("a", 5.0, 0, 0.7), ("b", 5.0, 0, 0.7)],
    )
    found = pairs(frame, "val_accuracy", "b", "a", by=["budget.epochs"], column="method")
    np.testing.assert_allclose(sorted(found.table["difference"]), [0, 0.1])


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


def test_wilson_against_a_published_value() -> None:
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    low, high = wilson(1.0, 3)
    assert 0.4 < low < 0.5
    assert high == 1.0


def test_the_probability_of_improvement_counts_ties_as_half() -> None:
    frame = hand_frame(
        COLUMNS,
        [("ft", 0.8, seed, 0.5) for seed in range(4)]
        + [("allr", 0.8, seed, value) for seed, value in enumerate((0.6, 0.5, 0.4, 0.7))],
    )
    found = pairs(frame, "val_accuracy", "allr", "ft")
    share, low, high = improvement(found)
    assert share == 0.625
    assert (low, high) == pytest.approx(wilson(0.625, 4))


def test_for_a_loss_lower_is_the_improvement() -> None:
    frame = hand_frame(
        ["retrain.schedule", "seed", "val_loss", "sparsity"],
        [("ft", 0, 2.0, 0.9), ("allr", 0, 1.0, 0.8)],
    )
    assert improvement(pairs(frame, "val_loss", "allr", "ft"))[0] == 1.0
    assert np.isnan(improvement(pairs(frame, "sparsity", "allr", "ft"))).all()


def test_gains_over_each_rival_are_adjusted_for_their_number() -> None:
    rows: list[tuple[Any, ...]] = []
    for seed in range(6):
        rows += [("ft", 0.8, seed, 0.5 + seed / 100), ("llr", 0.8, seed, 0.6),
                 ("allr", 0.8, seed, 0.6 + seed / 1000)]  # fmt: skip
    table = gains(hand_frame(COLUMNS, rows), "val_accuracy", "allr")
    assert table["rival"].tolist() == ["ft", "llr"]
    assert table["mean"].tolist() == pytest.approx([0.0775, 0.0025])
    assert table["n"].tolist() == [6, 6]
    assert table["p_sign"].tolist() == [0.03125, 0.0625]  # seed 0 ties with llr
    assert table["p_holm"].tolist() == [0.0625, 0.0625]
    assert table["caution"].isna().all()
    empty = gains(hand_frame(COLUMNS, rows[:1]), "val_accuracy", "ft")
    assert list(empty.columns) == list(table.columns)
    assert empty.empty

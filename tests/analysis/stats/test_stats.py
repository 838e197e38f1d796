"""Statistics against values worked out by hand, published tables and scipy as a second witness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from analysis.columns.names import distinct_trials
from analysis.stats import (
    TestSelectionError,
    gains,
    improvement,
    losses,
    paired,
    pairing_keys,
    pairs,
    require_choosable,
    summaries,
    summary,
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
    # The two seeds' means are .06 and .01, their error .025, and t of one degree 12.706.
    assert found.interval.kind == "t"
    assert (found.interval.n, found.interval.confidence) == (2, 0.95)
    assert (found.lo, found.hi) == pytest.approx((0.035 - 0.31766, 0.035 + 0.31766), abs=1e-5)
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
    share, span = improvement(pairs(frame, "val_accuracy", "allr", "ft"))
    assert share == 0.75  # of 1/2 and 1; of the three pairs two are better
    assert span == wilson(0.75, 2)


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


def test_the_probability_of_improvement_counts_ties_as_half() -> None:
    frame = hand_frame(
        COLUMNS,
        [("ft", 0.8, seed, 0.5) for seed in range(4)]
        + [("allr", 0.8, seed, value) for seed, value in enumerate((0.6, 0.5, 0.4, 0.7))],
    )
    found = pairs(frame, "val_accuracy", "allr", "ft")
    share, span = improvement(found)
    assert share == 0.625
    assert span == wilson(0.625, 4)


def test_for_a_loss_lower_is_the_improvement() -> None:
    frame = hand_frame(
        ["retrain.schedule", "seed", "val_loss", "sparsity"],
        [("ft", 0, 2.0, 0.9), ("allr", 0, 1.0, 0.8)],
    )
    assert improvement(pairs(frame, "val_loss", "allr", "ft"))[0] == 1.0
    share, span = improvement(pairs(frame, "sparsity", "allr", "ft"))
    assert math.isnan(share)
    assert not span.known


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

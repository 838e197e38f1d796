"""Verdicts on frames worked out by hand: both directions, ties, exact zeros, one to eight seeds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.stats import Candidates, against, gains_by_seed, stand_ins, verdicts
from tests.analysis.small import hand_frame

COLUMNS = ["retrain.schedule", "prune.sparsity", "seed", "val_accuracy"]


def wide(**columns: list[float]) -> pd.DataFrame:
    """Gains by seed, one column per entrant."""
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.Index(range(n), name="seed"))


def test_a_verdict_by_hand() -> None:
    # differences .10 .11 .12: mean .11, error .01 / sqrt(3), t^2 = 363; p of two degrees of freedom
    # is 1 - sqrt(t^2 / (t^2 + 2))
    (one,) = verdicts(wide(a=[0.90, 0.91, 0.92], b=[0.80, 0.80, 0.80]))
    assert (one.of, one.rival, one.outcome, one.n_family) == ("a", "b", "better", 1)
    assert one.gain == pytest.approx(0.11)
    assert one.p_t == one.p_holm == pytest.approx(1 - math.sqrt(363 / 365))
    assert one.p_sign == 0.25
    assert one.interval.lo == pytest.approx(0.11 - 4.30265 * 0.01 / math.sqrt(3), abs=1e-7)
    back = one.turned
    assert (back.of, back.rival, back.outcome) == ("b", "a", "worse")
    assert (back.gain, back.interval.hi) == (-one.gain, -one.interval.lo)
    assert back.turned == one


def test_a_family_is_all_pairs_and_corrected_by_holm() -> None:
    table = wide(a=[0.90, 0.91, 0.92], b=[0.80, 0.80, 0.80], c=[0.80, 0.82, 0.81])
    found = verdicts(table)
    assert [(one.of, one.rival) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    # a - c is .10 .09 .11: t^2 = 300; c - b is .00 .02 .01: t^2 = 3
    p = [1 - math.sqrt(t2 / (t2 + 2)) for t2 in (363, 300, 3)]
    assert [one.p_t for one in found] == pytest.approx(p)
    assert [one.p_holm for one in found] == pytest.approx([3 * p[0], 3 * p[0], p[2]])
    assert [one.outcome for one in found] == ["better", "better", "not settled"]
    assert [one.n_family for one in found] == [3, 3, 3]
    about = against(found, "c")
    assert [(one.of, one.rival, one.outcome) for one in about] == [
        ("c", "a", "worse"), ("c", "b", "not settled"),
    ]  # fmt: skip
    assert about[1].gain == pytest.approx(0.01)


def test_what_is_likely_and_with_how_many_seeds_it_is_settled() -> None:
    # mean .05 and spread .03: t^2 = 25/3, p = .102; 1.67 spreads take six seeds
    (one,) = verdicts(wide(a=[0.95, 0.95, 0.95], b=[0.93, 0.90, 0.87]))
    assert (one.outcome, one.likely, one.seeds_to_settle) == ("not settled", True, 6)
    assert (one.gain, one.spread) == (pytest.approx(0.05), pytest.approx(0.03))
    (none,) = verdicts(wide(a=[0.95, 0.95, 0.95], b=[0.98, 0.90, 0.90]))
    assert not none.likely
    (settled,) = verdicts(wide(a=[0.90, 0.91, 0.92], b=[0.80, 0.80, 0.80]))
    assert not settled.likely
    (few,) = verdicts(wide(a=[0.9], b=[0.1]))
    assert (few.likely, few.seeds_to_settle) == (False, None)


def test_the_t_test_agrees_with_scipy() -> None:
    from scipy.stats import ttest_rel

    table = pd.DataFrame(np.random.default_rng(1).normal(size=(8, 2)), columns=["a", "b"])
    (one,) = verdicts(table)
    assert one.p_t == pytest.approx(ttest_rel(table["a"], table["b"]).pvalue)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_two_seeds_or_fewer_have_no_verdict(n: int) -> None:
    (one,) = verdicts(wide(a=[0.9, 0.8][:n], b=[0.1, 0.0001][:n]))
    assert one.outcome == "unknown"
    assert math.isnan(one.p_holm)
    assert one.n_family == 0
    assert one.interval.n == n


def test_a_pair_without_seeds_takes_no_part_in_the_correction() -> None:
    table = wide(a=[0.90, 0.91, 0.92], b=[0.80, 0.80, 0.80], c=[0.5, math.nan, math.nan])
    found = {(one.of, one.rival): one for one in verdicts(table)}
    assert found["a", "b"].p_holm == found["a", "b"].p_t
    assert found["a", "b"].n_family == 1
    assert found["a", "c"].outcome == found["b", "c"].outcome == "unknown"


def test_seeds_that_do_not_differ_are_judged_by_the_exact_test() -> None:
    # .95 - .92 and .93 - .90 differ by rounding alone: no t test, and 2^(1-n) is the least p.
    of, rival = [0.95, 0.93, 0.95, 0.93, 0.95], [0.92, 0.90, 0.92, 0.90, 0.92]
    (three,) = verdicts(wide(a=of[:3], b=rival[:3]))
    assert (three.p_t, three.outcome) == (0.25, "not settled")
    (six,) = verdicts(wide(a=[*of, 0.95], b=[*rival, 0.92]))
    assert (six.p_t, six.outcome) == (0.03125, "better")


def test_identical_values_are_a_tie_however_they_were_rounded() -> None:
    (one,) = verdicts(wide(a=[0.1 + 0.2, 0.3, 0.7], b=[0.3, 0.1 + 0.2, 0.7]))
    assert (one.gain, one.p_t, one.outcome) == (0.0, 1.0, "not settled")
    assert (one.interval.lo, one.interval.hi) == (0.0, 0.0)


def test_rows_of_one_seed_are_one_unit() -> None:
    rows = [
        (name, sparsity, seed, 0.5 + gain + seed / 100)
        for name, gains in (("ft", (0.0, 0.0)), ("slr", (0.1, 0.3)))
        for sparsity, gain in zip((0.8, 0.9), gains, strict=True)
        for seed in range(3)
    ]
    frame = hand_frame(COLUMNS, rows)
    table = gains_by_seed(frame, "val_accuracy", "retrain.schedule")
    assert table.columns.tolist() == ["ft", "slr"]
    assert table.index.names == ["prune.sparsity", "seed"]
    (one,) = verdicts(table)
    assert one.interval.n == 3
    assert (one.of, one.gain) == ("ft", pytest.approx(-0.2))
    assert one.outcome == "not settled"  # the seeds agree to the digit, and three cannot settle it
    frame.loc[frame.index[-1], "state"] = "failed"  # of seed 2 one pair is left, and it counts
    (one,) = verdicts(gains_by_seed(frame, "val_accuracy", "retrain.schedule"))
    assert one.gain == pytest.approx(-(0.2 + 0.2 + 0.1) / 3)


def test_of_a_loss_less_is_the_gain() -> None:
    frame = hand_frame(
        ["retrain.schedule", "seed", "val_loss"],
        [("ft", s, 2.0 + s / 100) for s in range(3)] + [("slr", s, 1.0) for s in range(3)],
    )
    (one,) = verdicts(gains_by_seed(frame, "val_loss", "retrain.schedule"))
    assert (one.of, one.outcome) == ("ft", "worse")
    assert one.gain == pytest.approx(-1.01)


def test_trials_that_share_their_keys_are_refused() -> None:
    frame = hand_frame(
        [*COLUMNS, "retrain.discount"],
        [("ft", 0.8, 0, 0.5, None), ("allr", 0.8, 0, 0.6, 0.1), ("allr", 0.8, 0, 0.7, 0.2)],
    )
    with pytest.raises(ValueError, match=r"2 trials with one entrant share their .*discount: pair"):
        gains_by_seed(frame, "val_accuracy", "retrain.schedule")


def test_tuned_entrants_have_the_error_of_shared_choices() -> None:
    val = np.array([[0.9, 0.8, 0.85], [0.85, 0.9, 0.8], [0.8, 0.8, 0.8]])
    found = Candidates(("a1", "a2", "b"), (0, 1, 2), -val, val)
    table = stand_ins(found, ["a", "a", "b"])
    (plain,) = verdicts(table)
    (tuned,) = verdicts(table, tuned=["a"])
    width = [one.interval.hi - one.gain for one in (plain, tuned)]
    assert width[1] / width[0] == pytest.approx(math.sqrt(2.5))
    assert tuned.interval.kind == "corrected t"
    assert tuned.p_t > plain.p_t
    (both,) = verdicts(table, tuned=["a", "b"])
    assert (both.interval.hi - both.gain) / width[0] == pytest.approx(2)
    assert both.interval.kind == "twice corrected t"

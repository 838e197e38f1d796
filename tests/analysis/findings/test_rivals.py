"""The leader against its rivals in words: ties, few seeds, failures, losses."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.findings import rivals, sentences
from tests.analysis.hand_made import grid


def test_two_seeds_settle_nothing() -> None:
    said = sentences.findings(two_seeds())
    assert any(s.endswith(": two seeds settle nothing.") for s in said)
    assert "No verdict is given on fewer than 3 seeds." in said


def test_seeds_that_agree_settle_it() -> None:
    frame = grid({("llr",): [0.95, 0.96, 0.97], ("ft",): [0.90, 0.91, 0.925]}, "retrain.schedule")
    (one,) = rivals.comparisons(frame)
    # .05, .05 and .045: t^2 = 29^2, and p of two degrees of freedom is 1 - sqrt(t^2 / (t^2 + 2))
    assert one.verdict.p_holm == pytest.approx(1 - math.sqrt(29**2 / (29**2 + 2)))
    assert one.certainty == "settled, p at most 0.05 after correction"
    assert not any("its own spread" in s for s in sentences.findings(frame))


def two_seeds() -> pd.DataFrame:
    """llr leads at 80 %, both tie at 90 %."""
    table = {("llr", 0.8): [0.95, 0.97], ("ft", 0.8): [0.90, 0.92],
             ("llr", 0.9): [0.80, 0.80], ("ft", 0.9): [0.80, 0.80]}  # fmt: skip
    return grid(table, "retrain.schedule", "prune.sparsity")


def test_what_is_likely_says_how_many_seeds_would_settle_it() -> None:
    frame = grid({("llr",): [0.95, 0.95, 0.95], ("ft",): [0.93, 0.90, 0.87]}, "retrain.schedule")
    (one,) = rivals.comparisons(frame)
    # mean .05 and spread .03: t^2 = 25/3, p = .102
    assert one.certainty == "likely, but 3 seeds do not settle it"
    assert [sentence for sentence in rivals.against_rivals(frame)[1:] if sentence] == [
        "On test LLR is 5.00 points ahead of FT (3 pairs): likely, but 3 seeds do not settle it.",
        "If it is as large as it looks, 6 seeds would settle the lead over FT.",
    ]


def test_every_pair_of_contestants_counts() -> None:
    """What one pair would settle is not even likely as one of the fifteen pairs of six."""
    near = {(name,): [0.94 + i / 1000, 0.92 - i / 1000, 0.95] for i, name in
            enumerate(("lrw", "slr", "clr", "allr"))}  # fmt: skip
    frame = grid(
        {("llr",): [0.95, 0.95, 0.95], ("ft",): [0.93, 0.92, 0.91], **near}, "retrain.schedule"
    )
    found = {one.verdict.rival: one for one in rivals.comparisons(frame)}
    assert found["ft"].verdict.p_t == pytest.approx(1 - math.sqrt(27 / 29))
    assert found["ft"].verdict.p_holm == pytest.approx(15 * found["ft"].verdict.p_t)
    assert found["ft"].certainty == "no clear difference"


def test_the_leader_is_compared_in_its_own_task() -> None:
    """llr leads on cnn, which has more trials, and is far behind on mlp."""
    frame = grid(
        {("llr", "cnn"): [0.95, 0.96, 0.97], ("ft", "cnn"): [0.90, 0.91, 0.92],
         ("llr", "mlp"): [0.50, 0.50], ("ft", "mlp"): [0.90, 0.90]},
        "retrain.schedule", "task.model",
    )  # fmt: skip
    (one,) = rivals.comparisons(frame)
    assert (one.verdict.of, one.verdict.rival) == ("llr", "ft")
    assert one.task == {"task.model": "cnn"}
    assert one.verdict.gain == pytest.approx(0.05)
    assert one.comparison.n == 3
    assert rivals.against_rivals(frame)[0] == ("At cnn, by mean rank on validation LLR is first.")
    (alone,) = rivals.comparisons(frame[frame["task.model"] == "cnn"])
    assert alone.task == {}


def test_one_seed_says_nothing() -> None:
    frame = grid({("llr",): [0.95], ("ft",): [0.90]}, "retrain.schedule")
    (one,) = rivals.comparisons(frame)
    assert one.certainty == "one seed alone says nothing about the next"


def test_what_is_equal_at_every_seed_is_a_tie() -> None:
    # .3 and .1 + .2 are one number; the seeds differ, the contestants do not.
    frame = grid(
        {("llr",): [0.3, 0.1 + 0.2, 0.5], ("ft",): [0.1 + 0.2, 0.3, 0.5]}, "retrain.schedule"
    )
    first, said, *_ = rivals.against_rivals(frame)
    assert first == "By mean rank on validation FT and LLR tie for the first place."
    assert said == "On test FT is 0.00 points ahead of LLR (3 pairs): a tie at every seed."


def test_a_zero_difference_with_a_spread_is_no_tie() -> None:
    frame = grid({("llr",): [0.5, 0.6, 0.7], ("ft",): [0.6, 0.6, 0.6]}, "retrain.schedule")
    assert "0.00 points ahead of" in " ".join(rivals.against_rivals(frame))
    assert "no clear difference" in " ".join(rivals.against_rivals(frame))


def test_failures_stand_in_the_sentence() -> None:
    frame = grid(
        {("llr",): [0.9, 0.9, 0.91, None], ("ft",): [0.8, 0.7, 0.8, 0.8]}, "retrain.schedule"
    )
    (said,) = [s for s in rivals.against_rivals(frame) if s.startswith("On test")]
    assert said.startswith("On test LLR is 13.67 points ahead of FT (3 pairs, 1 failed)")


def test_of_a_lower_is_better_metric_the_difference_is_turned() -> None:
    frame = grid({("llr",): [0.1, 0.11, 0.12], ("ft",): [0.2, 0.21, 0.225]}, "retrain.schedule")
    losses = frame.rename(columns={"val_accuracy": "val_loss", "test_accuracy": "test_loss"})
    said = " ".join(rivals.against_rivals(losses))
    assert "On test LLR is 0.102 nats better than FT (3 pairs): settled" in said


def test_where_most_of_a_difference_lies_is_said() -> None:
    gaps = {0.8: 0.001, 0.9: 0.002, 0.95: 0.1}
    frame = grid(
        {(name, s): [0.9 - gap * (name == "ft") + seed / 1000 for seed in range(3)]
         for name in ("llr", "ft") for s, gap in gaps.items()},
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip
    assert "Most of the difference to FT is at 95 % sparse." in rivals.against_rivals(frame)
    even = frame.assign(test_accuracy=frame["retrain.schedule"].map({"llr": 0.9, "ft": 0.8}))
    assert not any("Most of the" in sentence for sentence in rivals.against_rivals(even))

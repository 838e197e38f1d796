"""Who leads, ties and near ties, and what the best of several is worth: worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from analysis.findings import leading, rivals, sentences
from analysis.findings.leading import image_worth
from analysis.selection.leaders import leaders
from tests.analysis.hand_made import NAN, grid, trials


def contest() -> pd.DataFrame:
    """llr leads at 80 % on validation although ft is better on test; both tie at 90 %."""
    frame = grid(
        {
            ("llr", 0.8): [0.95, 0.97], ("ft", 0.8): [0.90, 0.92],
            ("llr", 0.9): [0.80, 0.80], ("ft", 0.9): [0.80, 0.80],
        },
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip
    first = (frame["retrain.schedule"] == "ft") & (frame["prune.sparsity"] == 0.8)
    return frame.assign(test_accuracy=frame["test_accuracy"].where(~first, 0.99))


def test_leaders_are_chosen_on_validation_and_reported_on_test() -> None:
    first, second = leaders(contest())
    assert (first.block["prune.sparsity"], first.name, first.runner_up) == (0.8, "llr", "ft")
    assert first.val[:2] == pytest.approx((0.96, 0.02 / math.sqrt(2)))
    assert first.val[2] == 2
    assert first.test[0] == pytest.approx(0.96)
    assert first.behind == pytest.approx(0.05)
    assert first.ties == () and second.ties == ("ft",)
    assert second.behind == pytest.approx(0.0)
    # With two seeds nothing is known of a choice.
    assert first.chosen_val.unknown and first.ahead.unknown


def test_a_contestant_does_not_lead_by_the_seeds_it_survived() -> None:
    uneven: dict[Any, list[float | None]] = {
        ("allr",): [0.97, None, None],
        ("ft",): [0.98, 0.95, 0.95],
    }
    (leader,) = leaders(grid(uneven, "retrain.schedule"))
    assert (leader.name, leader.runner_up, leader.n_shared) == ("ft", "allr", 1)
    assert leader.behind == pytest.approx(0.01)
    assert leader.val[2] == 3
    # No seed is done by both: only the one with most done is ranked.
    apart: dict[Any, list[float | None]] = {
        ("allr",): [0.97, None, None], ("ft",): [None, 0.95, 0.95], ("llr",): [None] * 3
    }  # fmt: skip
    frame = grid(apart, "retrain.schedule")
    (alone,) = leaders(frame)
    assert (alone.name, alone.runner_up, alone.behind, alone.n_shared) == ("ft", None, None, 0)
    assert "in 1 of them no seed is done by all" in leading.leading(frame)[0]


def test_ties_are_called_ties_and_near_ones_near() -> None:
    (sentence,) = leading.leading(contest())
    assert sentence == (
        "On validation the best schedule is LLR in 1 and a tie of FT and LLR in 1 of 2 combinations"
        " of sparsity and budget."
    )


IMAGE = 1 / 144
"""What one validation image of digits is worth."""


@pytest.mark.parametrize(
    ("behind", "near"),
    [(1.0, False), (0.9999999999999964, False), (1.0000000000000036, False), (0.99, True),
     (0.01, True), (1.01, False)],
)  # fmt: skip
def test_exactly_one_image_behind_is_not_less_than_one(behind: float, near: bool) -> None:
    frame = grid(
        {("llr",): [0.9, 0.9, 0.9], ("ft",): [0.9 - behind * IMAGE] * 3}, "retrain.schedule"
    )
    assert ("less than one validation image" in leading.leading(frame)[0]) is near


def test_means_that_rounding_alone_tells_apart_are_a_tie() -> None:
    # .3 + .3 + .9 and .9 + .3 + .3 have sums that differ in the last bit.
    frame = grid({("llr",): [0.1, 0.2, 0.9], ("ft",): [0.9, 0.1, 0.2]}, "retrain.schedule")
    (leader,) = leaders(frame)
    assert (leader.name, *leader.ties) in (("ft", "llr"), ("llr", "ft"))
    assert "a tie of FT and LLR in 1 of 1 combination" in leading.leading(frame)[0]


def test_of_a_lower_is_better_metric_the_least_leads() -> None:
    frame = grid({("llr",): [0.1, 0.1, 0.1], ("ft",): [0.2, 0.2, 0.2]}, "retrain.schedule")
    losses = frame.rename(columns={"val_accuracy": "val_loss", "test_accuracy": "test_loss"})
    (leader,) = leaders(losses)
    assert (leader.name, leader.chosen_by) == ("llr", "val_loss")
    assert leader.behind == pytest.approx(0.1)
    assert leader.ahead.mean == pytest.approx(0.1)


def test_the_worth_of_the_best_is_scored_at_seeds_that_did_not_choose_it() -> None:
    # Validation at the other seeds chooses llr (.85 to .825), ft (.875 to .825), llr (.85 to .8).
    frame = grid({("llr",): [0.8, 0.85, 0.85], ("ft",): [0.8, 0.8, 0.85]}, "retrain.schedule")
    frame["test_accuracy"] = [0.5, 0.6, 0.7, 0.1, 0.2, 0.3]
    frame["val_accuracy"] = [0.80, 0.80, 0.90, 0.80, 0.90, 0.75]
    (leader,) = leaders(frame)
    assert leader.name == "llr"
    # At seed 0 .85 to .825: llr. At seed 1 .85 to .775: llr. At seed 2 .8 to .85: ft.
    assert leader.chosen_test.values.tolist() == pytest.approx([0.5, 0.6, 0.3])
    assert leading.leading(frame)[1].startswith(
        "The schedule that the other seeds choose reaches 46.67 ± 15 % on test (n = 3 seeds)."
    )
    # The first over the second on validation: 0 at seed 0, -.10 at seed 1, -.15 at seed 2.
    assert leader.ahead.values.tolist() == pytest.approx([0.0, -0.10, -0.15])


def test_two_seeds_do_not_know_what_a_choice_is_worth() -> None:
    frame = grid({("llr",): [0.9, 0.9], ("ft",): [0.8, 0.8]}, "retrain.schedule")
    assert leading.leading(frame)[1] == (
        "LLR reaches 90 ± 0 % on test (n = 2) at seeds that chose it; what a choice is worth at"
        " others: with 2 seeds it cannot be known: a choice made on all seeds but one and scored on"
        " that one takes 3."
    )


def test_unequal_tries_stand_in_the_sentence_itself() -> None:
    tuned = {("allr", d / 10): [0.90 + d / 100, 0.91, 0.92] for d in range(1, 5)}
    frame = grid(
        {**tuned, ("ft", NAN): [0.8, 0.8, 0.8], ("llr", NAN): [0.7, 0.7, 0.7]},
        "retrain.schedule", "retrain.discount",
    )  # fmt: skip
    said = leading.leading(frame)[0]
    assert said == (
        "On validation the best schedule is ALLR in 1 of 1 combination of sparsity and budget"
        " (tries are unequal: ALLR is the best of 4 settings, FT and LLR of 1)."
    )
    first = rivals.against_rivals(frame)[0]
    assert first == (
        "By mean rank on validation ALLR is first (tries are unequal: ALLR is the best of 4"
        " settings, FT and LLR of 1)."
    )
    equal = grid({("ft",): [0.8] * 3, ("llr",): [0.7] * 3}, "retrain.schedule")
    assert not any("unequal" in sentence for sentence in sentences.findings(equal))


def test_studies_read_together_say_that_their_tries_are_unequal() -> None:
    """One study compares schedules, another tunes the discount of one of them."""
    schedules = grid(
        {("ft", NAN): [0.80, 0.81, 0.80], ("clr", NAN): [0.90, 0.91, 0.90],
         ("allr", "adaptive"): [0.89, 0.90, 0.89]},
        "retrain.schedule", "retrain.discount", study="digits",
    ).assign(d=0.4)  # fmt: skip
    discounts = grid(
        {("allr", "adaptive"): [0.89, 0.90, 0.89], ("allr", 0.2): [0.91, 0.89, 0.90],
         ("allr", 0.7): [0.88, 0.91, 0.92]},
        "retrain.schedule", "retrain.discount", study="digits-discount",
    ).assign(d=0.4)  # fmt: skip
    discounts["fingerprint"] = ["f006", "f007", "f008", *(f"g{i}" for i in range(6))]
    said = sentences.findings(pd.concat([schedules, discounts], ignore_index=True))
    clause = "(tries are unequal: ALLR is the best of 3 settings, FT and CLR of 1)"
    assert said[0].startswith("15 trials of 5 configurations")
    assert clause in said[1]
    assert any(s.startswith("By mean rank on validation") and clause in s for s in said)


def test_a_leader_of_its_own_seeds_says_so() -> None:
    tuned = {("allr", d): [0.9 + d / 100] for d in (0.1, 0.2)}
    frame = grid({**tuned, ("ft", NAN): [0.8]}, "retrain.schedule", "retrain.discount")
    frame = frame.assign(d=frame["retrain.discount"])
    said = sentences.findings(frame)
    assert "it is the best of several settings at the very seeds that chose it" in said[1]
    assert any(s.startswith("Who is ahead on test cannot be known with 1 seed") for s in said)


def test_a_single_series_is_said() -> None:
    frame = grid({("ft",): [0.9, 0.9]}, "retrain.schedule")
    (sentence,) = leading.leading(frame)
    assert sentence == "Only one method was tried, IMP."


def test_who_is_alone_in_a_place_does_not_lead_there() -> None:
    table = {("ft", 0.8): [0.9], ("llr", 0.8): [0.8], ("llr", 0.9): [0.9], ("slr", 0.95): [0.9]}
    frame = grid(table, "retrain.schedule", "prune.sparsity")
    said = leading.leading(frame)[0]
    assert (
        said
        == "On validation the best schedule is FT in 1 of 1 combination of sparsity and budget."
    )
    apart = frame[(frame["prune.sparsity"] > 0.8)]
    assert leading.leading(apart) == [
        "Nobody leads: no two values of schedule were tried at one sparsity and budget, of SLR and"
        " LLR."
    ]


def test_a_leader_s_failures_stand_beside_its_mean() -> None:
    frame = grid({("allr",): [0.9, None, None], ("ft",): [0.8, 0.8, 0.8]}, "retrain.schedule")
    (leader,) = leaders(frame)
    assert (leader.name, leader.n_lost) == ("allr", 2)
    assert "(n = 1, 2 failed or diverged)" in leading.leading(frame)[1]


def test_a_leader_without_a_shared_seed_is_not_ahead_by_anything() -> None:
    apart: dict[Any, list[float | None]] = {
        ("allr",): [0.6, 0.9, None], ("ft",): [0.61, None, 0.4], ("clr",): [None, None, 0.9],
    }  # fmt: skip
    (leader,) = leaders(grid(apart, "retrain.schedule"))
    assert (leader.name, leader.n_shared, leader.behind) == ("allr", 0, None)


def test_one_validation_image_is_said_for_digits() -> None:
    assert "0.69 points" in image_worth(trials({}))
    assert image_worth(trials({"task.dataset": "cifar10"})) == ""
    assert image_worth(trials({"task.dataset": "elsewhere"})) == ""


def test_the_best_of_a_search_is_worth_what_other_seeds_choose() -> None:
    table = {(0.2,): [0.90, 0.80, 0.85], (0.5,): [0.85, 0.90, 0.85], (0.8,): [0.7, 0.7, None]}
    frame = grid(table, "dense.lr")
    frame["test_accuracy"] = frame["val_accuracy"] - 0.1
    (sentence,) = leading.best(frame)
    # Best on all seeds is .5 (.8667). The others choose at seed 0 .5 (.875 to .825), at seed 1 .2
    # (.875 to .85), at seed 2 .5: .85, .80 and .85.
    assert sentence == (
        "At 90 % sparse the best of 3 configurations on validation has dense learning rate 0.5;"
        " what is chosen at other seeds reaches 83.33 % on validation and 73.33 % on test (n = 3)."
    )


def test_a_search_of_one_method_answers_its_own_question() -> None:
    frame = grid({(0.2,): [0.9, 0.9, 0.9], (0.5,): [0.95, 0.95, 0.95]}, "dense.lr")
    said = sentences.findings(frame)
    assert not any("Only one" in sentence for sentence in said)
    assert said[1].startswith("At 90 % sparse the best of 2 configurations on validation has dense")


def test_the_best_of_one_seed_is_too_good_and_a_tie_is_called_one() -> None:
    frame = grid({(0.2,): [0.95], (0.5,): [0.95], (0.8,): [None]}, "dense.lr")
    (sentence,) = leading.best(frame)
    assert sentence == (
        "At 90 % sparse the best of 3 configurations on validation has dense learning rate 0.2, a"
        " tie with 1 other; at the very seeds that chose it it reaches 95 % on validation and 95 %"
        " on test (n = 1), too good; with 1 seed it cannot be known: a choice made on all seeds but"
        " one and scored on that one takes 3."
    )

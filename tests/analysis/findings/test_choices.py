"""The adaptive discount against a tuned one, and the split of a budget, in words."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.findings import choices, sentences
from tests.analysis.hand_made import grid


def test_split_in_words() -> None:
    frame = grid(
        {(0.5, 1): [0.9], (0.75, 2): [0.95]}, "budget.dense_fraction", "prune.cycles", method="bimp"
    ).assign(**{"budget.epochs": 24.0})
    (sentence,) = choices.split(frame)
    assert (
        "gives the dense run 75 % of the budget and the rest to 2 cycles; at the very" in sentence
    )
    assert "95 % on test (n = 1), too good; with 1 seed it cannot be known" in sentence


def test_a_split_is_worth_what_other_seeds_choose_and_ties_are_named() -> None:
    table = {
        (0.5, 1): [0.90, 0.80, 0.85],
        (0.75, 2): [0.85, 0.90, 0.80],
        (0.75, 3): [0.5, 0.5, 0.5],
    }
    frame = grid(table, "budget.dense_fraction", "prune.cycles", method="bimp").assign(
        **{"budget.epochs": 24.0}
    )
    (sentence,) = choices.split(frame)
    assert sentence == (
        "At 90 % sparse, 24 epochs in all the best split on validation gives the dense run 50 % of"
        " the budget and the rest to 1 cycle or 75 % of the budget and the rest to 2 cycles (a"
        " tie); what is chosen at other seeds reaches 81.67 % on validation and 81.67 % on test"
        " (n = 3)."
    )
    # The study compares its numbers of cycles: the split says which is best, and nothing else does.
    said = sentences.findings(frame)
    assert not any(s.startswith("On validation the best number of cycles") for s in said)
    assert sentence in said


def test_a_split_of_every_budget_in_words() -> None:
    frame = grid(
        {(0.3, 8.0): [0.95], (0.6, 8.0): [0.9], (0.3, 16.0): [0.9], (0.6, 16.0): [0.95]},
        "budget.dense_fraction", "budget.epochs", method="bimp",
    )  # fmt: skip
    short, long = choices.split(frame)
    assert short.startswith("At 8 epochs in all the best") or "8 epochs in all" in short
    assert "30 % of the budget" in short
    assert "16 epochs in all" in long
    assert "60 % of the budget" in long


def test_regret_of_every_task_in_words() -> None:
    tasks = {"cnn": (0.9, 0.94), "mlp": (0.9, 0.9)}
    frame = grid(
        {(name, d): [value, value, value]
         for name, (adaptive, best) in tasks.items()
         for d, value in (("adaptive", adaptive), (0.5, best), (0.2, 0.5))},
        "task.model", "retrain.discount",
    )  # fmt: skip
    frame["d"] = [0.4 if d == "adaptive" else d for d in frame["retrain.discount"]]
    one, two = sorted(choices.discount(frame))
    assert one.startswith("At cnn the regret")
    assert "+4.00 [+4.00 to +4.00] points of test accuracy" in one
    assert "n = 3 seeds" in one
    assert one.endswith("its interval lies above zero in 1 of them and below in 0.")
    assert two.startswith("At mlp the regret")
    assert "is 0.00 [0.00 to 0.00] points" in two
    assert two.endswith("holds zero in all of them.")  # .0 is not above for rounding
    assert ": the tuned one is better, but not shown to be less than 0.5 points" in one
    assert ": no clear difference, and shown to be less than 0.5 points of test accuracy;" in two
    first = frame[(frame["seed"] < 1) & (frame["task.model"] == "cnn")]
    tuned = first.assign(**{"prune.sparsity": 0.5}, fingerprint=["u0", "u1", "u2"])
    alone = choices.discount(pd.concat([first[first["retrain.discount"] != 0.2], tuned]))
    assert alone == [
        "The regret of the adaptive discount against the one tuned on validation at the other seeds"
        " is +4.00 points of test accuracy on average over 1 combination of sparsity and budget (at"
        " worst +4.00, at 90 % sparse, 2 epochs of retraining, n = 1 seed): which is better is not"
        " known."
    ]
    few, _ = choices.discount(frame[frame["seed"] < 2])
    assert few == (
        "At cnn the regret of the adaptive discount: with 2 seeds it cannot be known: a choice made"
        " on all seeds but one and scored on that one takes 3."
    )


@pytest.mark.parametrize(
    ("tuned", "words"),
    [
        (0.90, "no clear difference"),
        (0.94, "the tuned one is better"),
        (0.86, "the adaptive one is better"),
        (0.90 + 1e-15, "no clear difference"),
        (0.90 - 1e-15, "no clear difference"),
    ],
)
def test_both_directions_of_regret_are_said(tuned: float, words: str) -> None:
    frame = grid(
        {("adaptive",): [0.9] * 3, (0.5,): [tuned] * 3, (0.2,): [0.5] * 3}, "retrain.discount"
    ).assign(d=0.4)
    (said,) = choices.discount(frame)
    assert f": {words}, " in said
    above, below = int(words.startswith("the tuned")), int(words.startswith("the adaptive"))
    side = f"lies above zero in {above} of them and below in {below}"
    assert said.endswith(f"its interval {side if above or below else 'holds zero in all of them'}.")


def test_regret_of_a_loss_is_turned() -> None:
    frame = grid(
        {("adaptive",): [0.4] * 3, (0.5,): [0.3] * 3, (0.2,): [0.5] * 3}, "retrain.discount"
    ).assign(d=0.4)
    losses = frame.rename(columns={"val_accuracy": "val_loss", "test_accuracy": "test_loss"})
    (said,) = choices.discount(losses)
    assert "is +0.1 [+0.1 to +0.1] nats of test loss" in said
    assert "the tuned one is better;" in said  # and no likeness without a margin


def test_a_diverged_discount_has_no_say() -> None:
    frame = grid(
        {("adaptive",): [0.9] * 3, (0.5,): [0.99, 0.99, None], (0.2,): [0.9] * 3},
        "retrain.discount",
    ).assign(d=0.4)
    (said,) = choices.discount(frame)
    assert "is 0.00 [0.00 to 0.00] points" in said

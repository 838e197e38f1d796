"""What each step of sparsity costs, by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.answer.basis import basis
from analysis.answer.costs import costs
from analysis.answer.of_costs import cost_sentence
from analysis.answer.statements import SparsityCost
from tests.analysis.hand_made import grid

KEYS = ("retrain.schedule", "prune.sparsity")
TABLE = {("llr", 0.8): [0.95, 0.96, 0.97], ("llr", 0.9): [0.93, 0.96, 0.96],
         ("llr", 0.95): [0.83, 0.861, 0.859]}  # fmt: skip


def cost_of(frame: pd.DataFrame, name: str = "llr") -> list[SparsityCost]:
    ground = basis(frame, "retrain.schedule")
    assert ground is not None
    return costs(ground, name)


def with_dense(frame: pd.DataFrame, *values: float) -> pd.DataFrame:
    return frame.assign(dense_test_accuracy=[values[seed] for seed in frame["seed"]])


def test_steps_from_the_dense_model_on_are_paired_by_seed() -> None:
    (one,) = cost_of(with_dense(grid(TABLE, *KEYS), 0.95, 0.97, 0.98))
    assert one.start_at is None and one.start == pytest.approx(2.9 / 3)
    assert [step.end for step in one.steps] == [0.8, 0.9, 0.95]
    # 0, .01, .01; then .02, 0, .01; then .1, .099, .101
    assert [step.cost for step in one.steps] == pytest.approx([0.02 / 3, 0.01, 0.1])
    assert one.steps[1].lo < 0 < one.steps[1].hi
    assert 0.097 < one.steps[2].lo < one.steps[2].hi < 0.103  # 4.303 * .001 / sqrt 3 = .0025
    assert cost_sentence(one) == (
        "With LLR, step by step (3 seeds): dense 96.7 %;"
        " at 80 % 96.0 %, 0.7 points worse, not settled [−0.8 to 2.1];"
        " at 90 % 95.0 %, 1.0 points worse, not settled [−1.5 to 3.5];"
        " at 95 % 85.0 %, 10.0 points worse [9.8 to 10.2]."
    )
    # within a margin of eight tenths the first is no clear cost
    assert "at 80 % 96.0 %, no clear cost (0.7 points [−0.8 to 2.1])" in cost_sentence(one, 0.8)


def test_a_gain_has_an_interval_of_the_gain() -> None:
    (one,) = cost_of(with_dense(grid(TABLE, *KEYS), 0.94, 0.95, 0.97))
    # .01, .01 and 0 better
    assert "at 80 % 96.0 %, 0.7 points better, not settled [−0.8 to 2.1]" in cost_sentence(one)
    (clear,) = cost_of(with_dense(grid(TABLE, *KEYS), 0.94, 0.951, 0.959))
    assert "at 80 % 96.0 %, 1.0 points better [0.8 to 1.2]" in cost_sentence(clear)


def test_without_a_dense_model_the_first_sparsity_is_the_start() -> None:
    (one,) = cost_of(grid(TABLE, *KEYS))
    assert one.start_at == 0.8 and one.start == pytest.approx(0.96)
    assert [step.end for step in one.steps] == [0.9, 0.95]
    assert cost_sentence(one).startswith(
        "With LLR, step by step (3 seeds): at 80 % 96.0 %; at 90 % 95.0 %, 1.0"
    )


def test_dense_runs_of_several_settings_are_no_one_model() -> None:
    frame = with_dense(grid(TABLE, *KEYS), 0.95, 0.97, 0.98)
    frame["dense.lr"] = [0.1] * 8 + [0.2]
    assert cost_of(frame)[0].start_at == 0.8


def test_one_seed_has_a_cost_without_an_interval() -> None:
    (one,) = cost_of(grid({place: values[:1] for place, values in TABLE.items()}, *KEYS))
    assert math.isnan(one.steps[0].lo)
    assert cost_sentence(one) == (
        "With LLR, step by step (1 seed): at 80 % 95.0 %; at 90 % 93.0 %, 2.0 points worse; at 95 %"
        " 83.0 %, 10.0 points worse."
    )


def test_equal_at_every_seed_costs_nothing() -> None:
    (one,) = cost_of(grid({("llr", 0.8): [0.9, 0.9], ("llr", 0.9): [0.9, 0.9]}, *KEYS))
    assert one.steps[0].cost == 0
    assert "no clear cost (0.0 points [0.0 to 0.0])" in cost_sentence(one)


def test_every_budget_has_its_steps() -> None:
    table = {(s, e): [0.9 - s / 10 + e / 100] for s in (0.8, 0.9) for e in (1.0, 3.0)}
    found = cost_of(grid(table, "prune.sparsity", "retrain.epochs"), "allr")
    assert [one.at for one in found] == [{"retrain.epochs": 1.0}, {"retrain.epochs": 3.0}]
    assert cost_sentence(found[1]).startswith("With ALLR and 3 epochs (1 seed): at 80 %")


def test_less_is_better_turns_the_cost() -> None:
    frame = grid(TABLE, *KEYS).drop(columns=["val_accuracy", "test_accuracy"])
    frame["val_loss"] = [0.1, 0.2, 0.3, 0.2, 0.3, 0.4, 0.9, 1.0, 1.1]
    (one,) = cost_of(frame)
    assert [step.cost for step in one.steps] == pytest.approx([0.1, 0.7])
    assert one.start == pytest.approx(0.2)
    assert "at 90 % 0.3 nats, 0.1 nats worse" in cost_sentence(one)


def test_one_whose_choice_cannot_be_scored_yet_has_no_cost() -> None:
    """Two settings at one seed: which is best there no other seed says."""
    table = {("bimp", 0.4): [0.9], ("bimp", 0.6): [0.8], ("gmp", None): [0.7]}
    frame = grid(table, "method", "budget.dense_fraction")
    ground = basis(frame, "method")
    assert ground is not None
    assert costs(ground, "bimp") == [] and costs(ground, "gmp") != []


def test_sampled_sparsities_have_no_steps() -> None:
    frame = grid({(0.5 + n / 40,): [0.9] for n in range(11)}, "prune.sparsity")
    assert cost_of(frame, "allr") == []


def test_a_cost_over_no_seed_says_so() -> None:
    (one,) = cost_of(grid({("llr", 0.8): [0.9, None], ("llr", 0.9): [None, 0.8]}, *KEYS))
    assert cost_sentence(one) == (
        "With LLR (no seed at both): at 80 % 90.0 %; at 90 % 80.0 %, at a cost that no seed tells."
    )

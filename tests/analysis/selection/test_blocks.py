"""Blocks, and who stands in them."""

from __future__ import annotations

import pytest

from analysis.selection import blocks
from tests.analysis.hand_made import NAN, grid, trials


def test_blocks_hold_what_varies_of_the_task() -> None:
    one = trials({}, {"prune.sparsity": 0.95})
    assert blocks.block_columns(one, "retrain.schedule") == ["prune.sparsity", "retrain.epochs"]
    two = trials({}, {"task.model": "mlp"})
    assert blocks.block_columns(two, "retrain.schedule")[0] == "task.model"


def test_default_block_has_most_trials_then_the_highest_values() -> None:
    frame = grid(
        {(0.8, 1.0): [0.9, 0.9], (0.9, 1.0): [0.9, 0.9, 0.9], (0.95, 2.0): [0.9, 0.9, 0.9]},
        "prune.sparsity", "retrain.epochs",
    )  # fmt: skip
    columns = ["prune.sparsity", "retrain.epochs"]
    assert blocks.block_of(frame, columns, None) == {"prune.sparsity": 0.95, "retrain.epochs": 2.0}
    given_one = blocks.block_of(frame, columns, {"prune.sparsity": 0.9})
    assert given_one == {"prune.sparsity": 0.9, "retrain.epochs": 1.0}
    with pytest.raises(ValueError, match=r"unknown column 'prune\.sparsty'"):
        blocks.block_of(frame, columns, {"prune.sparsty": 0.9})


def test_the_best_on_validation_stands_for_a_series() -> None:
    frame = grid(
        {("allr", 0.1): [0.90, 0.92], ("allr", 0.5): [0.95, 0.91], ("llr", NAN): [0.8, 0.8]},
        "retrain.schedule", "retrain.discount",
    )  # fmt: skip
    frame.loc[frame["retrain.discount"] == 0.1, "test_accuracy"] = 0.99
    chosen = blocks.stand_ins(frame, "retrain.schedule", ["prune.sparsity"])
    assert chosen.groupby("retrain.schedule")["val_accuracy"].mean().to_dict() == {
        "allr": pytest.approx(0.93), "llr": pytest.approx(0.8)
    }  # fmt: skip
    assert chosen.groupby("retrain.schedule")["n_configurations"].first().to_dict() == {
        "allr": 2, "llr": 1
    }  # fmt: skip


def test_a_configuration_that_lost_a_seed_does_not_stand_before_a_whole_one() -> None:
    frame = grid(
        {("allr", 0.1): [0.99, None], ("allr", 0.5): [0.90, 0.90]},
        "retrain.schedule", "retrain.discount",
    )  # fmt: skip
    chosen = blocks.stand_ins(frame, "retrain.schedule", ["prune.sparsity"])
    assert chosen["retrain.discount"].unique().tolist() == [0.5]


def test_stand_ins_need_validation() -> None:
    frame = trials({}).drop(columns="val_accuracy")
    with pytest.raises(ValueError, match="val_accuracy"):
        blocks.stand_ins(frame, "retrain.schedule", ["prune.sparsity"])

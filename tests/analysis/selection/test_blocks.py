"""Blocks: their columns, and which is taken unless one is named."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.selection import blocks
from tests.analysis.hand_made import grid, trials


def test_blocks_hold_what_varies_of_the_task() -> None:
    one = trials({}, {"prune.sparsity": 0.95})
    assert blocks.block_columns(one, "retrain.schedule") == ["prune.sparsity", "retrain.epochs"]
    two = trials({}, {"task.model": "mlp"})
    assert blocks.block_columns(two, "retrain.schedule")[0] == "task.model"


def test_all_of_a_data_set_is_another_block_than_a_hundred_images_of_it() -> None:
    frame = trials({"task.dataset.n_train": None}, {"task.dataset.n_train": 100})
    assert blocks.task_columns(frame) == ["task.dataset.n_train"]
    mlp = {"task.model": "mlp", "task.model.hidden": (64,)}
    assert blocks.task_columns(trials({"task.model.hidden": None}, mlp)) == ["task.model"]


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


def test_rows_lie_in_blocks_of_lists_that_some_lack() -> None:
    keys = pd.DataFrame({"hidden": [None, (64, 32), (64,), None], "goal": [0.9, 0.8, 0.8, 0.9]})
    assert [(block, rows.tolist()) for block, rows in blocks.block_rows(keys)] == [
        ({"hidden": (64, 32), "goal": 0.8}, [1]),
        ({"hidden": (64,), "goal": 0.8}, [2]),
        ({"hidden": None, "goal": 0.9}, [0, 3]),
    ]

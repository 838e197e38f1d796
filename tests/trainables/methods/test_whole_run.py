"""How a run from scratch ends: its hard weights, a top-up to the goal, BatchNorm statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.methods import lab
from tests.trainables.trials.plain import run_trial
from trainables.pruning.masks import count_zeros
from trainables.trials.stage_run import StageRun
from trainables.trials.stage_store import Stage

N = 4 * 9 + 6 * 4 * 9 + 60


def finished(name: str, **over: Any) -> tuple[StageRun, Stage]:
    chosen = lab.config(name, **over)
    run = lab.started(chosen, lab.loaded_for(chosen))
    lab.advance(run, run.spec.steps)
    return run, run.finish({})


def masks_of(stage: Stage) -> dict[str, torch.Tensor]:
    return {k.removeprefix("mask."): v for k, v in stage.state.items() if k.startswith("mask.")}


def test_a_top_up_prunes_the_smallest_of_what_is_left() -> None:
    own = {"s_initial": -5.0}
    _, plain = finished("str", method=own)
    _, topped = finished("str", method={**own, "top_up": True})
    assert plain.metrics["sparsity"] == plain.metrics["sparsity_by_method"] < 0.5
    assert topped.metrics["sparsity_by_method"] == plain.metrics["sparsity"]
    zeros = round(0.8 * N)
    assert count_zeros(masks_of(topped)) == zeros
    values = torch.cat([plain.weights[name].flatten().abs() for name in masks_of(plain)])
    threshold = values.sort().values[zeros - 1]
    assert bool(values[values > threshold].numel() == N - zeros)
    for name, mask in masks_of(topped).items():
        assert torch.equal(mask, plain.weights[name].abs() > threshold)
        assert torch.equal(topped.weights[name], plain.weights[name] * mask)


def test_a_top_up_changes_nothing_where_the_goal_is_reached() -> None:
    own, goal = {"s_initial": -2.0}, {"sparsity": 0.3}
    _, plain = finished("str", method=own, prune=goal)
    _, topped = finished("str", method={**own, "top_up": True}, prune=goal)
    assert plain.metrics["sparsity"] > 0.3
    for name, value in plain.weights.items():
        assert torch.equal(value, topped.weights[name])


def test_the_masks_are_those_of_the_learnt_weights() -> None:
    """STR's stored weights are shrunk already; thresholding these again would mask too many."""
    run, stage = finished("str", method={"s_initial": -3.0})
    again = run.trainer.hooks.final_masks()
    assert again is not None
    assert count_zeros(again) > count_zeros(masks_of(stage)) > 0
    for name, mask in masks_of(stage).items():
        assert torch.equal(stage.weights[name] != 0, mask)


def test_batch_norm_is_estimated_anew_at_the_masked_weights() -> None:
    task = {"dataset": {"name": "digits", "n_train": 96}}  # six whole batches
    run, stage = finished("gsm", task=task)
    _, without = finished("gsm", task=task, prune={"bn_reestimate": False})
    assert stage.metrics["bn_s"] > 0
    assert "bn_s" not in without.metrics
    for name in masks_of(stage):
        assert torch.equal(stage.weights[name], without.weights[name])
    mean = stage.weights["bn1.running_mean"]
    assert not torch.equal(mean, without.weights["bn1.running_mean"])
    data = run.loaded.splits.train
    model = run.loaded.model
    with torch.no_grad():
        seen = model.conv1(data.images).mean(dim=(0, 2, 3))  # type: ignore[operator]
    torch.testing.assert_close(mean, seen)


def test_a_model_without_batch_norm_has_nothing_to_estimate() -> None:
    task = {"model": {"name": "mlp", "hidden": [8]}, "dataset": {"name": "digits", "n_train": 100}}
    _, stage = finished("dnw", task=task)
    assert "bn_s" not in stage.metrics


@pytest.mark.filterwarnings("error")
def test_a_model_that_lost_every_weight_is_a_result(tmp_path: Path) -> None:
    chosen = lab.config("str", method={"s_initial": 5.0}, budget={"epochs": 1})
    record = run_trial(chosen, tmp_path)
    assert record.state == "done"
    assert record.metrics["sparsity"] == 1.0
    assert "theoretical_speedup" not in record.metrics
    assert record.metrics["test_accuracy"] < 0.3

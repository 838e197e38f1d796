"""Trials of the user's own task: resumed anywhere, by any number of processes, the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.trainables.tasks.own_trials import SHAPES, configured, fresh
from tests.trainables.trials.plain import last_stage, run_trial, timeless
from tests.trainables.trials.test_procedure import interrupted, same
from trainables.config.trial import TrialConfig
from trainables.data.isolation import reseed
from trainables.training.batches import in_order
from trainables.training.loaded import LoadedTask
from trainables.training.loader import Draw

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

RIVAL: dict[str, Any] = {
    "dense": {"epochs": None}, "prune": {"cycles": 1}, "retrain": None, "budget": {"epochs": 4},
}  # fmt: skip
METHODS: dict[str, TrialConfig] = {
    "imp": configured(SHAPES),
    "gmp": configured(SHAPES, method={"name": "gmp", "interval": 1}, **RIVAL),
    "dpf": configured(SHAPES, method={"name": "dpf", "interval": 1}, **RIVAL),
}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """Undisturbed trials by method, with their folders."""
    trials = {}
    for method, config in METHODS.items():
        folder = tmp_path_factory.mktemp(method)
        trials[method] = folder, run_trial(config, folder, tasks=fresh())
    return trials


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("after", [1, 6, 9, 15, 20, 27])
def test_resumed_anywhere_it_ends_in_the_same_bits(
    tmp_path: Path, calm: dict[str, tuple[Path, Any]], method: str, after: int
) -> None:
    folder, record = calm[method]
    interrupted(METHODS[method], tmp_path, fresh(), after)
    reseed(after)
    torch.rand(after)
    np.random.randn()  # NumPy keeps the second of two normal numbers
    again = run_trial(METHODS[method], tmp_path, tasks=fresh())
    assert timeless(again) == timeless(record)
    assert same(last_stage(tmp_path, again), last_stage(folder, record))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])
def test_any_number_of_loader_processes_ends_in_the_same_bits(
    tmp_path: Path, calm: dict[str, tuple[Path, Any]], processes: int
) -> None:
    folder, record = calm["imp"]
    interrupted(METHODS["imp"], tmp_path, fresh(processes), 9)
    again = run_trial(METHODS["imp"], tmp_path, tasks=fresh())
    assert timeless(again) == timeless(record)
    assert same(last_stage(tmp_path, again), last_stage(folder, record))


def test_tied_weights_stay_tied_and_pruned_ones_zero(calm: dict[str, tuple[Path, Any]]) -> None:
    for folder, record in calm.values():
        stage = last_stage(folder, record)
        assert torch.equal(stage.weights["one.weight"], stage.weights["two.weight"])
        masks = {k.removeprefix("mask."): v for k, v in stage.state.items() if "mask." in k}
        assert set(masks) == {"stem.weight", "depthwise.weight", "one.weight", "head.weight"}
        assert all(not stage.weights[name][~mask].any() for name, mask in masks.items())
        n = sum(mask.numel() for mask in masks.values())
        assert record.metrics["n_prunable"] == n == 54 + 54 + 36 + 18
        assert record.metrics["sparsity"] == round(0.6 * n) / n


def test_smoothing_holds_in_training_and_in_no_measure(calm: dict[str, tuple[Path, Any]]) -> None:
    folder, record = calm["imp"]
    curve = last_stage(folder, record).curve
    assert all(row["train_loss"] > 0.3 for row in curve)  # at the least the smoothed labels' own
    loaded = fresh().loaded(METHODS["imp"])
    loaded.model.load_state_dict(last_stage(folder, record).weights)
    assert loaded.task.smoothing == 0.1  # type: ignore[attr-defined]
    images, labels = map(torch.stack, zip(*_as_evaluated(loaded), strict=True))
    with torch.no_grad():
        loss = functional.cross_entropy(loaded.model.eval()(images), labels)
    assert record.metrics["val_loss"] == pytest.approx(float(loss), rel=1e-5)


def _as_evaluated(loaded: LoadedTask) -> list[tuple[Tensor, Tensor]]:
    """The items of validation with the draws that an evaluation gives them."""
    batches = in_order(loaded, loaded.splits.val, 7, Draw(0, "evaluation of val"))
    return [pair for images, labels in batches for pair in zip(images, labels, strict=True)]

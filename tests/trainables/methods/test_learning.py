"""Each method learns on the digits: clearly above the same network under a random mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.methods.lab import FROM_SCRATCH
from tests.trainables.trials.plain import cache, run_trial
from trainables.config.catalog import METHODS, Method, NoParameters
from trainables.config.trial import TrialConfig
from trainables.files.trial_record import Record
from trainables.formulas.sparsity import zeros_at
from trainables.methods.interface import Hooks, Setting
from trainables.pruning.masks import Masks, dense_masks
from trainables.pruning.ranking import prune

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OTHER_THAN_DEFAULTS: dict[str, dict[str, Any]] = {
    "dnw": {"prune": {"scope": "layer"}},  # globally the last convolution starts without a weight
}


class PrunedAtRandom(Hooks):
    """A dense run whose weights are pruned at its end, at random."""

    def __init__(self, setting: Setting) -> None:
        dense = dense_masks(setting.model)
        self._masks = prune(
            setting.model,
            dense,
            zeros=zeros_at(sum(mask.numel() for mask in dense.values()), setting.sparsity),
            structure="weights",
            scope=setting.scope,
            criterion="random",
            generator=torch.Generator().manual_seed(0),
        )

    def final_masks(self) -> Masks:
        return self._masks


def trial(folder: Path, name: str) -> Record:
    """Twenty epochs to S = .9 on the small convolutional network."""
    own = OTHER_THAN_DEFAULTS.get(name, {})
    raw: dict[str, Any] = {
        "task": {"dataset": "digits", "model": "cnn"},
        "method": name,
        "prune": {"sparsity": 0.9, **own.get("prune", {})},
        "budget": {"epochs": 20},
        "dense": {"lr": 0.1, "batch_size": 64},
    }
    return run_trial(TrialConfig.of(raw), folder, tasks=cache())


@pytest.fixture(scope="module")
def by_chance(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Validation and test accuracy, their mean, of a random mask on a dense run's weights."""
    where = f"{__name__}:PrunedAtRandom"
    with pytest.MonkeyPatch.context() as patch:
        record = Method("random", "", "from scratch", NoParameters, True, "", {}, where)
        patch.setitem(METHODS, "random", record)
        return accuracy(trial(tmp_path_factory.mktemp("random"), "random"))


def accuracy(record: Record) -> float:
    """Mean of validation and test accuracy: 504 images together."""
    assert record.state == "done"
    return (record.metrics["val_accuracy"] + record.metrics["test_accuracy"]) / 2


@pytest.mark.parametrize("name", FROM_SCRATCH)
def test_a_method_is_clearly_above_a_random_mask(
    name: str, by_chance: float, tmp_path: Path
) -> None:
    record = trial(tmp_path, name)
    assert record.metrics["sparsity"] == pytest.approx(0.9, abs=0.03)
    if METHODS[name].controls_sparsity:
        zeros = record.metrics["sparsity"] * record.metrics["n_prunable"]
        assert round(zeros) == zeros_at(int(record.metrics["n_prunable"]), 0.9)
    assert by_chance < 0.8
    assert accuracy(record) > max(0.9, by_chance + 0.1)

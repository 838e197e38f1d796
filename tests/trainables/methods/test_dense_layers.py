"""Layers that a study keeps dense: every method leaves them whole, its goal is of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainables.methods import lab
from tests.trainables.trials.plain import last_stage, run_trial
from trainables.config.catalog import METHODS
from trainables.config.trial import TrialConfig
from trainables.trials.task_cache import initial_weights

SIZES = {"conv1.weight": 4 * 9, "conv2.weight": 6 * 4 * 9, "classifier.weight": 60}
KEPT = {
    "first": ["conv1.weight"],
    "last": ["classifier.weight"],
    "first and last": ["conv1.weight", "classifier.weight"],
}
CASES = [
    *((name, "first and last") for name in METHODS),
    *((name, where) for name in ("imp", "dnw", "str") for where in ("first", "last")),
]


def configured(name: str, where: str) -> TrialConfig:
    """Two epochs in all; what reaches a goal by luck alone is topped up to it."""
    prune = {"sparsity": 0.8, "exclude": where.split(" and ")}
    own = {} if METHODS[name].controls_sparsity else {"top_up": True}
    if name != "imp":
        return lab.config(name, prune=prune, budget={"epochs": 2}, method=own)
    raw = lab.config("bimp", prune=prune).model_dump(mode="json", exclude={"budget", "facts"})
    lengths = {"dense": {**raw["dense"], "epochs": 1}, "retrain": {**raw["retrain"], "epochs": 1}}
    return TrialConfig.of({**raw, **lengths, "method": "imp"})


@pytest.mark.parametrize(("name", "where"), CASES)
def test_excluded_layers_stay_dense_and_counts_are_of_the_rest(
    name: str, where: str, tmp_path: Path
) -> None:
    chosen = configured(name, where)
    record = run_trial(chosen, tmp_path)
    assert record.state == "done", record.error
    rest = {layer: n for layer, n in SIZES.items() if layer not in KEPT[where]}
    n = sum(rest.values())
    assert record.metrics["n_prunable"] == n
    stage = last_stage(tmp_path, record)
    masks = {k.removeprefix("mask."): v for k, v in stage.state.items() if k.startswith("mask.")}
    assert masks.keys() == rest.keys() == record.layers.keys()
    zeros = sum(int((~mask).sum()) for mask in masks.values())
    assert zeros == round(0.8 * n) or record.metrics["sparsity_by_method"] > 0.8
    assert record.metrics["sparsity"] == pytest.approx(zeros / n)
    initial = initial_weights(lab.loaded_for(chosen), 0)
    for layer in KEPT[where]:
        weights = stage.weights[layer]
        assert bool(weights.all())
        assert not torch.equal(weights, initial[layer])

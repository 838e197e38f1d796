"""Trials under patterns, blocks, rows and columns: d1 by hand, whole steps, the same bits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.trials.plain import (
    cache,
    last_stage,
    run_trial,
    timeless,
    tiny,
)
from tests.trainables.trials.test_procedure import procedure, same
from trainables.config.chain import stage_chain
from trainables.config.trial import TrialConfig
from trainables.formulas.structures import misfits
from trainables.pruning.cuts import cuts_of, matrices
from trainables.pruning.masks import apply_, dense_masks
from trainables.trials.cycle import prune_cycle
from trainables.trials.procedure import Pace
from trainables.trials.task_cache import TaskCache

CNN: dict[str, Any] = {"name": "cnn", "channels": [4, 8]}
"""Weights [4, 9], [8, 36] and [10, 8]: the first has no inputs that 4 or 2 divides."""

TWO_OF_FOUR: dict[str, Any] = {"pattern": {"n": 2, "m": 4}, "sparsity": 0.5}
ONE_OF_FOUR: dict[str, Any] = {"pattern": {"n": 1, "m": 4}, "sparsity": 0.75}
BLOCKS: dict[str, Any] = {
    "structure": "blocks", "block": {"rows": 2, "columns": 4}, "sparsity": 0.5
}  # fmt: skip
STRUCTURES = {
    "2:4": TWO_OF_FOUR,
    "blocks": BLOCKS,
    "rows": {"structure": "rows", "sparsity": 0.5},
    "columns": {"structure": "columns", "sparsity": 0.5},
}


@pytest.fixture(scope="module")
def tasks() -> TaskCache:
    return cache()


def imp(prune: dict[str, Any], **over: Any) -> TrialConfig:
    prune = {"cycles": 2, **prune}
    return tiny(task={"model": CNN}, prune=prune, retrain={"schedule": "allr", "epochs": 2}, **over)


def bimp(prune: dict[str, Any]) -> TrialConfig:
    raw = {
        "task": {"dataset": {"name": "digits", "n_train": 100}, "model": CNN},
        "dense": {"batch_size": 16, "lr": 0.1},
        "method": "bimp",
        "prune": {"cycles": 2, **prune},
        "budget": {"epochs": 4, "dense_fraction": 0.5},
    }
    return TrialConfig.of(raw)


def masks_of(folder: Path, record: Any) -> dict[str, torch.Tensor]:
    state = last_stage(folder, record).state
    return {k.removeprefix("mask."): v for k, v in state.items() if k.startswith("mask.")}


# --- the same bits ---


@pytest.mark.parametrize(
    ("make", "structure"),
    [(imp, "2:4"), (imp, "blocks"), (imp, "columns"), (bimp, "2:4"), (bimp, "rows")],
)
@pytest.mark.parametrize("stop_after", [16, 25])  # in either cycle
def test_a_trial_taken_up_ends_in_the_same_bits(
    tmp_path: Path, tasks: TaskCache, make: Any, structure: str, stop_after: int
) -> None:
    config = make(STRUCTURES[structure])
    calm = run_trial(config, tmp_path / "calm", tasks=tasks)
    every_step = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    broken = procedure(config, tmp_path / "broken", tasks, every_step, owner="first")
    steps = 0
    while steps < stop_after:
        steps += round(broken.advance().epochs * 7)
    broken.give_up()
    again = run_trial(config, tmp_path / "broken", tasks=cache())
    assert again.state == "done"
    assert timeless(again) == timeless(calm)
    assert same(last_stage(tmp_path / "broken", again), last_stage(tmp_path / "calm", calm))
    assert again.provenance.get("uncut") == calm.provenance.get("uncut")


# --- whole steps ---


@pytest.mark.parametrize(
    ("prune", "cycles", "zeros"),
    [(TWO_OF_FOUR, 2, [1, 2]), (TWO_OF_FOUR, 3, [1, 1, 2]), (ONE_OF_FOUR, 2, [2, 3])],
)
def test_cycles_of_a_pattern_remove_whole_zeros_of_a_group(
    tmp_path: Path, tasks: TaskCache, prune: dict[str, Any], cycles: int, zeros: list[int]
) -> None:
    config = tiny(prune={**prune, "cycles": cycles}, retrain={"schedule": "allr", "epochs": 3})
    record = run_trial(config, tmp_path, tasks=tasks)
    assert [cycle["sparsity"] for cycle in record.cycles] == [z / 4 for z in zeros]
    before = [0, *zeros]
    alive = [(after - past) / (4 - past) for past, after in zip(before, zeros, strict=False)]
    assert [cycle["pruned_fraction"] for cycle in record.cycles] == pytest.approx(alive)
    for mask in masks_of(tmp_path, record).values():
        assert bool(((~mask).reshape(-1, 4).sum(1) == zeros[-1]).all())
    if zeros[0] == zeros[1]:  # nothing went: d1 says so, and the retraining goes by d2
        assert record.cycles[1]["d1"] == 0
        assert record.cycles[1]["d"] == record.cycles[1]["d2"] == 0.5


def test_cycles_that_end_at_the_same_zeros_are_one_stage() -> None:
    two, three = (tiny(prune={**TWO_OF_FOUR, "cycles": k}, retrain={"epochs": k}) for k in (2, 3))
    assert stage_chain(two, 0)[1].hash == stage_chain(three, 0)[1].hash


def test_what_is_said_and_what_is_kept(tmp_path: Path, tasks: TaskCache) -> None:
    record = run_trial(imp(TWO_OF_FOUR), tmp_path, tasks=tasks)
    assert record.config["prune"]["structure"] == "2:4"
    assert {"pattern", "block", "scope", "filter_norm"}.isdisjoint(record.config["prune"])
    assert record.provenance["uncut"] == ["conv1.weight"]
    assert record.layers == {"conv2.weight": 0.5, "classifier.weight": 0.5, "conv1.weight": 0.0}
    assert record.metrics["n_prunable"] == 8 * 36 + 10 * 8
    assert record.metrics["sparsity"] == 0.5
    stage = last_stage(tmp_path, record)
    assert bool(stage.weights["conv1.weight"].all())
    for name, mask in masks_of(tmp_path, record).items():
        assert not stage.weights[name][~mask].any()
        assert not stage.state[f"momentum.{name}"][~mask].any()
        assert bool(stage.weights[name][mask].all())
    whole = run_trial(imp({"structure": "columns", "sparsity": 0.5}), tmp_path, tasks=tasks)
    assert "uncut" not in whole.provenance
    assert whole.metrics["n_prunable"] == 4 * 9 + 8 * 36 + 10 * 8
    assert 0.45 < whole.metrics["sparsity"] <= 0.5


def test_a_pattern_that_divides_nothing_fails_with_a_sentence(
    tmp_path: Path, tasks: TaskCache
) -> None:
    """A plan refuses it; a worker that gets such a trial all the same says why."""
    record = run_trial(imp({"pattern": {"n": 2, "m": 5}, "sparsity": 0.6}), tmp_path, tasks=tasks)
    assert record.state == "failed"
    assert "2:5 must divide a weight" in str(record.message)
    assert "conv1.weight: 5 does not divide 9 inputs" in str(record.message)


# --- d1 ---

WEIGHT = [[3.0, 0.5, -1.0, 4.0], [2.0, 2.0, 1.0, -2.0]]


@pytest.mark.parametrize(
    ("prune", "gone", "share"),
    [
        (TWO_OF_FOUR, [0.5, 1.0, 2.0, 1.0], 0.5),
        (ONE_OF_FOUR, [3.0, 0.5, 1.0, 2.0, 2.0, 1.0], 0.75),
        # Blocks of 1 x 2: norms 3.04, 4.12, 2.83, 2.24: the last two go.
        ({"structure": "blocks", "block": {"rows": 1, "columns": 2}, "sparsity": 0.5},
         [2.0, 2.0, 1.0, 2.0], 0.5),
        # Columns: norms 3.61, 2.06, 1.41, 4.47: the middle ones go.
        ({"structure": "columns", "sparsity": 0.5}, [0.5, 2.0, 1.0, 1.0], 0.5),
    ],
    ids=["2:4", "1:4", "blocks", "columns"],
)  # fmt: skip
@pytest.mark.parametrize("norm", ["all", "prunable"])
def test_d1_by_hand(
    tmp_path: Path, prune: dict[str, Any], gone: list[float], share: float, norm: str
) -> None:
    """||what went|| over ||what is measured|| sqrt(s), s the share of the weights that went.

    The one layer with weights other than zero holds those above five times over; three biases are
    1.
    """
    config = tiny(
        task={"model": {"name": "mlp", "hidden": [4]}},
        prune={**prune, "exclude": ["linear1"]},
        retrain={"schedule": "allr", "epochs": 1, "norm": norm},
    )
    loaded = cache().loaded(config)
    model = loaded.model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.classifier.bias[:3] = 1.0
        model.classifier.weight.copy_(torch.tensor(WEIGHT).repeat(5, 1))
    spec = stage_chain(config, 0)[1]
    pruned = prune_cycle(config, 0, spec, loaded, dense_masks(loaded.weights))
    weights = 5 * sum(w * w for row in WEIGHT for w in row)
    whole = weights + (3 if norm == "all" else 0)
    d1 = math.sqrt(5 * sum(w * w for w in gone) / whole) / math.sqrt(share)
    assert pruned.metrics["pruned_fraction"] == share
    assert pruned.metrics["d1"] == pytest.approx(d1, rel=1e-6)
    by_prunable = math.sqrt(5 * sum(w * w for w in gone) / weights) / math.sqrt(share)
    assert pruned.metrics["d1_prunable"] == pytest.approx(by_prunable, rel=1e-6)
    assert pruned.discount == pytest.approx(min(max(d1, 0.5), 1))


FILTERS: dict[str, Any] = {"structure": "filters", "sparsity": 0.7, "cycles": 2, "exclude": []}


@pytest.mark.parametrize(
    ("norm", "first", "second"),
    [
        # Filters of norms 1 and 2 go, half of the filters' weights; then that of 3, half again.
        ("ranked", 5 / 30 / 0.5, 9 / 25 / 0.5),
        (None, 5 / 30 / 0.5, 9 / 25 / 0.5),
        # Ten outputs of four inputs are prunable too, and hold 36.
        ("prunable", 5 / 66 / (128 / 296), 9 / 61 / (64 / 168)),
        # Their biases 5 and 0, then 1, go along; biases of 25 + 50 are measured with the weights.
        ("all", 30 / 141 / (128 / 296), 10 / 111 / (64 / 168)),
    ],
)
def test_d1_of_filters_by_hand(norm: str | None, first: float, second: float) -> None:
    config = tiny(
        task={"model": {"name": "mlp", "hidden": [4]}},
        prune=FILTERS,
        retrain={"schedule": "allr", "epochs": 2, **({"norm": norm} if norm else {})},
    )
    loaded = cache().loaded(config)
    model = loaded.model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.linear1.weight[:, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
        model.linear1.bias.copy_(torch.tensor([5.0, 0.0, 1.0, 7.0]))
        model.classifier.weight[0, 0] = 6.0
    chain = stage_chain(config, 0)
    masks = dense_masks(loaded.weights)
    for spec, square, zeros in zip(chain[1:], (first, second), (128, 192), strict=True):
        pruned = prune_cycle(config, 0, spec, loaded, masks)
        masks = pruned.masks
        assert sum(int((~mask).sum()) for mask in masks.values()) == zeros
        assert pruned.metrics["d1"] == pytest.approx(math.sqrt(square), rel=1e-6)
        assert pruned.discount == pytest.approx(min(max(math.sqrt(square), 0.5), 1), rel=1e-6)
    assert pruned.metrics["pruned_fraction"] == pytest.approx(64 / 168)


def test_filters_of_a_network_that_is_its_classifier_have_nothing_to_measure() -> None:
    config = tiny(task={"model": {"name": "mlp", "hidden": []}}, prune=FILTERS)
    loaded = cache().loaded(config)
    spec = stage_chain(config, 0)[1]
    pruned = prune_cycle(config, 0, spec, loaded, dense_masks(loaded.weights))
    assert pruned.metrics["d1"] == pruned.metrics["pruned_fraction"] == 0


def test_a_dense_run_is_shared_by_all_structures() -> None:
    first = {stage_chain(imp(prune), 0)[0].hash for prune in STRUCTURES.values()}
    assert len(first) == 1


def test_a_layer_under_each_structure_is_made_of_whole_units(tasks: TaskCache) -> None:
    """Whatever the worker's cache holds: a network's weights are those of the trial's structure."""
    for prune in (TWO_OF_FOUR, BLOCKS, {"structure": "columns", "sparsity": 0.5}, TWO_OF_FOUR):
        config = imp(prune)
        loaded = tasks.loaded(config)
        assert not misfits(config.prune.form, matrices(loaded.weights))
        assert cuts_of(loaded.weights, config.prune.form)
    apply_(loaded.model, dense_masks(loaded.weights))

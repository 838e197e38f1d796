"""The dense recipe in whole trials: optimisers, frozen layers, micro-batches, clips, smoothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.trainables.methods import lab
from tests.trainables.trials.plain import cache, last_stage, run_trial, timeless, tiny
from trainables.config.trial import TrialConfig
from trainables.files.leases import Leases
from trainables.files.storage import LocalFolder
from trainables.methods.interface import Hooks
from trainables.training.evaluation import evaluate
from trainables.training.optimisers import Optimiser, sgd
from trainables.training.trainer import Trainer
from trainables.trials.procedure import Pace, Procedure
from trainables.trials.stage_run import StageRun
from trainables.trials.stage_store import Stage, StageStore
from trainables.trials.task_cache import TaskCache, initial_weights

ADAMW: dict[str, Any] = {"optimiser": "adamw", "lr": 0.01, "weight_decay": 0.1}
IMP = tiny(dense=ADAMW, prune={"cycles": 2}, retrain={"schedule": "allr", "epochs": 2})
BIMP = TrialConfig.of(
    {
        "task": {"dataset": {"name": "digits", "n_train": 100}, "model": "mlp"},
        "dense": {"batch_size": 16, **ADAMW},
        "method": "bimp",
        "prune": {"sparsity": 0.8, "cycles": 2},
        "budget": {"epochs": 4, "dense_fraction": 0.5},
    }
)


@pytest.fixture(scope="module")
def tasks() -> TaskCache:
    return cache()


def bits(stage: Stage) -> dict[str, list[Any]]:
    both = {**stage.weights, **{f"state.{k}": v for k, v in stage.state.items()}}
    return {name: value.tolist() for name, value in both.items()}


def broken_off(config: TrialConfig, folder: Path, steps: int) -> None:
    """Train some steps, each one saved, and give up."""
    store = LocalFolder(folder / "stages")
    pace = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    run = Procedure(config, 0, cache(), StageStore(store, "a"), Leases(store, "a"), pace=pace)
    done = 0
    while done < steps:
        done += round(run.advance().epochs * 7)
    run.give_up()


@pytest.mark.parametrize("steps", [3, 17, 23], ids=["dense", "first cycle", "second cycle"])
@pytest.mark.parametrize("config", [IMP, BIMP], ids=["imp", "bimp"])
def test_adamw_resumed_within_an_epoch_ends_in_the_same_bits(
    config: TrialConfig, steps: int, tmp_path: Path, tasks: TaskCache
) -> None:
    calm = run_trial(config, tmp_path / "calm", tasks=tasks)
    broken_off(config, tmp_path / "broken", steps)
    again = run_trial(config, tmp_path / "broken", tasks=tasks)
    assert timeless(again) == timeless(calm)
    assert bits(last_stage(tmp_path / "broken", again)) == bits(last_stage(tmp_path / "calm", calm))


def test_moments_of_pruned_weights_are_zero_after_retraining(
    tmp_path: Path, tasks: TaskCache
) -> None:
    stage = last_stage(tmp_path, run_trial(IMP, tmp_path, tasks=tasks))
    masks = {k.removeprefix("mask."): v for k, v in stage.state.items() if k.startswith("mask.")}
    for name, mask in masks.items():
        assert stage.weights[name][mask].all()
        for moment in ("exp_avg", "exp_avg_sq"):
            value = stage.state[f"optimiser.{moment}.{name}"]
            assert not value[~mask].any()
            assert bool(value[mask].any())
    steps = {float(v) for k, v in stage.state.items() if k.startswith("optimiser.step.")}
    assert steps == {14.0}  # carried from cycle to cycle, fresh after the dense run


RIVALS: list[tuple[str, dict[str, Any]]] = [
    ("gmp", {}), ("gmp", {"method": {"recover": True}}), ("dpf", {}), ("dnw", {}), ("cs", {}),
    ("dst", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "over"), RIVALS, ids=[n + "".join(o) for n, o in RIVALS])
def test_a_rival_under_adamw_resumed_within_an_epoch_ends_in_the_same_bits(
    name: str, over: dict[str, Any], tmp_path: Path
) -> None:
    config = lab.config(name, **over, dense=ADAMW)
    calm = lab.started(config, lab.loaded_for(config))
    lab.advance(calm, 42)
    run = lab.started(config, lab.loaded_for(config))
    lab.advance(run, 17)  # past the second prune, within an epoch
    run = lab.taken_up(run, config, tmp_path)
    lab.advance(run, 25)
    assert run.trainer.done
    assert bits(run.finish({})) == bits(calm.finish({}))


def test_a_frozen_backbone_is_the_same_to_the_bit_after_a_whole_run(
    tmp_path: Path, tasks: TaskCache
) -> None:
    model = {"model": {"name": "cnn", "channels": [4, 6]}}
    freeze = ["conv1", "bn1.*"]
    config = tiny(task=model, dense={"freeze": freeze}, prune={"cycles": 2}, retrain={"epochs": 2})
    record = run_trial(config, tmp_path, tasks=tasks)
    stage = last_stage(tmp_path, record)
    start = initial_weights(tasks.loaded(config), 0)
    frozen = [name for name in start if name.startswith(("conv1.", "bn1."))]
    assert "bn1.running_mean" in frozen
    assert len(frozen) == 6
    for name in frozen:
        assert torch.equal(stage.weights[name], start[name]), name
    assert not torch.equal(stage.weights["bn2.running_mean"], start["bn2.running_mean"])
    rest = 6 * 4 * 9 + 6 * 10
    assert record.metrics["n_prunable"] == rest
    assert record.metrics["n_parameters"] == rest + 4 * 9 + 2 * 4 + 2 * 6 + 10
    assert record.metrics["sparsity"] == round(0.8 * rest) / rest
    assert not [k for k in stage.state if k.startswith(("momentum.conv1", "mask.conv1"))]
    assert record.config["dense"]["freeze"] == freeze
    whole = run_trial(tiny(task=model, prune={"cycles": 2}, retrain={"epochs": 2}), tmp_path)
    assert whole.stages[0] != record.stages[0]


def test_a_model_wholly_frozen_is_refused(tasks: TaskCache) -> None:
    rule = r"dense\.freeze must leave a prunable weight that is trained, got none"
    with pytest.raises(ValueError, match=rule):
        tasks.loaded(tiny(dense={"freeze": ["*"]}))


def distance(a: StageRun, b: StageRun) -> float:
    """||a - b|| / ||a|| over all parameters."""
    one, two = (
        torch.cat([p.detach().flatten().double() for p in run.loaded.model.parameters()])
        for run in (a, b)
    )
    return float((one - two).norm() / one.norm())


class Counted:
    """Counts how often each hook of a method is called."""

    def __init__(self, run: StageRun) -> None:
        self.calls: dict[str, int] = {}
        for name in ("before_forward", "on_gradients", "after_step"):
            self._wrap(run.trainer.hooks, name)

    def _wrap(self, hooks: Hooks, name: str) -> None:
        inner = getattr(hooks, name)

        def counted(step: int) -> None:
            self.calls[name] = self.calls.get(name, 0) + 1
            inner(step)

        setattr(hooks, name, counted)


@pytest.mark.parametrize("name", ["gsm", "gmp"])
def test_micro_batches_give_the_whole_batch_and_hooks_run_once_per_step(name: str) -> None:
    model = {"model": {"name": "mlp", "hidden": [8]}, "dataset": {"name": "digits", "n_train": 100}}
    runs = []
    for micro in (None, 4):
        config = lab.config(name, task=model, dense={"lr": 0.01}, compute={"micro_batch": micro})
        run = lab.started(config, lab.loaded_for(config))
        counted = Counted(run)
        lab.advance(run, 9)  # past an epoch's end, the last batch of which has 4 examples
        assert counted.calls == dict.fromkeys(("before_forward", "on_gradients", "after_step"), 9)
        runs.append(run)
    assert 0 < distance(*runs) < 1e-6
    rows = [run.curve[0] for run in runs]
    assert rows[1]["train_loss"] == pytest.approx(rows[0]["train_loss"], rel=1e-6)


def test_micro_batches_are_hashed_and_share_no_dense_run(tmp_path: Path, tasks: TaskCache) -> None:
    one = run_trial(tiny(), tmp_path, tasks=tasks)
    two = run_trial(tiny(compute={"micro_batch": 4}), tmp_path, tasks=tasks)
    assert one.stages[0] != two.stages[0]
    assert two.config["compute"]["micro_batch"] == 4
    assert "micro_batch" not in one.config["compute"]
    assert two.metrics["val_loss"] == pytest.approx(one.metrics["val_loss"], rel=1e-3)


class Tenfold(Hooks):
    """Ten times the gradient, as a method may change it."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model

    def on_gradients(self, step: int) -> None:
        for parameter in self._model.parameters():
            assert parameter.grad is not None
            parameter.grad.mul_(10)


def test_gradients_are_clipped_after_the_hooks(tasks: TaskCache) -> None:
    loaded = tasks.loaded(tiny())
    loaded.model.load_state_dict(initial_weights(loaded, 0))
    before = [p.detach().clone() for p in loaded.model.parameters()]
    hooks = Tenfold(loaded.model)
    made = Optimiser(sgd(0.0, nesterov=False), 0.0).build(loaded.model, hooks)
    trainer = Trainer(loaded, hooks, made, [0.5], 16, 0, "dense", clip_norm=0.25)
    trainer.run(deadline=math.inf)
    moved = [p.detach() - b for p, b in zip(loaded.model.parameters(), before, strict=True)]
    norm = torch.cat([m.flatten() for m in moved]).norm()
    assert float(norm) == pytest.approx(0.5 * 0.25, rel=1e-4)


def test_clipping_reaches_retraining(tmp_path: Path, tasks: TaskCache) -> None:
    clip = tiny(dense={"clip_norm": 1e-6, "weight_decay": 0, "momentum": 0})
    record = run_trial(clip, tmp_path, tasks=tasks)
    stage = last_stage(tmp_path, record)
    start = initial_weights(tasks.loaded(clip), 0)
    kept = stage.state["mask.linear1.weight"]
    moved = (stage.weights["linear1.weight"] - start["linear1.weight"])[kept]
    assert float(moved.norm()) <= 21 * 0.1 * 1e-6 * 1.01


def test_labels_are_smoothed_in_training_and_never_in_what_is_measured(tasks: TaskCache) -> None:
    smooth, plain = (tasks.loaded(tiny(dense=d)) for d in ({"label_smoothing": 0.2}, {}))
    for loaded in (smooth, plain):
        loaded.model.load_state_dict(initial_weights(plain, 0))
        loaded.model.eval()
    images, labels = batch = smooth.splits.train.take(torch.arange(16))  # type: ignore[attr-defined]
    with torch.no_grad():
        logits = smooth.model(images)
        loss = float(smooth.task.loss(smooth.model, batch))
    by_hand = functional.log_softmax(logits, 1)
    one_hot = functional.one_hot(labels, 10) * 0.8 + 0.2 / 10
    assert loss == pytest.approx(float(-(one_hot * by_hand).sum(1).mean()), rel=1e-6)
    assert evaluate(smooth, "val") == evaluate(plain, "val")

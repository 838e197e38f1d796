"""One stage being trained: how each kind begins, is saved, is taken up again, and is summed up."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor

from trainables.config.chain import StageSpec
from trainables.config.trial import TrialConfig
from trainables.methods.hard_mask import HardMask
from trainables.methods.interface import Hooks
from trainables.pruning import measures
from trainables.pruning.masks import Masks, dense_masks
from trainables.pruning.work import theoretical_speedup
from trainables.training.evaluation import evaluated
from trainables.training.loaded import LoadedTask
from trainables.training.optimisers import (
    load_optimiser_state,
    optimiser_state,
    trained_names,
)
from trainables.training.trainer import Position, Trainer, finite
from trainables.trials.cycle import prune_cycle
from trainables.trials.recipe import optimiser_of, rates_of_cycle, rates_of_dense
from trainables.trials.stage_store import Partial, Stage
from trainables.trials.start import weights_at_start
from trainables.trials.task_cache import load_weights_
from trainables.trials.whole_run import finish_whole, method_of

UNCUT: Final = "uncut"
"""Among a stage's facts the weights that stay dense because its structure does not divide them."""


@dataclass
class StageRun:
    """A stage under way: its trainer, its numbers so far, and the epochs behind it."""

    config: TrialConfig
    spec: StageSpec
    loaded: LoadedTask
    trainer: Trainer
    facts: dict[str, Any]
    curve: list[dict[str, Any]] = field(default_factory=list)
    diverged: bool = False
    notes: tuple[str, ...] = ()

    def close_epoch(self) -> dict[str, Any]:
        """Let the method act, evaluate on validation, and return the epoch's row of the curve."""
        loss_sum, weight = self.trainer.position.loss_sum, self.trainer.position.weight
        self.facts["weight"] = self.facts.get("weight", 0) + weight
        row: dict[str, Any] = self.trainer.close_epoch()
        row |= {"phase": _PHASES[self.spec.kind], "cycle": self.spec.cycle}
        if not math.isfinite(loss_sum) or not finite(self.loaded.model):
            self.diverged = True
            row.pop("train_loss")
        else:
            self.trainer.hooks.at_epoch_end(row["epoch"] + 1)
            start = time.perf_counter()
            with self.trainer.hooks.evaluation():
                row |= evaluated(self.loaded, test=False)
            self.facts["eval_s"] += time.perf_counter() - start
        self.curve.append({key: v for key, v in row.items() if _recordable(v)})
        return self.curve[-1]

    def snapshot(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and the plain data from which `resume` goes on."""
        tensors = _tensors(self.trainer)
        tensors |= {f"model.{k}": v for k, v in self.loaded.model.state_dict().items()}
        tensors |= {f"hooks.{k}": v for k, v in self.trainer.hooks.state().items()}
        position = self.trainer.position
        return tensors, {
            "step": position.step,
            "position": vars(position),
            "curve": self.curve,
            "facts": self.facts,
            "scaler": self.trainer.scaler.state_dict(),
        }

    def finish(self, machine: Mapping[str, Any]) -> Stage:
        """Return the stage as the store keeps it: evaluated on test, or marked as diverged."""
        common: dict[str, Any] = {
            "hash": self.spec.hash,
            "kind": self.spec.kind,
            "curve": self.curve,
        }
        metrics = self._costs()
        if self.diverged:
            step = self.trainer.position.step
            return Stage(
                **common,
                state_name="diverged",
                metrics=metrics,
                layers={},
                provenance=dict(machine),
                facts=self.facts,
                message=f"loss or weights not finite after step {step} of stage {self.spec.hash}",
            )
        masks = self._masks(metrics)
        start = time.perf_counter()
        metrics |= evaluated(self.loaded)
        metrics["eval_s"] += time.perf_counter() - start
        metrics |= _sizes(self.loaded, masks)
        return Stage(
            **common,
            state_name="done",
            metrics={k: float(v) for k, v in metrics.items() if _recordable(v)},
            layers={} if masks is None else _layers(self.loaded, masks),
            weights=dict(self.loaded.model.state_dict()),
            state=self._state(masks),
            provenance=dict(machine),
            facts=self.facts,
        )

    def _state(self, masks: Masks | None) -> dict[str, Tensor]:
        """What a stage to come may need beside the weights, and the rates that were used.

        What the optimiser remembers is kept after a cycle alone, which one more cycle may follow
        once the study asks for it. Retraining begins without the memory of the dense run, and
        nothing follows a whole run.
        """
        state: dict[str, Tensor] = {}
        if self.spec.kind == "cycle":
            state = _tensors(self.trainer)
        elif self.spec.steps:
            state = _rates(self.trainer)
        if masks is not None:
            state |= {f"mask.{name}": mask for name, mask in masks.items()}
        return state

    def _masks(self, metrics: dict[str, float]) -> Masks | None:
        """The masks the stage ends with; a method from scratch may be topped up to its goal."""
        if self.spec.kind == "whole":
            seed, hooks = self.trainer.seed, self.trainer.hooks
            return finish_whole(self.config, seed, hooks, self.loaded, metrics)
        return self.trainer.hooks.final_masks()

    def _costs(self) -> dict[str, float]:
        train_s = sum(row["train_s"] for row in self.curve)
        steps = self.trainer.position.step
        weight = self.facts.get("weight", 0)
        costs = {
            "train_s": train_s if self.spec.steps else math.nan,
            "eval_s": self.facts["eval_s"],
            f"train_{self.loaded.task.counts}_per_s": weight / train_s if train_s else math.nan,
            **self.facts["metrics"],
        }
        if self.spec.kind == "cycle":
            costs |= {"retrain_steps": steps, "retrain_epochs": self.spec.epochs}
        return {key: value for key, value in costs.items() if _recordable(value)}


_PHASES = {"dense": "dense", "cycle": "retrain", "whole": "whole"}


def _recordable(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    """What the optimiser remembers, what the method learns beside the model, and the rates."""
    names = {id(p): name for name, p in _learnt(trainer).items()}
    tensors = optimiser_state(trainer.optimiser, names)
    extra = trainer.hooks.extra_parameters()
    if extra is not None:
        tensors |= {f"extra.{name}": p.detach() for name, p in extra.named.items()}
    return tensors | _rates(trainer)


def _rates(trainer: Trainer) -> dict[str, Tensor]:
    """The learning rate of each step."""
    return {"rates": torch.tensor(trainer.rates, dtype=torch.float64)}


def _learnt(trainer: Trainer) -> dict[str, torch.nn.Parameter]:
    extra = trainer.hooks.extra_parameters()
    return trained_names(trainer.loaded.model, extra.named if extra is not None else {})


def _sizes(loaded: LoadedTask, masks: Masks | None) -> dict[str, float]:
    model, work = loaded.model, loaded.work
    sizes: dict[str, float] = {
        "n_parameters": measures.count_parameters(model),
        "n_prunable": measures.count_prunable(loaded.weights),
        "multiply_adds": work.total,
    }
    if masks is not None:
        sizes["sparsity"] = measures.sparsity_of(masks)
        sizes["collapsed_layers"] = measures.collapsed_layers(loaded.weights, masks)
        sizes["sparsity_all_parameters"] = measures.sparsity_all_parameters(model)
        if sizes["sparsity"] < 1:  # else the speedup is infinite, so missing
            sizes["theoretical_speedup"] = theoretical_speedup(work.counts, masks)
    return sizes


def _layers(loaded: LoadedTask, masks: Masks) -> dict[str, float]:
    """Sparsity of each layer; of those that the structure does not divide, 0."""
    return {
        **measures.layer_sparsities(loaded.weights, masks),
        **dict.fromkeys(loaded.uncut, 0.0),
    }


def begin(
    config: TrialConfig, seed: int, spec: StageSpec, loaded: LoadedTask, before: Stage | None
) -> StageRun:
    """Return a stage at its first step."""
    model = loaded.model
    facts: dict[str, Any] = {"eval_s": 0.0, "metrics": {}}
    if spec.kind != "dense" and loaded.uncut:
        facts[UNCUT] = list(loaded.uncut)
    if before is None:
        start = weights_at_start(config, seed, loaded)
        load_weights_(model, start.tensors)
        hooks = method_of(config, loaded) if spec.kind == "whole" else Hooks()
        rates = [] if config.loads_dense else rates_of_dense(config)
        trainer = _trainer(config, seed, spec, loaded, hooks, rates)
        return StageRun(config, spec, loaded, trainer, facts | start.facts, notes=start.notes)
    load_weights_(model, before.weights)
    masks = _on(loaded, _under(before.state, "mask.")) or dense_masks(loaded.weights)
    pruned = prune_cycle(config, seed, spec, loaded, masks)
    facts |= {"eval_s": pruned.eval_s, "metrics": pruned.metrics, "lr_discount": pruned.discount}
    hooks = HardMask(model, pruned.masks, pruned.companions)
    rates = rates_of_cycle(config, spec.steps, pruned.discount, loaded.own)
    memory = before.state if spec.cycle > 1 else {}
    trainer = _trainer(config, seed, spec, loaded, hooks, rates, memory)
    return StageRun(config, spec, loaded, trainer, facts)


def resume(
    config: TrialConfig,
    seed: int,
    spec: StageSpec,
    loaded: LoadedTask,
    partial: Partial,
) -> StageRun:
    """Return a stage where a partial state left it."""
    model, tensors, saved = loaded.model, partial.tensors, partial.facts
    load_weights_(model, _under(tensors, "model."))
    hooks: Hooks = Hooks()
    if spec.kind == "cycle":
        held = _on(loaded, _under(tensors, "hooks."))
        hooks = HardMask(model, _under(held, "mask."), _under(held, "companion."))
    elif spec.kind == "whole":
        hooks = method_of(config, loaded)
        hooks.load_state(_under(tensors, "hooks."))
        if (extra := hooks.extra_parameters()) is not None:
            with torch.no_grad():
                for name, value in _under(tensors, "extra.").items():
                    extra.named[name].copy_(value)
    rates = tensors["rates"].tolist()
    memory = tensors
    trainer = _trainer(config, seed, spec, loaded, hooks, rates, memory)
    trainer.position = _position(saved["position"])
    trainer.scaler.load_state_dict(saved["scaler"])
    return StageRun(config, spec, loaded, trainer, saved["facts"], list(saved["curve"]))


def _position(saved: Mapping[str, Any]) -> Position:
    """A saved position; earlier versions called the weight images."""
    fields = dict(saved)
    if "images" in fields:
        fields["weight"] = fields.pop("images")
    return Position(**fields)


def _trainer(
    config: TrialConfig,
    seed: int,
    spec: StageSpec,
    loaded: LoadedTask,
    hooks: Hooks,
    rates: list[float],
    memory: Mapping[str, Tensor] | None = None,
) -> Trainer:
    _require_processes(config, loaded)
    optimiser = optimiser_of(config, loaded.own).build(loaded.model, hooks)
    name = config.draws_at(spec.cycle)
    trainer = Trainer(
        loaded,
        hooks,
        optimiser,
        rates,
        config.dense.batch_size,
        seed,
        name,
        micro_batch=config.compute.micro_batch,
        clip_norm=config.dense.clip_norm,
    )
    load_optimiser_state(optimiser, _learnt(trainer), memory or {})
    hooks.bind(optimiser)
    return trainer


def _require_processes(config: TrialConfig, loaded: LoadedTask) -> None:
    """Another number of processes would be another trial than its fingerprint says."""
    there = 1 if loaded.ranks is None else loaded.ranks.size
    if config.compute.processes != there:
        raise ValueError(
            f"compute.processes must be {there}, as many as train this trial,"
            f" got {config.compute.processes}"
        )


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _on(loaded: LoadedTask, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the task's device; the store holds them on the CPU."""
    return {name: tensor.to(loaded.device) for name, tensor in tensors.items()}

"""Methods from scratch: how one begins, and how its run ends at a hard mask."""

from __future__ import annotations

from typing import Any

import torch

from trainables import measures
from trainables.catalog import resolve
from trainables.config import TrialConfig
from trainables.masks import Masks, apply_, count_zeros, prune
from trainables.methods.interface import Hooks, Setting
from trainables.sparsity import zeros_after
from trainables.workbench import Place


def method_of(config: TrialConfig, place: Place) -> Hooks:
    """Return the method of a trial at its start, on the model as it stands."""
    assert config.info.function is not None
    setting = Setting(
        model=place.bench.model,
        parameters=config.method.parameters,
        sparsity=config.prune.sparsity,
        steps=config.dense_steps,
        steps_per_epoch=config.steps_per_epoch,
        weight_decay=config.dense.weight_decay,
        structure=config.prune.structure,
        scope=config.prune.scope,
    )
    hooks: Hooks = resolve(config.info.function)(setting)
    return hooks


def finish_whole(
    config: TrialConfig, hooks: Hooks, place: Place, metrics: dict[str, float]
) -> Masks | None:
    """Put the method's hard-masked weights in the model for good, top up to the goal if asked.

    Notes in `metrics` the sparsity that the method reached by itself.
    """
    model = place.bench.model
    with hooks.evaluation():
        weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    masks = hooks.final_masks()
    if masks is None:
        return None
    apply_(model, masks)
    metrics["sparsity_by_method"] = measures.sparsity_of(masks)
    n = sum(mask.numel() for mask in masks.values())
    goal = zeros_after(n, config.prune.sparsity, 1, 1)
    if _tops_up(config) and count_zeros(masks) < goal:
        masks = _topped_up(config, place, masks, goal)
        apply_(model, masks)
    return masks


def _tops_up(config: TrialConfig) -> bool:
    """Methods that control their sparsity end at it exactly; the others only when asked to."""
    return config.info.controls_sparsity or bool(config.method.parameters.get("top_up"))


def _topped_up(config: TrialConfig, place: Place, masks: Masks, goal: int) -> Masks:
    arguments: dict[str, Any] = {
        "structure": config.prune.structure,
        "scope": config.prune.scope,
        "criterion": "magnitude",
        "filter_norm": "l2",
        "generator": None,
    }
    return prune(place.bench.model, masks, zeros=goal, **arguments)

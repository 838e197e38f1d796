"""Methods from scratch: how one begins, and how its run ends at a hard mask."""

from __future__ import annotations

import time

import torch

from trainables.config.catalog import resolve
from trainables.config.trial import TrialConfig
from trainables.formulas.sparsity import zeros_at
from trainables.methods.interface import Hooks, Setting
from trainables.pruning import measures
from trainables.pruning.masks import Masks, apply_, count_zeros
from trainables.pruning.prunable import Prunable
from trainables.pruning.ranking import prune
from trainables.training.batch_norm import reestimate_batch_norm
from trainables.training.loaded import LoadedTask


def method_of(config: TrialConfig, loaded: LoadedTask) -> Hooks:
    """Return the method of a trial at its start, on the model as it stands."""
    build = loaded.own.get("method")
    if build is None:
        assert config.info.function is not None
        build = resolve(config.info.function)
    setting = Setting(
        model=loaded.model,
        parameters=config.method.parameters,
        sparsity=config.prune.sparsity,
        steps=config.dense_steps,
        steps_per_epoch=config.steps_per_epoch,
        weight_decay=config.dense.weight_decay,
        structure=config.prune.form,
        scope=config.prune.scope,
        filter_norm=config.prune.filter_norm,
        keep_least=config.prune.keep_layer_min,
        chosen=loaded.weights,
    )
    hooks: Hooks = build(setting)
    return hooks


def finish_whole(
    config: TrialConfig, seed: int, hooks: Hooks, loaded: LoadedTask, metrics: dict[str, float]
) -> Masks | None:
    """Put the method's hard-masked weights in the model for good, top up to the goal if asked.

    BatchNorm statistics are then re-estimated if the study wants it, as after a prune of IMP: those
    of training are of soft or dense weights under GSM, LC and CS, whose pruned networks are at
    chance with them. Notes in `metrics` the sparsity that the method reached by itself, and the
    seconds of the re-estimation.
    """
    model = loaded.model
    masks = hooks.final_masks()  # of the learnt weights, so before they are replaced
    with hooks.evaluation():
        weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    if masks is None:
        return None
    apply_(model, masks)
    metrics["sparsity_by_method"] = measures.sparsity_of(masks)
    if config.method.parameters.get("top_up"):
        masks = _topped_up(config, loaded.weights, masks)
        apply_(model, masks)
    start = time.perf_counter()
    if config.prune.bn_reestimate and reestimate_batch_norm(
        loaded, config.forward_size, seed, "dense"
    ):
        metrics["bn_s"] = time.perf_counter() - start
    return masks


def _topped_up(config: TrialConfig, weights: Prunable, masks: Masks) -> Masks:
    """Return the masks pruned further by magnitude to the goal; as they are where they reach it."""
    goal = zeros_at(sum(mask.numel() for mask in masks.values()), config.prune.sparsity)
    if count_zeros(masks) >= goal:
        return masks
    return prune(
        weights,
        masks,
        zeros=goal,
        structure="weights",
        scope="global",
        criterion="magnitude",
        keep_least=config.prune.keep_layer_min,
    )

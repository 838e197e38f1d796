"""The prune of one cycle: how much goes, by which measure, and what that did to the model."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainables.config.chain import StageSpec
from trainables.config.sections import Norm
from trainables.config.trial import TrialConfig
from trainables.formulas.discount import adaptive_discount, discount_d1, discount_d2
from trainables.formulas.schedules import schedule_of
from trainables.formulas.sparsity import zeros_after
from trainables.pruning import measures
from trainables.pruning.masks import Masks, apply_, count_zeros, taken_along
from trainables.pruning.prunable import Prunable
from trainables.pruning.ranking import prune
from trainables.training.batch_norm import reestimate_batch_norm
from trainables.training.evaluation import evaluated
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import generator
from trainables.trials.own_criterion import own_scores


@dataclass(frozen=True)
class Pruned:
    """What a prune leaves: masks, those of what goes with removed units, numbers by name.

    `discount` is the d in use under ALLR with the study's choice, whatever the schedule.
    """

    masks: Masks
    companions: Masks
    metrics: dict[str, float]
    discount: float
    eval_s: float


def prune_cycle(
    config: TrialConfig, seed: int, spec: StageSpec, loaded: LoadedTask, masks: Masks
) -> Pruned:
    """Prune the model in place for one cycle, and measure what changed.

    The norm drop is taken on the model just before this prune against the model just after it,
    before BatchNorm statistics are re-estimated.
    """
    model, weights, form = loaded.model, loaded.weights, config.prune.form
    norm = _norm(config, weights)
    measured = dict.fromkeys((norm, _PRUNABLE))
    before = {which: measures.parameter_vector(weights, which, form) for which in measured}
    new = _prune(config, seed, spec, loaded, masks)
    companions = taken_along(weights, new, form)
    apply_(model, {**new, **companions})
    d1s = {}
    for which, vector in before.items():
        drop = measures.norm_drop(vector, measures.parameter_vector(weights, which, form))
        names = measures.measured_weights(weights, which, form)
        removed = measures.removed_share(_of(masks, names), _of(new, names))
        d1s[which] = drop, discount_d1(drop, removed)
    (drop, d1), (_, d1_prunable) = d1s[norm], d1s[_PRUNABLE]
    metrics = {
        "norm_drop": drop,
        "pruned_fraction": measures.removed_share(masks, new),
        "d1_prunable": d1_prunable,
        **_discounts(config, spec, d1),
    }
    start = time.perf_counter()
    if config.prune.bn_reestimate and reestimate_batch_norm(
        loaded, config.forward_size, seed, config.draws_at(spec.cycle)
    ):
        metrics["bn_s"] = time.perf_counter() - start
    start = time.perf_counter()
    scores = evaluated(loaded, "pruned_")
    metrics |= {name: value for name, value in scores.items() if math.isfinite(value)}
    eval_s = time.perf_counter() - start
    return Pruned(new, companions, metrics, metrics.get("d", 1.0), eval_s)


def _prune(
    config: TrialConfig, seed: int, spec: StageSpec, loaded: LoadedTask, masks: Masks
) -> Masks:
    p = config.prune
    n = sum(mask.numel() for mask in masks.values())
    asked = zeros_after(n, p.sparsity, p.cycles, spec.cycle, p.form.group)
    draws = generator(seed, config.draws_at(spec.cycle), 0, "prune")
    own = loaded.own.get("prune.criterion")
    scores = None if own is None else own_scores(loaded, own, config, seed, spec.cycle)
    return prune(
        loaded.weights,
        masks,
        zeros=max(asked, count_zeros(masks)),
        structure=p.form,
        scope=p.scope,
        criterion="magnitude" if own is not None else p.criterion,
        filter_norm=p.filter_norm,
        generator=draws,
        keep_least=p.keep_layer_min,
        scores=scores,
    )


_PRUNABLE: Norm = "prunable"


def _norm(config: TrialConfig, weights: Prunable) -> Norm:
    """What d1 is measured over; where a structure ranks nothing, nothing goes, whatever it is."""
    ranked = measures.measured_weights(weights, config.norm, config.prune.form)
    return config.norm if ranked else _PRUNABLE


def _of(masks: Masks, names: Sequence[str]) -> Masks:
    return {name: masks[name] for name in names}


def _discounts(config: TrialConfig, spec: StageSpec, d1: float) -> dict[str, float]:
    measured = {"d1": d1}
    if config.knows_dense_length:
        d2 = discount_d2(spec.steps, config.dense_steps)
        measured |= {"d2": d2, "d_adaptive": adaptive_discount(d1, d2)}
    return {**measured, **_d(config, measured)}


def _d(config: TrialConfig, measured: Mapping[str, float]) -> dict[str, float]:
    """The discount in use, absent where the schedule has none."""
    if "discount" not in schedule_of(config.retrain.schedule).uses:
        return {}
    chosen = config.retrain.discount
    if isinstance(chosen, float):
        return {"d": chosen}
    return {"d": measured["d_adaptive"] if chosen == "adaptive" else min(measured[chosen], 1.0)}

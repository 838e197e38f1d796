"""What each optimiser step of a trial does: its optimiser, and its learning rate by the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.config.trial import TrialConfig
from trainables.formulas.dense_schedules import dense_rates, last_dense_rate
from trainables.formulas.schedules import retrain_rates, schedule_of
from trainables.formulas.sparsity import epochs_to_steps
from trainables.tasks.keywords import arguments
from trainables.training import optimisers
from trainables.training.optimisers import Group, Optimiser


def optimiser_of(config: TrialConfig, own: Mapping[str, Any]) -> Optimiser:
    """Return the optimiser of all of a trial's training; `own` holds the user's code by key."""
    dense = config.dense
    groups = [Group(g.match, g.weight_decay, g.lr_scale) for g in dense.groups]
    if (target := own.get("dense.optimiser")) is not None:
        make = optimisers.own(target, arguments(target, dense.options, {}))
    elif dense.optimiser == "adamw":
        make = optimisers.adamw(dense.beta1, dense.beta2, dense.eps)
    else:
        make = optimisers.sgd(dense.momentum, dense.uses_nesterov)
    return Optimiser(make, dense.weight_decay, groups)


def rates_of_dense(config: TrialConfig) -> list[float]:
    """Return the dense run's learning rate at every step.

    Of a network that came trained for nobody knows how long, its largest rate and, where the
    schedule tells it all the same, its last: no schedule that is allowed then reads more.
    """
    d, per_epoch = config.dense, config.steps_per_epoch
    if not config.knows_dense_length:
        last = last_dense_rate(d.schedule, lr=d.lr, milestones=d.milestones, gamma=d.gamma)
        return [d.lr] if last is None else [d.lr, last]
    return dense_rates(
        d.schedule,
        lr=d.lr,
        steps=config.dense_steps,
        steps_per_epoch=per_epoch,
        warmup_steps=epochs_to_steps(d.warmup_epochs, per_epoch),
        milestones=d.milestones,
        gamma=d.gamma,
        every=d.every,
        lr_end=d.lr_end,
    )


def rates_of_cycle(
    config: TrialConfig, steps: int, discount: float, own: Mapping[str, Any]
) -> list[float]:
    """Return the learning rate at every step of a cycle; `discount` where the schedule uses it."""
    r = config.retrain
    schedule = schedule_of(r.schedule, own.get("retrain.schedule"))
    warmup_epochs = config.dense.warmup_epochs if config.knows_dense_length else 0
    return retrain_rates(
        schedule,
        steps=steps,
        dense=rates_of_dense(config),
        dense_warmup_steps=epochs_to_steps(warmup_epochs, config.steps_per_epoch),
        discount=discount if "discount" in schedule.uses else None,
        init=r.init,
        warmup=r.warmup,
    )

"""Rules between the keys of a trial's configuration, and when a key matters at all.

`sections` validates each key by itself; what ties keys together is here. Knows no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from trainables.config import catalog
from trainables.config.datasets import known
from trainables.config.dense import Dense
from trainables.config.optimisers import NEEDS, OPTIMISERS, optimiser_of
from trainables.config.settings import Settings
from trainables.formulas.dense_schedules import DENSE_SCHEDULES
from trainables.formulas.schedules import RETRAIN_SCHEDULES, retrain_refusal, schedule_of
from trainables.formulas.sparsity import epochs_to_steps
from trainables.formulas.structures import BLOCKS, KINDS, PATTERN
from trainables.vocabulary.refusal import Refusal, shown
from trainables.vocabulary.wording import counted


@dataclass(frozen=True)
class Condition:
    """When a key matters, in words and as a predicate."""

    words: str
    holds: Callable[[Settings], bool]


def _dense_uses(leaf: str) -> Condition:
    names = [name for name, s in DENSE_SCHEDULES.items() if leaf in s.uses]
    return Condition(f"dense.schedule is {' or '.join(names)}", lambda c: c.dense.schedule in names)


def _retrain_uses(leaf: str) -> Condition:
    names = [name for name, s in RETRAIN_SCHEDULES.items() if leaf in s.uses]
    return Condition(
        f"retrain.schedule is {' or '.join(names)}",
        lambda c: c.retrains and leaf in schedule_of(c.retrain.schedule).uses,
    )


def _optimiser_uses(leaf: str) -> Condition:
    names = [name for name, record in OPTIMISERS.items() if leaf in record.uses]
    words = f"dense.optimiser is {' or '.join(names) or 'your own'}"
    return Condition(words, lambda c: leaf in optimiser_of(c.dense.optimiser).uses)


def _names(holds: Callable[[catalog.Method], bool]) -> list[str]:
    return [name for name, method in catalog.METHODS.items() if holds(method)]


_RETRAINING = Condition(
    f"the method retrains ({', '.join(_names(lambda m: m.kind == 'retraining'))})",
    lambda c: c.retrains,
)

_WHOLE = [name for name, kind in KINDS.items() if kind.choice == "units"]

CONDITIONS: dict[str, Condition] = {
    **{f"dense.{leaf}": _dense_uses(leaf) for leaf in ("milestones", "gamma", "every", "lr_end")},
    **{
        f"dense.{leaf}": _optimiser_uses(leaf)
        for leaf in ("momentum", "nesterov", "beta1", "beta2", "eps", "options")
    },
    **{f"retrain.{leaf}": _retrain_uses(leaf) for leaf in ("discount", "init", "warmup")},
    **{f"retrain.{leaf}": _RETRAINING for leaf in ("schedule", "epochs", "budget", "norm", "seed")},
    "dense.batch_size": Condition(
        "the task does not form its batches itself", lambda c: not c.forms_batches
    ),
    "prune.cycles": _RETRAINING,
    "prune.criterion": _RETRAINING,
    "prune.scope": Condition(
        "the method ranks weights"
        f" (all but {', '.join(_names(lambda m: not m.controls_sparsity))}), without prune.pattern",
        lambda c: c.info.controls_sparsity and c.prune.pattern is None,
    ),
    "prune.keep_layer_min": Condition(
        "the method ranks weights, or tops up to its goal (method.top_up), without prune.pattern",
        lambda c: (
            (c.info.controls_sparsity or bool(c.method.parameters.get("top_up")))
            and c.prune.pattern is None
        ),
    ),
    "prune.block": Condition(f"prune.structure is {BLOCKS}", lambda c: c.prune.structure == BLOCKS),
    "prune.filter_norm": Condition(
        f"prune.structure is {' or '.join(_WHOLE)} and prune.criterion is magnitude",
        lambda c: c.prune.structure in _WHOLE and c.prune.criterion == "magnitude",
    ),
    "compute.batch_norm": Condition(
        "compute.processes is above 1", lambda c: c.compute.processes > 1
    ),
    "budget.dense_fraction": Condition(
        f"method is {' or '.join(_names(lambda m: m.splits_budget))}",
        lambda c: c.info.splits_budget,
    ),
}
"""Keys that matter only under other keys' values; inactive ones are neither sampled nor hashed."""


LATER_KEYS = (
    "dense.optimiser",
    "dense.groups",
    "dense.clip_norm",
    "dense.label_smoothing",
    "dense.freeze",
    "dense.weights",
    "dense.start",
    "dense.leave_out",
    "prune.exclude",
    "prune.keep_layer_min",
    "retrain.seed",
    "compute.micro_batch",
    "quantise.weights",
    "compute.processes",
    "compute.batch_norm",
)
"""Keys that came after the first records: left out of a record where they are at their default, so
that older and newer records of one configuration read alike."""


def _refuse(key: str, rule: str, value: object) -> None:
    raise Refusal(f"{key} must {rule}, got {value}")


def _lengths_given_once(c: Settings) -> None:
    name = c.method.name
    if not c.info.budgeted:
        if c.budget is not None:
            rule = f"be absent under {name} (use dense.epochs and retrain.epochs)"
            _refuse("budget.epochs", rule, c.budget.epochs)
        if c.dense.epochs is None and not c.loads_dense:
            _refuse("dense.epochs", f"be given under {name}", "nothing")
        given = [k for k in ("epochs", "budget") if getattr(c.retrain, k) is not None]
        if len(given) != 1:
            both = "both" if given else "neither"
            _refuse("retrain.epochs", "be given, or retrain.budget instead of it", both)
        return
    if c.budget is None:
        _refuse("budget.epochs", f"be given under {name}", "nothing")
    for key, value in (
        ("dense.epochs", c.dense.epochs),
        ("retrain.epochs", c.retrain.epochs),
        ("retrain.budget", c.retrain.budget),
    ):
        if value is not None:
            _refuse(key, f"be absent under {name}, where budget gives it", value)


def _start_is_named_once(c: Settings) -> None:
    dense = c.dense
    if c.loads_dense:
        if not c.retrains:
            rule = (
                f"be absent under {c.method.name}, which trains from scratch (dense.start may be)"
            )
            _refuse("dense.weights", rule, shown(dense.weights))
        if c.info.budgeted:
            rule = f"be absent under {c.method.name}, whose budget has a dense run of its own"
            _refuse("dense.weights", rule, shown(dense.weights))
        if dense.start is not None:
            _refuse("dense.start", "be absent beside dense.weights", repr(dense.start))
        _require_declared(c)
    if dense.leave_out and dense.start is None:
        rule = "be absent without dense.start, whose tensors it leaves out"
        _refuse("dense.leave_out", rule, list(dense.leave_out))


def _require_declared(c: Settings) -> None:
    """What a schedule asks of the run that trained the network must be said: no default fits."""
    schedule = schedule_of(c.retrain.schedule)
    given, epochs = c.dense.model_fields_set, c.dense.epochs
    under = f"under retrain.schedule {schedule.name}"
    if schedule.reads and "lr" not in given:
        rule = f"be given beside dense.weights {under}, which needs the dense run's rates"
        _refuse("dense.lr", rule, "nothing")
    if schedule.reads - {"lr_max"} and "schedule" not in given:
        rule = f"be given beside dense.weights {under}, which needs the dense run's rates"
        _refuse("dense.schedule", rule, "nothing")
    if epochs is not None:
        return
    if "rates" in schedule.reads:
        _need_length(f"{under}, which needs the dense run's rate at every step")
    if "lr_min" in schedule.reads and DENSE_SCHEDULES[c.dense.schedule].last is None:
        _need_length(f"{under}, whose last rate dense.schedule {c.dense.schedule} tells only then")
    if "discount" in schedule.uses and c.retrain.discount in ("adaptive", "d2"):
        discount = c.retrain.discount
        _need_length(
            f"under retrain.discount {discount}, which compares retraining with its length"
        )
    if c.retrain.budget is not None:
        rule = "be absent where dense.epochs is, of which it is a share (give retrain.epochs)"
        _refuse("retrain.budget", rule, c.retrain.budget)


def _need_length(why: str) -> None:
    _refuse("dense.epochs", f"be given beside dense.weights {why}", "nothing")


def _images_are_enough(c: Settings) -> None:
    choice = c.task.dataset
    dataset = None if choice is None else known(choice.name)
    if choice is None or dataset is None:
        return
    for key, count in (("n_train", dataset.n_train), ("n_val", dataset.n_validated)):
        try:
            n = count(choice.parameters)
        except ValueError as error:
            raise Refusal(str(error)) from None
        if n < dataset.n_classes:
            rule = f"be >= {dataset.n_classes} for {dataset.name}, one image a class"
            _refuse(f"task.dataset.{key}", rule, n)


def _dense_run_is_real(c: Settings) -> None:
    if not c.knows_dense_length:
        return
    if c.dense_steps < 1:
        _refuse("dense.epochs", "give at least one optimiser step", c.dense.epochs)
    warmup_steps = epochs_to_steps(c.dense.warmup_epochs, c.steps_per_epoch)
    if warmup_steps and warmup_steps >= c.dense_steps:
        _refuse("dense.warmup_epochs", "be shorter than the dense run", c.dense.warmup_epochs)


def _optimiser_suits(c: Settings) -> None:
    name = c.dense.optimiser
    record = optimiser_of(name)
    if "nesterov" in record.uses and c.dense.nesterov and not c.dense.momentum:
        _refuse("dense.nesterov", "be false without dense.momentum", "true with momentum 0")
    if name != Dense.model_fields["optimiser"].default and "lr" not in c.dense.model_fields_set:
        _refuse("dense.lr", f"be given under dense.optimiser {name}", "nothing")
    if c.facts is not None and not c.facts.takes_decay and c.dense.weight_decay:
        rule = f"be 0 under {name}, which has no weight_decay"
        _refuse("dense.weight_decay", rule, c.dense.weight_decay)
    for need, reason in c.info.needs.items():
        if need not in record.offers:
            rule = f"{NEEDS[need]} under {c.method.name} ({reason}), as sgd does"
            _refuse("dense.optimiser", rule, repr(name))


def _steps_are_as_told(c: Settings) -> None:
    micro, whole = c.compute.micro_batch, c.dense.batch_size
    if c.forms_batches and whole != Dense.model_fields["batch_size"].default:
        rule = "be absent for a task that forms its batches itself"
        _refuse("dense.batch_size", rule, whole)
    if c.forms_batches and c.compute.compile:
        rule = "be false for a task that forms its batches itself, each of a shape of its own"
        _refuse("compute.compile", rule, "true")
    if micro is not None and micro >= whole and not c.forms_batches:
        _refuse("compute.micro_batch", f"be below dense.batch_size ({whole})", micro)
    if c.dense.label_smoothing and c.task.use is not None and not (c.facts and c.facts.smooths):
        rule = "be absent for a task whose loss has no smoothing"
        _refuse("dense.label_smoothing", rule, c.dense.label_smoothing)


def _shares_are_real(c: Settings) -> None:
    processes, whole = c.compute.processes, c.dense.batch_size
    if processes > whole and not c.forms_batches:
        rule = f"be at most dense.batch_size ({whole}), of which each gets a share"
        _refuse("compute.processes", rule, processes)
    if c.compute.batch_norm == "synchronised" and processes > 1:
        _all_meet_in_every_forward(c)


def _all_meet_in_every_forward(c: Settings) -> None:
    """Synchronised layers wait for each other: every process must come by equally often."""
    compute, last = c.compute, c.n_train % c.dense.batch_size
    why = None
    if c.forms_batches:
        why = "for a task that forms its batches itself, of any number of examples"
    elif compute.micro_batch is not None:
        why = "beside compute.micro_batch, of which shares may have different numbers"
    elif compute.compile:
        why = "under compute.compile, which knows of no other process"
    elif 0 < last < compute.processes:
        why = f"where an epoch's last batch, of {counted(last, 'example')}, leaves a process none"
    if why is not None:
        _refuse("compute.batch_norm", f"be local {why}", compute.batch_norm)


def _schedule_is_complete(c: Settings) -> None:
    if c.dense.schedule == "multistep":
        stones = c.dense.milestones
        if not stones:
            _refuse("dense.milestones", "name at least one epoch under multistep", "none")
        if any(b <= a for a, b in pairwise(stones)):
            _refuse("dense.milestones", "be strictly increasing", list(stones))
    if "lr_end" in DENSE_SCHEDULES[c.dense.schedule].uses and c.dense.lr_end >= c.dense.lr:
        _refuse("dense.lr_end", f"be below dense.lr ({c.dense.lr})", c.dense.lr_end)
    needs_init = c.retrains and "init" in schedule_of(c.retrain.schedule).uses
    if needs_init and c.retrain.init is None:
        _refuse("retrain.init", f"be given under {c.retrain.schedule}", "nothing")


def _cycles_have_steps(c: Settings) -> None:
    if not c.retrains:
        return
    try:
        steps = c.cycle_steps
    except ValueError:
        total = epochs_to_steps(c.retrain_epochs, c.steps_per_epoch)
        _refuse("prune.cycles", f"be <= the {total} optimiser steps of retraining", c.prune.cycles)
        return
    for n in steps if c.knows_dense_length else ():
        reason = retrain_refusal(c.retrain.schedule, steps=n, dense_steps=c.dense_steps)
        if reason:
            raise Refusal(f"retrain.schedule must fit the dense run: {reason}")


def _structure_is_offered(c: Settings) -> None:
    prune, offered = c.prune, c.info.structures
    pattern = prune.pattern and f"{{n: {prune.pattern.n}, m: {prune.pattern.m}}}"
    if pattern and prune.structure != "weights":
        rule = f"be absent under prune.structure {prune.structure}, as it is one of single weights"
        _refuse("prune.pattern", rule, pattern)
    if pattern and PATTERN not in offered:
        rule = f"be absent under {c.method.name}, which prunes {' or '.join(offered)}"
        _refuse("prune.pattern", rule, pattern)
    if not pattern and prune.structure not in offered:
        allowed = " or ".join(kind for kind in offered if kind != PATTERN)
        _refuse("prune.structure", f"be {allowed} under {c.method.name}", prune.structure)
    if prune.structure == BLOCKS and prune.block is None:
        _refuse("prune.block", f"be given under prune.structure {BLOCKS}", "nothing")


def _interval_fits(c: Settings) -> None:
    interval = c.method.parameters.get("interval")
    if interval is not None and 2 * interval * c.steps_per_epoch > c.dense_steps:
        assert c.budget is not None
        rule = f"be at most half of the {c.budget.epochs:g} epochs of budget.epochs"
        _refuse("method.interval", rule, interval)


RULES: tuple[Callable[[Settings], None], ...] = (
    _lengths_given_once,
    _start_is_named_once,
    _images_are_enough,
    _dense_run_is_real,
    _optimiser_suits,
    _steps_are_as_told,
    _shares_are_real,
    _schedule_is_complete,
    _cycles_have_steps,
    _structure_is_offered,
    _interval_fits,
)
"""Every rule between keys, in the order in which they are checked."""

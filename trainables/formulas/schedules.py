"""Learning rates of the dense run and of every retraining schedule, as pure functions of the step.

Nothing is chained and nothing keeps state: any step can be asked for alone. (The authors' public
release chains scheduler objects of torch; under some versions of torch its main part then lags one
step and its cosine overshoots the peak. Here the equations hold.) Standard library only.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from trainables.formulas.sparsity import exact

# The share of a cycle that SLR, CLR, LLR and ALLR warm up for; the default of the tunable four.
FIXED_WARMUP = 0.1

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class DenseRun:
    """What a dense schedule may read. Steps and epochs count from 0.

    `lr` is the peak eta, `steps` the length M of the run, `steps_per_epoch` I, `warmup_steps` the
    length W0 of the linear warm-up (part of the run). `milestones` are the epochs from which on the
    rate is lower by the factor `gamma`, `every` the epochs between drops (rates change only where
    an epoch starts), `lr_end` the rate that a linear decay would reach at step M.

    Raises:
        ValueError: a number above is out of range; the last four are checked where they are read.
    """

    lr: float
    steps: int
    steps_per_epoch: int
    warmup_steps: int = 0
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    every: float = 1
    lr_end: float = 0.0

    def __post_init__(self) -> None:
        steps, warmup = self.steps, self.warmup_steps
        _require(0 < self.lr < math.inf, "lr must be > 0 and finite", self.lr)
        _require(steps >= 1, "steps must be >= 1", steps)
        _require(self.steps_per_epoch >= 1, "steps_per_epoch must be >= 1", self.steps_per_epoch)
        _require(0 <= warmup < steps, f"warmup_steps must be in [0, steps = {steps})", warmup)

    @cached_property
    def _every(self) -> tuple[int, int]:
        return exact(self.every).as_integer_ratio()


@dataclass(frozen=True)
class DenseSchedule:
    """A dense schedule: `function(run, step)` is its rate from the end of the warm-up on.

    `uses` names what it reads out of milestones, gamma, every and lr_end. `last` is its last rate
    where the length of the run does not matter (milestones all passed), None where it does.
    """

    name: str
    source: str
    uses: frozenset[str]
    function: Callable[[DenseRun, int], float]
    last: Callable[[DenseRun], float] | None = None


def _dense_constant(run: DenseRun, _step: int) -> float:
    return run.lr


def _dense_linear(run: DenseRun, step: int) -> float:
    return run.lr_end + (run.lr - run.lr_end) * (1 - _dense_progress(run, step))


def _dense_cosine(run: DenseRun, step: int) -> float:
    return run.lr * (1 + math.cos(math.pi * _dense_progress(run, step))) / 2


def _dense_step(run: DenseRun, step: int) -> float:
    numerator, denominator = run._every
    return run.lr * run.gamma ** (step // run.steps_per_epoch * denominator // numerator)


def _dense_multistep(run: DenseRun, step: int) -> float:
    return run.lr * run.gamma ** bisect_right(run.milestones, step // run.steps_per_epoch)


def _dense_exponential(run: DenseRun, step: int) -> float:
    return run.lr * run.gamma ** (step // run.steps_per_epoch)


def _dense_progress(run: DenseRun, step: int) -> float:
    return (step - run.warmup_steps) / (run.steps - run.warmup_steps)


_NONE: frozenset[str] = frozenset()
_OPTIONAL: dict[str, tuple[str, Callable[[DenseRun], bool]]] = {
    "milestones": (
        "milestones must be one or more epochs > 0 in increasing order",
        lambda run: run.milestones[:1] > (0,) and all(a < b for a, b in pairwise(run.milestones)),
    ),
    "gamma": ("gamma must be in (0, 1]", lambda run: 0 < run.gamma <= 1),
    "every": ("every must be > 0 and finite", lambda run: 0 < run.every < math.inf),
    "lr_end": ("lr_end must be in [0, lr]", lambda run: 0 <= run.lr_end <= run.lr),
}
_HE = "He et al. 2016, Deep Residual Learning for Image Recognition"
_LI = "Li, Yumer and Ramanan 2020, Budgeted Training"
_LOSHCHILOV = "Loshchilov and Hutter 2017, SGDR, without restarts"
_DROPS = frozenset({"gamma", "every"})
_MILESTONES = frozenset({"milestones", "gamma"})

DENSE_SCHEDULES: dict[str, DenseSchedule] = {
    schedule.name: schedule
    for schedule in (
        DenseSchedule(
            "constant", "one rate throughout", _NONE, _dense_constant, lambda run: run.lr
        ),
        DenseSchedule("linear", _LI, frozenset({"lr_end"}), _dense_linear),
        DenseSchedule("cosine", _LOSHCHILOV, _NONE, _dense_cosine),
        DenseSchedule("step", "drops at equal intervals of epochs", _DROPS, _dense_step),
        DenseSchedule(
            "multistep",
            _HE,
            _MILESTONES,
            _dense_multistep,
            lambda run: run.lr * run.gamma ** len(run.milestones),
        ),
        DenseSchedule("exponential", "a drop an epoch", frozenset({"gamma"}), _dense_exponential),
    )
}


def dense_rate(name: str, step: int, run: DenseRun) -> float:
    """The learning rate of dense schedule `name` at one step of `run`.

    Raises:
        ValueError: unknown name, a value in its `uses` out of range, or step outside the run.
    """
    schedule = _dense_schedule(name, run)
    _require(0 <= step < run.steps, f"step must be in [0, {run.steps})", step)
    return _dense_value(schedule, run, step)


def dense_rates(
    name: str,
    *,
    lr: float,
    steps: int,
    steps_per_epoch: int,
    warmup_steps: int = DenseRun.warmup_steps,
    milestones: Sequence[float] = DenseRun.milestones,
    gamma: float = DenseRun.gamma,
    every: float = DenseRun.every,
    lr_end: float = DenseRun.lr_end,
) -> list[float]:
    """The learning rate of every step of a dense run, `steps` numbers.

    The warm-up rises linearly from 0, `lr * step / warmup_steps`, and counts as part of the run:
    epochs of milestones and drops are counted from its start. Of milestones, gamma, every and
    lr_end only those are read that the schedule's `uses` names.

    Raises:
        ValueError: unknown name, or a value that is read is out of range.
    """
    drops = tuple(milestones)
    run = DenseRun(lr, steps, steps_per_epoch, warmup_steps, drops, gamma, every, lr_end)
    schedule = _dense_schedule(name, run)
    return [_dense_value(schedule, run, step) for step in range(steps)]


def last_dense_rate(
    name: str, *, lr: float, milestones: Sequence[float] = (), gamma: float = DenseRun.gamma
) -> float | None:
    """The last rate of a dense run of unknown length that passed all milestones.

    None where it hangs on the length.
    """
    run = DenseRun(lr, 1, 1, milestones=tuple(milestones), gamma=gamma)
    last = _dense_schedule(name, run).last
    return None if last is None else last(run)


def _dense_value(schedule: DenseSchedule, run: DenseRun, step: int) -> float:
    if step < run.warmup_steps:
        return run.lr * step / run.warmup_steps
    return schedule.function(run, step)


def _dense_schedule(name: str, run: DenseRun) -> DenseSchedule:
    schedule = _known(name, DENSE_SCHEDULES, "dense schedule")
    for key in sorted(schedule.uses):
        rule, holds = _OPTIONAL[key]
        _require(holds(run), rule, getattr(run, key))
    return schedule


@dataclass(frozen=True)
class Retraining:
    """One cycle of retraining, resolved by `retraining`: all that a retraining schedule may read.

    `steps` is N, `warmup_steps` W, `peak` the rate that the warm-up rises to. `dense` holds the
    dense run's rates, one a step; `lr_max` (eta_1) is their largest, `lr_min` (eta_T) their
    smallest after the dense warm-up.
    """

    steps: int
    warmup_steps: int
    peak: float
    dense: Sequence[float]
    dense_warmup_steps: int
    lr_max: float
    lr_min: float


@dataclass(frozen=True)
class RetrainSchedule:
    """A retraining schedule: `function(cycle, t)` is its rate t steps after the warm-up.

    `uses` names what it reads out of discount, init and warmup. `warms_up` says whether a warm-up
    comes first; its share of the steps is free where `uses` has warmup, FIXED_WARMUP elsewhere.
    `reads` names what it must know of the dense run: lr_max, lr_min, or rates, each of them.
    """

    name: str
    source: str
    uses: frozenset[str]
    warms_up: bool
    function: Callable[[Retraining, int], float]
    reads: frozenset[str] = frozenset()


def _fine_tuning(cycle: Retraining, _t: int) -> float:
    return cycle.lr_min


def _rewinding(cycle: Retraining, t: int) -> float:
    return cycle.dense[len(cycle.dense) - cycle.steps + t]


def _compressed_dense(cycle: Retraining, t: int) -> float:
    """L[floor(t M / R)]: the dense run's rates on R steps, its warm-up replaced by eta_1."""
    j = t * len(cycle.dense) // _main_steps(cycle)
    return cycle.lr_max if j < cycle.dense_warmup_steps else cycle.dense[j]


def _scaled_dense(cycle: Retraining, t: int) -> float:
    # The quotient first: where L is eta_1 the rate is then the peak to the bit.
    return cycle.peak * (_compressed_dense(cycle, t) / cycle.lr_max)


def _cosine_to_lr_min(cycle: Retraining, t: int) -> float:
    return cycle.lr_min + (cycle.lr_max - cycle.lr_min) * _half_cosine(cycle, t)


def _cosine_to_zero(cycle: Retraining, t: int) -> float:
    return cycle.peak * _half_cosine(cycle, t)


def _linear_to_zero(cycle: Retraining, t: int) -> float:
    return cycle.peak * (1 - t / _main_steps(cycle))


def _constant(cycle: Retraining, _t: int) -> float:
    return cycle.peak


def _half_cosine(cycle: Retraining, t: int) -> float:
    return (1 + math.cos(math.pi * t / _main_steps(cycle))) / 2


def _main_steps(cycle: Retraining) -> int:
    return cycle.steps - cycle.warmup_steps


_HAN = "Han et al. 2015, Learning both Weights and Connections"
_RENDA = "Renda, Frankle and Carbin 2020, Comparing Rewinding and Fine-tuning"
_LE_HUA = "Le and Hua 2021, Network Pruning That Matters"
_ZIMMER = "Zimmer, Spiegel and Pokutta 2023, How I Learned to Stop Worrying and Love Retraining"
_TUNABLE = frozenset({"init", "warmup"})


def _reads(names: str) -> frozenset[str]:
    return frozenset(names.split())


RETRAIN_SCHEDULES: dict[str, RetrainSchedule] = {
    schedule.name: schedule
    for schedule in (
        RetrainSchedule("ft", _HAN, _NONE, False, _fine_tuning, _reads("lr_min")),
        RetrainSchedule("lrw", _RENDA, _NONE, False, _rewinding, _reads("rates")),
        RetrainSchedule("slr", _LE_HUA, _NONE, True, _compressed_dense, _reads("lr_max rates")),
        RetrainSchedule("clr", _LE_HUA, _NONE, True, _cosine_to_lr_min, _reads("lr_max lr_min")),
        RetrainSchedule("llr", _ZIMMER, _NONE, True, _linear_to_zero, _reads("lr_max")),
        RetrainSchedule(
            "allr", _ZIMMER, frozenset({"discount"}), True, _linear_to_zero, _reads("lr_max")
        ),
        RetrainSchedule("constant", "tunable: one rate", _TUNABLE, True, _constant),
        RetrainSchedule(
            "stepped",
            "tunable: SLR from any peak",
            _TUNABLE,
            True,
            _scaled_dense,
            _reads("lr_max rates"),
        ),
        RetrainSchedule("cosine", "tunable: a cosine to zero", _TUNABLE, True, _cosine_to_zero),
        RetrainSchedule("linear", "tunable: LLR from any peak", _TUNABLE, True, _linear_to_zero),
    )
}


def schedule_of(
    name: str, function: Callable[[Retraining, int], float] | None = None
) -> RetrainSchedule:
    """Return the schedule of that name, or a record for the user's own, "module:attribute".

    A user's `function(cycle, step)` gives the rate at every step of the cycle; its `peak` is
    d eta_1 with the discount in use, as under ALLR. Until the function is known the record serves
    for looking at what it uses.
    """
    if name in RETRAIN_SCHEDULES:
        return RETRAIN_SCHEDULES[name]
    return RetrainSchedule(
        name,
        "the user's own",
        frozenset({"discount"}),
        False,
        function or _linear_to_zero,
        _reads("lr_max lr_min rates"),
    )


def retraining(
    schedule: str | RetrainSchedule,
    steps: int,
    dense: Sequence[float],
    dense_warmup_steps: int = 0,
    discount: float | None = None,
    init: float | None = None,
    warmup: float = FIXED_WARMUP,
) -> Retraining:
    """One cycle under a schedule; arguments and errors are those of `retrain_rates`."""
    if isinstance(schedule, str):
        schedule = _known(schedule, RETRAIN_SCHEDULES, "retraining schedule")
    _check_dense_rates(dense, dense_warmup_steps)
    _require(steps >= 1, "steps must be >= 1", steps)
    refusal = retrain_refusal(schedule.name, steps=steps, dense_steps=len(dense))
    if refusal is not None:
        raise ValueError(refusal)
    share = warmup if "warmup" in schedule.uses else FIXED_WARMUP
    _require(0 <= share < 1, "warmup must be in [0, 1)", share)
    warmup_steps = math.floor(exact(share) * steps) if schedule.warms_up else 0
    lr_max, lr_min = max(dense), min(dense[dense_warmup_steps:])
    peak = _peak(schedule, lr_max, discount, init)
    return Retraining(steps, warmup_steps, peak, dense, dense_warmup_steps, lr_max, lr_min)


def retrain_rate(name: str, step: int, cycle: Retraining) -> float:
    """The learning rate of schedule `name` at one step of a cycle that `retraining` resolved.

    Raises:
        ValueError: the name is unknown or the step is outside the cycle.
    """
    schedule = _known(name, RETRAIN_SCHEDULES, "retraining schedule")
    _require(0 <= step < cycle.steps, f"step must be in [0, {cycle.steps})", step)
    return _retrain_value(schedule, cycle, step)


def retrain_rates(
    schedule: str | RetrainSchedule,
    *,
    steps: int,
    dense: Sequence[float],
    dense_warmup_steps: int = 0,
    discount: float | None = None,
    init: float | None = None,
    warmup: float = FIXED_WARMUP,
) -> list[float]:
    """The learning rate of every step of one cycle of retraining, `steps` numbers.

    Args:
        schedule: a key of RETRAIN_SCHEDULES, or a record of `schedule_of`.
        steps: N, the optimiser steps of this cycle.
        dense: the dense run's learning rate at each of its M steps, warm-up included.
        dense_warmup_steps: how many of these are its warm-up.
        discount: d of ALLR, in [0, 1]. 0 occurs where d1 alone is in use and nothing was removed;
            clip a measured d1 or d2 to 1 before it comes here.
        init: peak rate of the tunable schedules, > 0.
        warmup: share in [0, 1), the decimal as written; on the first floor(warmup N) steps the
            rate rises to the peak by half a cosine. Only the tunable schedules are free in it.

    Of the last three only those are read that the schedule's `uses` names.

    Raises:
        ValueError: unknown name, a value that is read missing or out of range; `retrain_refusal`.
    """
    cycle = retraining(schedule, steps, dense, dense_warmup_steps, discount, init, warmup)
    record = RETRAIN_SCHEDULES[schedule] if isinstance(schedule, str) else schedule
    rates = [_retrain_value(record, cycle, step) for step in range(steps)]
    for step, rate in enumerate(rates):
        sound = isinstance(rate, int | float) and 0 <= rate < math.inf
        _require(sound, f"schedule {record.name!r} must give rates >= 0, at step {step}", rate)
    return rates


def retrain_refusal(name: str, *, steps: int, dense_steps: int) -> str | None:
    """Why schedule `name` cannot retrain for `steps` after a dense run of `dense_steps`, or None.

    LRW replays the last steps of the dense run and cannot replay more than it has.
    """
    if name == "lrw" and steps > dense_steps:
        return (
            f"retraining schedule 'lrw' replays the dense run's last steps: a cycle must have at "
            f"most its {dense_steps} steps, got {steps}"
        )
    return None


def _retrain_value(schedule: RetrainSchedule, cycle: Retraining, step: int) -> float:
    if step < cycle.warmup_steps:
        return cycle.peak * (1 - math.cos(math.pi * step / cycle.warmup_steps)) / 2
    return schedule.function(cycle, step - cycle.warmup_steps)


def _peak(
    schedule: RetrainSchedule, lr_max: float, discount: float | None, init: float | None
) -> float:
    needs = f"retraining schedule {schedule.name!r} needs"
    if "discount" in schedule.uses:
        if discount is None or not 0 <= discount <= 1:
            raise ValueError(f"{needs} discount in [0, 1], got {discount}")
        return discount * lr_max
    if "init" in schedule.uses:
        if init is None or not 0 < init < math.inf:
            raise ValueError(f"{needs} init > 0 and finite, got {init}")
        return init
    return lr_max


def _check_dense_rates(dense: Sequence[float], warmup: int) -> None:
    n = len(dense)
    _require(n >= 1, "dense must hold at least one learning rate", n)
    _require(0 <= warmup < n, f"dense_warmup_steps must be in [0, {n})", warmup)
    sound = all(map(math.isfinite, dense)) and min(dense) >= 0 and max(dense) > 0
    _require(sound, "dense must hold rates >= 0, not all 0, and finite", (min(dense), max(dense)))


def _known(name: str, table: dict[str, _Record], what: str) -> _Record:
    if name not in table:
        raise ValueError(f"{what} must be one of {', '.join(table)}, got {name!r}")
    return table[name]


def _require(holds: bool, rule: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{rule}, got {value!r}")

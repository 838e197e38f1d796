"""Learning rates of every retraining schedule, as pure functions of the step.

Nothing is chained and nothing keeps state: any step can be asked for alone. (The authors' public
release chains scheduler objects of torch; under some versions of torch its main part then lags one
step and its cosine overshoots the peak. Here the equations hold.) Standard library only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainables.formulas.dense_schedules import known, require
from trainables.formulas.sparsity import exact

# The share of a cycle that SLR, CLR, LLR and ALLR warm up for; the default of the tunable four.
FIXED_WARMUP = 0.1

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Retraining:
    """One cycle of retraining, resolved by `retraining`: all that a retraining schedule may read.

    `steps` is N, `warmup_steps` W, `peak` the rate that the warm-up rises to. `dense` holds the
    dense run's rates, one per step; `lr_max` (eta_1) is their largest, `lr_min` (eta_T) their
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
    `title` is what the name stands for; "" where it is a word of its own.
    """

    name: str
    source: str
    uses: frozenset[str]
    warms_up: bool
    function: Callable[[Retraining, int], float]
    reads: frozenset[str] = frozenset()
    title: str = ""


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
        RetrainSchedule("ft", _HAN, _NONE, False, _fine_tuning, _reads("lr_min"), "fine-tuning"),
        RetrainSchedule(
            "lrw", _RENDA, _NONE, False, _rewinding, _reads("rates"), "learning rate rewinding"
        ),
        RetrainSchedule(
            "slr",
            _LE_HUA,
            _NONE,
            True,
            _compressed_dense,
            _reads("lr_max rates"),
            "scaled learning rate restarting",
        ),
        RetrainSchedule(
            "clr",
            _LE_HUA,
            _NONE,
            True,
            _cosine_to_lr_min,
            _reads("lr_max lr_min"),
            "cyclic learning rate restarting",
        ),
        RetrainSchedule(
            "llr",
            _ZIMMER,
            _NONE,
            True,
            _linear_to_zero,
            _reads("lr_max"),
            "linear learning rate restarting",
        ),
        RetrainSchedule(
            "allr",
            _ZIMMER,
            frozenset({"discount"}),
            True,
            _linear_to_zero,
            _reads("lr_max"),
            "adaptive linear learning rate restarting",
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
        schedule = known(schedule, RETRAIN_SCHEDULES, "retraining schedule")
    _check_dense_rates(dense, dense_warmup_steps)
    require(steps >= 1, "steps must be >= 1", steps)
    refusal = retrain_refusal(schedule.name, steps=steps, dense_steps=len(dense))
    if refusal is not None:
        raise ValueError(refusal)
    share = warmup if "warmup" in schedule.uses else FIXED_WARMUP
    require(0 <= share < 1, "warmup must be in [0, 1)", share)
    warmup_steps = math.floor(exact(share) * steps) if schedule.warms_up else 0
    lr_max, lr_min = max(dense), min(dense[dense_warmup_steps:])
    peak = _peak(schedule, lr_max, discount, init)
    return Retraining(steps, warmup_steps, peak, dense, dense_warmup_steps, lr_max, lr_min)


def retrain_rate(name: str, step: int, cycle: Retraining) -> float:
    """The learning rate of schedule `name` at one step of a cycle that `retraining` resolved.

    Raises:
        ValueError: the name is unknown or the step is outside the cycle.
    """
    schedule = known(name, RETRAIN_SCHEDULES, "retraining schedule")
    require(0 <= step < cycle.steps, f"step must be in [0, {cycle.steps})", step)
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
        require(sound, f"schedule {record.name!r} must give rates >= 0, at step {step}", rate)
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
    require(n >= 1, "dense must hold at least one learning rate", n)
    require(0 <= warmup < n, f"dense_warmup_steps must be in [0, {n})", warmup)
    sound = all(map(math.isfinite, dense)) and min(dense) >= 0 and max(dense) > 0
    require(sound, "dense must hold rates >= 0, not all 0, and finite", (min(dense), max(dense)))

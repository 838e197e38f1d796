"""Learning rates of the dense run as pure functions of the step.

Nothing is chained and nothing keeps state: any step can be asked for alone. (The authors' public
release chains scheduler objects of torch, whose rates differ between versions of torch. Here the
equations hold.) Standard library only.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from trainables.formulas.sparsity import exact

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
        require(0 < self.lr < math.inf, "lr must be > 0 and finite", self.lr)
        require(steps >= 1, "steps must be >= 1", steps)
        require(self.steps_per_epoch >= 1, "steps_per_epoch must be >= 1", self.steps_per_epoch)
        require(0 <= warmup < steps, f"warmup_steps must be in [0, steps = {steps})", warmup)

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


_MOST_DROPS = 10**300
"""More than any factor but 1 can be raised to and be above 0; floats end a little later."""


def _dense_step(run: DenseRun, step: int) -> float:
    numerator, denominator = run._every
    drops = step // run.steps_per_epoch * denominator // numerator
    return run.lr * run.gamma ** min(drops, _MOST_DROPS)


def _dense_multistep(run: DenseRun, step: int) -> float:
    return run.lr * run.gamma ** bisect_right(run.milestones, step // run.steps_per_epoch)


def _dense_exponential(run: DenseRun, step: int) -> float:
    return run.lr * run.gamma ** (step // run.steps_per_epoch)


def _dense_inverse_sqrt(run: DenseRun, step: int) -> float:
    """The peak is reached at the end of the warm-up; without one, at the first step."""
    return run.lr * math.sqrt(max(run.warmup_steps, 1) / max(step, 1))


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
_VASWANI = "Vaswani et al. 2017, Attention Is All You Need, equation 3 from its peak"
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
        DenseSchedule("inverse_sqrt", _VASWANI, _NONE, _dense_inverse_sqrt),
    )
}


def dense_rate(name: str, step: int, run: DenseRun) -> float:
    """The learning rate of dense schedule `name` at one step of `run`.

    Raises:
        ValueError: unknown name, a value in its `uses` out of range, or step outside the run.
    """
    schedule = _dense_schedule(name, run)
    require(0 <= step < run.steps, f"step must be in [0, {run.steps})", step)
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
    schedule = known(name, DENSE_SCHEDULES, "dense schedule")
    for key in sorted(schedule.uses):
        rule, holds = _OPTIONAL[key]
        require(holds(run), rule, getattr(run, key))
    return schedule


def known(name: str, table: dict[str, _Record], what: str) -> _Record:
    """Return a record by its name; ValueError lists the known ones."""
    if name not in table:
        raise ValueError(f"{what} must be one of {', '.join(table)}, got {name!r}")
    return table[name]


def require(holds: bool, rule: str, value: object) -> None:
    """Raise ValueError with the rule and the value unless it holds."""
    if not holds:
        raise ValueError(f"{rule}, got {value!r}")

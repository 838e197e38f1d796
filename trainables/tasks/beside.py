"""The user's code beside a task, tried before anything starts: schedule, criterion and method."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch

from trainables.config.optimisers import NEEDS
from trainables.formulas.schedules import retrain_rates, schedule_of
from trainables.formulas.structures import KINDS
from trainables.methods.interface import Hooks
from trainables.networks.models import seeded
from trainables.pruning.prunable import prunable
from trainables.pruning.scores import checked_scores
from trainables.tasks.sentences import UserCode, definition
from trainables.tasks.task import Task, first_batch
from trainables.vocabulary.refusal import Refusal

_CALLS: Final = {
    "prune.criterion": ("weights", "model", "task", "batches"),
    "retrain.schedule": ("cycle", "step"),
    "method": ("setting",),
}
"""What each is called with, by key of the study file."""

_DENSE: Final = (0.1, 0.08, 0.06, 0.04, 0.02)
_STEPS: Final = 4


def check_beside(key: str, reference: str, target: Any, code: UserCode, task: Task | None) -> None:
    """Try what a study names under a key; `task` is the user's own, if there is one.

    Raises:
        Refusal: it cannot be called as it will be, or gives what cannot be used.
    """
    beside = _Beside(key, reference, target, code)
    beside.require_call(_CALLS[key])
    if key == "method":
        beside.require_hooks()
    try:
        if key == "retrain.schedule":
            _try_schedule(reference, beside.guarded)
        if key == "prune.criterion" and task is not None:
            _try_criterion(f"{key} {reference}", beside.guarded, task)
    except _Fault as fault:
        words = code.words(fault.error, beside.line)
        raise Refusal(f"{key} {reference} must not fail, got {words}") from fault.error
    except ValueError as error:
        raise Refusal(f"{error}{beside.at}") from None


class _Fault(Exception):
    """The user's code has failed, rather than given what cannot be used."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class _Beside:
    key: str
    reference: str
    target: Any
    code: UserCode

    @property
    def line(self) -> str | None:
        place = definition(self.target)
        return self.code.line(place) if place else None

    @property
    def at(self) -> str:
        return f" ({self.line})" if self.line else ""

    def guarded(self, *arguments: Any) -> Any:
        """What the user's code gives; `_Fault` where it fails."""
        try:
            return self.target(*arguments)
        except Exception as error:
            raise _Fault(error) from error

    def require_call(self, arguments: tuple[str, ...]) -> None:
        if not callable(self.target):
            raise self._refusal("be a class or function", repr(self.target))
        try:
            inspect.signature(self.target).bind(*arguments)
        except (TypeError, ValueError) as error:
            rule = f"be called with ({', '.join(arguments)})"
            raise self._refusal(rule, f"a signature that does not fit: {error}") from None

    def require_hooks(self) -> None:
        if not (isinstance(self.target, type) and issubclass(self.target, Hooks)):
            raise self._refusal("be a subclass of trainables.methods.interface.Hooks", "another")
        for structure in self.target.structures:
            if structure not in KINDS:
                rule = f"have structures out of {', '.join(KINDS)}"
                raise self._refusal(rule, repr(structure))
        for need in self.target.needs:
            if need not in NEEDS:
                raise self._refusal(f"have needs out of {', '.join(NEEDS)}", repr(need))

    def _refusal(self, rule: str, got: str) -> Refusal:
        return Refusal(f"{self.key} {self.reference} must {rule}, got {got}{self.at}")


def _try_schedule(reference: str, function: Callable[..., Any]) -> None:
    schedule = schedule_of(reference, function)
    first, again = (
        retrain_rates(schedule, steps=_STEPS, dense=_DENSE, discount=0.5) for _ in range(2)
    )
    if first != again:
        rule = "must be a pure function of cycle and step"
        raise ValueError(f"schedule {reference!r} {rule}, got {first}, then {again}")


def _try_criterion(criterion: str, function: Callable[..., Any], task: Task) -> None:
    model = seeded(task.model, 0).eval()
    weights = prunable(model, task.prunable, task.feed_forward)
    torch.manual_seed(0)
    batches = iter([first_batch(task, task.splits(), 2)])
    checked_scores(weights, function(dict(weights), model, task, batches), criterion)

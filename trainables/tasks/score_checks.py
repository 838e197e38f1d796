"""What `score` gives by name, and that it sums over a batch: tried on examples given twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.tasks.sentences import Sentences
from trainables.tasks.task import Task
from trainables.vocabulary.declarations import LOSS

Scored = Callable[[nn.Module, Any], Mapping[str, Any]]
"""What a task's `score` gives of a batch, its form checked."""

_ALIKE = 1e-4
"""Relative difference up to which two sums count as equal."""


def require_loss(say: Sentences, scores: Mapping[str, Any]) -> None:
    """Refusal where scores have no loss, which training minimises unless the task has its own."""
    if LOSS not in scores:
        raise say.refusal("score", "give loss, its sum over the batch", _names(scores))


def require_declared(say: Sentences, task: Task, sums: Mapping[str, Any]) -> None:
    """Refusal where a declared metric is no sum and the task has no `finish` to make it of them."""
    if type(task).finish is not Task.finish:
        return
    for name in (*task.metrics, LOSS):
        if name not in sums:
            rule = f"give {name}, which finish divides by the weight"
            raise say.refusal("score", rule, _names(sums))


def require_sums(say: Sentences, task: Task, model: nn.Module, data: Splits, of: Scored) -> None:
    """Refusal where a sum is the same of four equal examples as of two of them: it is a mean.

    Looked at are the sums that are divided by the weight: the loss, unless the task makes loss and
    metrics by itself, and under the default `finish` each metric. A sum of 0 tells nothing.
    """
    own_finish = type(task).finish is not Task.finish
    if own_finish and type(task).loss is not Task.loss:
        return
    two, four = (_alike(task, data, n) for n in (2, 4))
    if int(task.weight(four)) != 2 * int(task.weight(two)):
        return
    less, more = of(model, two), of(model, four)
    for name in (LOSS,) if own_finish else (LOSS, *task.metrics):
        a, b = (_number(scores.get(name)) for scores in (less, more))
        if a and b is not None and abs(b - a) <= _ALIKE * abs(a):
            rule = f"give {name} as a sum over the batch"
            raise say.refusal("score", rule, f"{a:g} for two equal examples and for four of them")


def _alike(task: Task, data: Splits, n: int) -> Any:
    """A batch of the first training item n times, drawn under one seed each time."""
    if isinstance(data.train, InMemory):
        return data.train.take(torch.zeros(n, dtype=torch.int64))
    items = []
    for _ in range(n):
        torch.manual_seed(0)
        items.append(data.train[0])
    return task.collate(items)


def _number(value: Any) -> float | None:
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else None
    return float(value) if isinstance(value, int | float) else None


def _names(scores: Mapping[str, Any]) -> str:
    return ", ".join(map(str, scores)) or "nothing"

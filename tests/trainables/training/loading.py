"""A loaded task around any model and data, as the tests of training want one."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainables.data.parts import Splits
from trainables.pruning.prunable import prunable
from trainables.pruning.work import work_of
from trainables.tasks.classification import Classification
from trainables.tasks.task import Task
from trainables.training.loaded import LoadedTask


class Given(Classification):
    """Classification with the model and the data of a test."""

    def __init__(self, model: nn.Module, splits: Splits) -> None:
        self._model, self._splits = model, splits

    def model(self) -> nn.Module:
        return self._model

    def splits(self) -> Splits:
        return self._splits


def loaded(
    model: nn.Module, splits: Splits, task: Task | None = None, work: bool = False, **more: Any
) -> LoadedTask:
    """Return a task of a model and its data on the CPU."""
    task = task or Given(model, splits)
    weights = prunable(model, task.prunable)
    counts = work_of(weights, task.example()) if work else None
    device = torch.device("cpu")
    return LoadedTask(task, splits, model, model, device, weights, counts, **more)  # type: ignore[arg-type]

"""Whether a task's loss has the label smoothing that `dense.label_smoothing` sets."""

from __future__ import annotations

import torch

from trainables.data.in_memory import InMemory
from trainables.networks.models import seeded
from trainables.tasks.task import Task


def smooths(task: Task) -> bool:
    """Whether the task has `smoothing`, and its loss on its first examples changes with it."""
    if not hasattr(task, "smoothing"):
        return False
    train = task.splits().train
    places = [0, min(1, len(train) - 1)]
    batch = (
        train.take(torch.tensor(places))
        if isinstance(train, InMemory)
        else task.collate([train[place] for place in places])
    )
    model, given = seeded(task.model, 0).eval(), task.smoothing
    losses = []
    with torch.no_grad():
        for smoothing in (0.0, 0.5):
            task.smoothing = smoothing
            losses.append(float(task.loss(model, batch)))
    task.smoothing = given
    return losses[0] != losses[1]

"""Classification under cross-entropy, with accuracy: a base for users, and the built-in task."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from trainables.tasks.task import Forward, Task
from trainables.vocabulary.declarations import CLASSIFICATION, Metric


class Classification(Task, ABC):
    """Items (image, label) and a network that maps images [N, ...] to logits [N, n_classes].

    `splits` and `model` must be given. Loss: cross-entropy in nats. `smoothing` in [0, 1) is the
    label smoothing of training; what is measured is never smoothed.
    """

    metrics: ClassVar[Mapping[str, Metric]] = CLASSIFICATION.metrics
    counts: ClassVar[str] = CLASSIFICATION.counts
    loss_unit: ClassVar[str] = CLASSIFICATION.loss_unit

    smoothing: float = 0.0

    def loss(self, model: Forward, batch: Any) -> Tensor:
        images, labels = batch
        return functional.cross_entropy(model(images), labels, label_smoothing=self.smoothing)

    def weight(self, batch: Any) -> int:
        return len(batch[1])

    def score(self, model: Forward, batch: Any) -> dict[str, Any]:
        images, labels = batch
        logits = model(images)
        with torch.autocast(logits.device.type, enabled=False):
            loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
        return {"loss": loss, "correct": (logits.argmax(1) == labels).sum()}

    def finish(self, sums: Mapping[str, Any]) -> dict[str, float]:
        n = sums["weight"]
        return {"accuracy": int(sums["correct"]) / n, "loss": float(sums["loss"]) / n}

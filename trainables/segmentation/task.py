"""Segmentation under cross-entropy, with mean IoU: what its tasks have in common."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.pruning.prunable import trained_weights
from trainables.segmentation.measures import VOID, confusion, mean_iou, pixel_accuracy
from trainables.tasks.task import Forward, Task
from trainables.vocabulary.declarations import Metric


class Segmentation(Task, ABC):
    """Items (image [3, H, W], mask [H, W]) and a network that maps images to logits [N, K, H, W].

    A mask holds classes, or `VOID` where there is none. A network in training mode may return a
    pair, the logits and those of an auxiliary head, whose loss counts `auxiliary` times; that head
    (`aux_classifier`) is no part of the network that is evaluated, so it is not pruned. Loss:
    cross-entropy in nats, a mean over labelled pixels. `splits` and `model` must be given.
    """

    metrics: ClassVar[Mapping[str, Metric]] = {
        "mean_iou": Metric("more", percent=True, meaning="mean IoU"),
        "pixel_accuracy": Metric("more", percent=True),
    }
    counts: ClassVar[str] = "pixels"
    loss_unit: ClassVar[str] = "nat"

    smoothing: float = 0.0
    auxiliary: float = 0.5

    def loss(self, model: Forward, batch: Any) -> Tensor:
        images, masks = batch
        main, auxiliary = _heads(model(images))
        n = self.weight(batch).clamp(min=1)
        loss = self._summed_loss(main, masks, self.smoothing) / n
        if auxiliary is None:
            return loss
        return loss + self.auxiliary * self._summed_loss(auxiliary, masks, self.smoothing) / n

    def weight(self, batch: Any) -> Tensor:
        """Return how many pixels are labelled, int64 []; 0 for a batch of void pixels alone."""
        masks: Tensor = batch[1]
        return (masks != VOID).sum()

    def score(self, model: Forward, batch: Any) -> dict[str, Any]:
        images, masks = batch
        logits, _ = _heads(model(images))
        with torch.autocast(logits.device.type, enabled=False):
            loss = self._summed_loss(logits.float(), masks).double()
        return {"loss": loss, "confusion": confusion(masks, logits.argmax(1), logits.shape[1])}

    def finish(self, sums: Mapping[str, Any]) -> dict[str, float]:
        counts = sums["confusion"]
        return {
            "mean_iou": mean_iou(counts),
            "pixel_accuracy": pixel_accuracy(counts),
            "loss": float(sums["loss"]) / sums["weight"],
        }

    def prunable(self, name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
        if "aux_classifier" in name.split("."):
            return False
        return trained_weights(name, parameter, module)

    def _summed_loss(self, logits: Tensor, masks: Tensor, smoothing: float = 0.0) -> Tensor:
        """Summed over pixels as one long batch: the loss for maps has no fixed order on a GPU."""
        flat = logits.movedim(1, -1).reshape(-1, logits.shape[1])
        return functional.cross_entropy(
            flat,
            masks.reshape(-1).to(torch.int64),
            ignore_index=VOID,
            reduction="sum",
            label_smoothing=smoothing,
        )


def _heads(output: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
    return (output, None) if isinstance(output, Tensor) else output

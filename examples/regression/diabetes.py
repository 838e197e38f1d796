"""A metric of one's own that is better when it is lower, and no test part."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.tasks import InMemory, Metric, Splits, Task


class Diabetes(Task):
    """How far diabetes progresses within a year, from ten measurements: a small MLP."""

    metrics = {"mse": Metric("less", meaning="mean squared error")}
    counts = "patients"

    def __init__(self, width: int = 32) -> None:
        self.width = width

    def splits(self) -> Splits:
        from sklearn.datasets import load_diabetes

        inputs, targets = load_diabetes(return_X_y=True)
        x = torch.tensor(inputs, dtype=torch.float32) / 0.0476
        y = (torch.tensor(targets, dtype=torch.float32)[:, None] - 152.1) / 77.0
        return Splits(InMemory.of(x[:342], y[:342]), InMemory.of(x[342:], y[342:]))

    def model(self) -> nn.Module:
        width = self.width
        return nn.Sequential(
            nn.Linear(10, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def score(self, model: Any, batch: Any) -> dict[str, Tensor]:
        x, y = batch
        error = functional.mse_loss(model(x), y, reduction="sum")
        return {"loss": error, "mse": error}

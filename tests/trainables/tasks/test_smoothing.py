"""Label smoothing is offered by a loss that changes with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.tasks import Classification, Task
from trainables.tasks.smoothing import smooths


class Plain(Classification):
    smoothing = 0.1

    def splits(self) -> Splits:
        draw = torch.Generator().manual_seed(0)
        part = InMemory.of(torch.randn(4, 1, 2, 2, generator=draw), torch.arange(4) % 2)
        return Splits(part, part)

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


class Deaf(Plain):
    def loss(self, model: Any, batch: Any) -> Tensor:
        images, labels = batch
        return functional.cross_entropy(model(images), labels)


class Without(Task):
    splits, model = Plain.splits, Plain.model

    def score(self, model: Any, batch: Any) -> dict[str, Any]:
        return {"loss": functional.cross_entropy(model(batch[0]), batch[1], reduction="sum")}


@pytest.mark.parametrize(("task", "expected"), [(Plain, True), (Deaf, False), (Without, False)])
def test_only_a_loss_that_changes_offers_it(task: Any, expected: bool) -> None:
    made = task()
    assert smooths(made) is expected
    assert getattr(made, "smoothing", 0.1) == 0.1

"""A step in micro-batches is the step of the whole batch, whatever the parts weigh."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.trainables.training.loading import loaded
from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.methods.interface import Hooks
from trainables.networks.models import seeded
from trainables.tasks import Metric, Task
from trainables.training.optimisers import Optimiser, sgd
from trainables.training.trainer import Trainer

PADDING = -1


class Tagging(Task):
    """A label per word, the mean over words that are no padding; counted by the device."""

    metrics: ClassVar = {"accuracy": Metric("more", percent=True)}
    counts = "words"

    def __init__(self, splits: Splits, by_device: bool) -> None:
        self._splits, self._by_device = splits, by_device

    def splits(self) -> Splits:
        return self._splits

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 5))

    def weight(self, batch: Any) -> int | Tensor:
        n = (batch[1] != PADDING).sum()
        return n if self._by_device else int(n)

    def score(self, model: Any, batch: Any) -> dict[str, Tensor]:
        words, tags = batch
        logits = model(words).flatten(0, 1)
        loss = functional.cross_entropy(
            logits, tags.flatten(), ignore_index=PADDING, reduction="sum"
        )
        return {"loss": loss, "accuracy": (logits.argmax(1) == tags.flatten()).sum()}


def sentences(n: int = 10) -> InMemory:
    draw = torch.Generator().manual_seed(0)
    words = torch.randint(20, (n, 7), generator=draw)
    tags = torch.randint(5, (n, 7), generator=draw)
    lengths = torch.randint(1, 8, (n, 1), generator=draw)
    tags[torch.arange(7) >= lengths] = PADDING
    return InMemory.of(words, tags)


def trained(micro: int | None, by_device: bool, steps: int = 3) -> tuple[Tensor, dict[str, float]]:
    """All weights after some steps, and the epoch's row."""
    data = sentences()
    task = Tagging(Splits(data, data), by_device)
    model = seeded(task.model, 0)
    place = loaded(model, task.splits(), task)
    optimiser = Optimiser(sgd(0.9, True), 1e-3).build(model, Hooks())
    trainer = Trainer(place, Hooks(), optimiser, [0.5] * steps, 4, 0, "dense", micro_batch=micro)
    assert trainer.run(float("inf"))
    return flat(model), trainer.close_epoch()


def flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("by_device", [False, True])
@pytest.mark.parametrize("micro", [1, 2, 3])
def test_micro_batches_train_as_the_whole_batch(micro: int, by_device: bool) -> None:
    start = torch.cat(
        [p.detach().flatten() for p in seeded(lambda: Tagging.model(None), 0).parameters()]
    )
    whole, row = trained(None, by_device)
    parts, other = trained(micro, by_device)
    assert (parts - whole).norm() <= 1e-6 * (whole - start).norm()
    assert other["train_loss"] == pytest.approx(row["train_loss"], rel=1e-6)
    assert other["step"] == row["step"] == 3


def test_the_mean_of_an_epoch_is_over_words_and_not_over_batches() -> None:
    data = sentences()
    task = Tagging(Splits(data, data), True)
    model = seeded(task.model, 0)
    place = loaded(model, task.splits(), task)
    trainer = Trainer(place, Hooks(), Optimiser(sgd(0.0, False), 0.0).build(model, Hooks()),
                      [0.0] * 3, 4, 0, "dense")  # fmt: skip
    trainer.run(float("inf"))
    row = trainer.close_epoch()
    with torch.no_grad():
        total = task.score(model, data.tensors)["loss"]
    n = int((data.labels != PADDING).sum())
    assert row["train_loss"] == pytest.approx(float(total) / n, rel=1e-6)
    assert row["train_words_per_s"] == pytest.approx(n / row["train_s"])

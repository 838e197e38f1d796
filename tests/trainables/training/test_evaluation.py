"""Evaluation: what `score` gives on batches of any length is one sum over the part, by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.training.loading import loaded
from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.tasks import Classification, Task
from trainables.training.evaluation import evaluate, evaluated
from trainables.training.loaded import Loading

INPUTS = torch.arange(10.0).reshape(10, 1)
TARGETS = torch.tensor([1.0, 0, 2, 5, 4, 7, 6, 9, 8, 3])


class Squares(Task):
    """Squared differences from the input; batches of four leave a last one of two."""

    evaluation_batch = 4

    def __init__(self, splits: Splits) -> None:
        self._splits = splits
        self.sizes: list[int] = []
        self.sums: dict[str, Any] = {}

    def splits(self) -> Splits:
        return self._splits

    def model(self) -> nn.Module:
        return nn.Identity()

    def weight(self, batch: Any) -> int | Tensor:
        return torch.tensor(2 * len(batch[0]))

    def score(self, model: Any, batch: Any) -> dict[str, Any]:
        inputs, targets = batch
        self.sizes.append(len(inputs))
        errors = (model(inputs)[:, 0] - targets).double()
        return {
            "loss": errors.square().sum(),
            "hits": (errors == 0).sum(),
            "n": len(inputs),
            "share": 0.5,
            "targets": targets.tolist(),
            "words": [f"w{int(t)}" for t in targets],
        }

    def finish(self, sums: Any) -> dict[str, float]:
        self.sums = dict(sums)
        return {"loss": float(sums["loss"]) / sums["weight"], "hits": int(sums["hits"]) / sums["n"]}


def items(n: int = 10) -> Any:
    return [(INPUTS[i], TARGETS[i]) for i in range(n)]


@pytest.mark.parametrize(
    ("part", "processes"), [(InMemory.of(INPUTS, TARGETS), 0), (items(), 0), (items(), 2)],
    ids=["memory", "loader", "two processes"],
)  # fmt: skip
def test_sums_over_uneven_batches_by_hand(part: Any, processes: int) -> None:
    task = Squares(Splits(part, part))
    place = loaded(nn.Identity(), task.splits(), task, loading=Loading(processes))
    assert task.sizes == []
    numbers = evaluate(place, "val")
    assert task.sizes == [4, 4, 2]
    errors = [(i - t) ** 2 for i, t in enumerate(TARGETS.tolist())]
    assert numbers == {"loss": sum(errors) / 20, "hits": 4 / 10}
    assert task.sums.pop("loss").dtype == torch.float64
    assert task.sums == {
        "hits": 4,
        "n": 10,
        "share": 1.5,
        "targets": TARGETS.tolist(),
        "words": [f"w{int(t)}" for t in TARGETS],
        "weight": 20,
    }


def test_only_the_parts_that_are_there_have_numbers_and_the_loss_comes_first() -> None:
    part = InMemory.of(INPUTS, TARGETS)
    both, one = (Squares(Splits(part, part, test)) for test in (part, None))
    names = ["val_loss", "val_hits", "test_loss", "test_hits"]
    assert list(evaluated(loaded(nn.Identity(), both.splits(), both))) == names
    assert list(evaluated(loaded(nn.Identity(), both.splits(), both), test=False)) == names[:2]
    place = loaded(nn.Identity(), one.splits(), one)
    assert list(evaluated(place, "pruned_")) == ["pruned_val_loss", "pruned_val_hits"]


def test_measures_are_taken_in_evaluation_mode_without_gradients() -> None:
    class Watching(Squares):
        def score(self, model: Any, batch: Any) -> dict[str, Any]:
            assert not torch.is_grad_enabled()
            assert not model.training
            return super().score(model, batch)

    part = InMemory.of(INPUTS, TARGETS)
    task = Watching(Splits(part, part))
    model = nn.Sequential(nn.Dropout(1.0), nn.Identity()).train()
    assert evaluate(loaded(model, task.splits(), task), "val")["hits"] == 4 / 10


def test_what_a_network_draws_in_evaluation_is_the_same_every_time() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    part = InMemory.of(INPUTS, TARGETS)
    task = Squares(Splits(part, part))
    place = loaded(Noisy(), task.splits(), task, draws=True)
    first = evaluate(place, "val")
    torch.rand(7)
    assert evaluate(place, "val") == first


class Labelled(Classification):
    def __init__(self, part: Any) -> None:
        self._part = part

    def splits(self) -> Splits:
        return Splits(self._part, self._part)

    def model(self) -> nn.Module:
        return nn.Identity()


def test_classification_by_hand_is_never_smoothed() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    labels = torch.tensor([0, 0, 1])
    task = Labelled(InMemory.of(logits, labels))
    task.smoothing = 0.3
    numbers = evaluate(loaded(nn.Identity(), task.splits(), task), "val")
    losses = [
        torch.logsumexp(row, 0) - row[label] for row, label in zip(logits, labels, strict=True)
    ]
    assert numbers["accuracy"] == 1 / 3
    assert numbers["loss"] == pytest.approx(float(sum(losses)) / 3, rel=1e-6)
    smoothed = task.loss(nn.Identity(), (logits, labels))
    uniform = sum(float(torch.logsumexp(row, 0) - row.mean()) for row in logits) / 3
    assert float(smoothed) == pytest.approx(0.7 * numbers["loss"] + 0.3 * uniform, rel=1e-6)


FIVE = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [1.0, 0.0, 0.5], [0.0, 4.0, 0.0],
                     [0.0, 0.0, 1.0]])  # fmt: skip
CLASSES = torch.tensor([0, 1, 0, 2, 2])


@pytest.mark.parametrize("processes", [None, 0, 2], ids=["memory", "loader", "two processes"])
def test_top_1_by_hand_over_a_last_batch_of_one(processes: int | None) -> None:
    """Taken for 0, 2, 0, 1, 2: three of five are right, by batches 1 of 2, 1 of 2 and 1 of 1."""
    in_memory = InMemory.of(FIVE, CLASSES)
    part = in_memory if processes is None else [in_memory[i] for i in range(5)]
    task = Labelled(part)
    task.evaluation_batch = 2  # type: ignore[misc]
    place = loaded(nn.Identity(), task.splits(), task, loading=Loading(processes or 0))
    numbers = evaluate(place, "val")
    assert numbers["accuracy"] == 3 / 5  # the mean of the batches' means is 2 / 3
    right = zip(FIVE.double(), CLASSES, strict=True)
    losses = [float(torch.logsumexp(row, 0) - row[label]) for row, label in right]
    assert numbers["loss"] == pytest.approx(sum(losses) / 5, rel=1e-6)

"""Tasks as users write them and code beside them, named by import path in whole trials."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.methods.hard_mask import HardMask
from trainables.methods.interface import Hooks, Setting
from trainables.pruning.masks import dense_masks
from trainables.pruning.ranking import prune
from trainables.tasks import Classification, InMemory, Metric, Splits, Task, hold_out

HERE = "tests.trainables.tasks.own_tasks"


class Separable(nn.Module):
    """A depthwise convolution, two layers with one weight, and dropout that no module shows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.one, self.two = nn.Linear(width, width), nn.Linear(width, width)
        self.two.weight = self.one.weight
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.depthwise(self.stem(x).relu())).amax((2, 3))
        x = functional.dropout(self.one(x).relu(), 0.2, self.training)
        if self.training and random.random() < 0.3:  # a layer that is left out at random
            return self.head(x)  # type: ignore[no-any-return]
        return self.head(self.two(x).relu())  # type: ignore[no-any-return]


class Pictures:
    """Small pictures with a random transform of torchvision, and noise from NumPy and `random`."""

    def __init__(self, n: int, seed: int) -> None:
        from torchvision.transforms import v2

        draw = torch.Generator().manual_seed(seed)
        self._images = torch.randn(n, 1, 6, 6, generator=draw)
        self._labels = torch.randint(3, (n,), generator=draw).tolist()
        self._images += torch.tensor(self._labels).reshape(-1, 1, 1, 1) / 2
        self._transform = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(6, padding=1)])

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        noise = 0.1 * (np.random.randn() + random.random())
        return self._transform(self._images[index]) + noise, self._labels[index]


class Shapes(Classification):
    """Label smoothing, data that go through a loader, and a network that draws where none sees."""

    smoothing = 0.1
    evaluation_batch = 7

    def __init__(self, width: int = 6) -> None:
        self.width = width

    def splits(self) -> Splits:
        train, val = hold_out(Pictures(50, 0), 0.2)
        return Splits(train, val, Pictures(9, 1))

    def model(self) -> nn.Module:
        return Separable(self.width)


class Regression(Task):
    """The root of the mean squared error: less is better, and there is no test part."""

    metrics: ClassVar[Mapping[str, Metric]] = {"rmse": Metric("less", unit="mg/dl")}
    counts = "patients"
    evaluation_batch = 4

    def splits(self) -> Splits:
        draw = torch.Generator().manual_seed(0)
        inputs = torch.randn(30, 5, generator=draw)
        targets = inputs @ torch.arange(5.0) + torch.randn(30, generator=draw)
        parts = [InMemory.of(inputs[a:b], targets[a:b]) for a, b in ((0, 20), (20, 30))]
        return Splits(*parts)

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))

    def score(self, model: Any, batch: Any) -> dict[str, Tensor]:
        inputs, targets = batch
        return {"loss": (model(inputs) - targets).double().square().sum()}

    def finish(self, sums: Mapping[str, Any]) -> dict[str, float]:
        loss = float(sums["loss"]) / sums["weight"]
        return {"rmse": loss**0.5, "loss": loss}


def halving(cycle: Any, step: int) -> float:
    """A schedule: half the peak from the middle of the cycle on."""
    return float(cycle.peak if 2 * step < cycle.steps else cycle.peak / 2)


def largest_first(
    weights: Mapping[str, nn.Parameter], model: nn.Module, task: Task, batches: Any
) -> dict[str, Tensor]:
    """A criterion against all reason, so that nothing else could have chosen alike."""
    return {name: -weight.detach().abs() for name, weight in weights.items()}


def taylor(
    weights: Mapping[str, nn.Parameter], model: nn.Module, task: Task, batches: Any
) -> dict[str, Tensor]:
    """|w dL/dw| summed over the training data (Molchanov et al. 2017), with dropout at work."""
    model.train()
    for batch in batches:
        task.loss(model, batch).backward()  # type: ignore[no-untyped-call]
    return {n: (w * w.grad).detach().abs() for n, w in weights.items() if w.grad is not None}


def meddling(weights: Any, model: nn.Module, task: Task, batches: Any) -> dict[str, Tensor]:
    """Magnitudes, by a criterion that spoils all that it is given."""
    scores = {name: weight.detach().abs().double() for name, weight in weights.items()}
    model.train()
    for images, _ in batches:
        model(images).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    weights.clear()
    np.random.seed(1)
    return scores


def no_scores(weights: Any, model: Any, task: Any, batches: Any) -> None:
    """Nothing."""


def some_scores(weights: Any, model: Any, task: Any, batches: Any) -> dict[str, Tensor]:
    """Those of the first weight."""
    return {"stem.weight": weights["stem.weight"]}


def endless_scores(weights: Any, model: Any, task: Any, batches: Any) -> dict[str, Tensor]:
    """None that is a number."""
    return {name: weight / 0 for name, weight in weights.items()}


def keys(after: int = 0, noise: float = 0.0) -> None:
    """The method's keys in a study file."""


class Once(Hooks):
    """A method: prunes once after some epochs and retrains under the mask, counting its steps."""

    Parameters = keys
    controls_sparsity = True

    def __init__(self, setting: Setting) -> None:
        self._setting, self._inner = setting, Hooks()
        self._seen = torch.zeros(1)
        self._optimiser: torch.optim.Optimizer | None = None
        if not setting.parameters["after"]:
            self.at_epoch_end(0)

    def bind(self, optimiser: torch.optim.Optimizer) -> None:
        self._optimiser = optimiser
        self._inner.bind(optimiser)

    def on_gradients(self, step: int) -> None:
        self._inner.on_gradients(step)
        self._seen += 1
        for parameter in self._setting.weights.values():
            if parameter.grad is not None and (noise := self._setting.parameters["noise"]):
                parameter.grad += noise * torch.randn(parameter.shape) * (parameter.grad != 0)

    def at_epoch_end(self, epochs_done: int) -> None:
        if epochs_done != self._setting.parameters["after"]:
            return
        weights = self._setting.weights
        masks = dense_masks(weights)
        zeros = round(self._setting.sparsity * sum(mask.numel() for mask in masks.values()))
        self._hold(prune(weights, masks, zeros=zeros, structure="weights",
                         scope=self._setting.scope, criterion="magnitude"))  # fmt: skip

    def _hold(self, masks: dict[str, Tensor]) -> None:
        self._inner = HardMask(self._setting.model, masks)
        if self._optimiser is not None:
            self._inner.bind(self._optimiser)

    def final_masks(self) -> dict[str, Tensor]:
        return self._inner.final_masks() or dense_masks(self._setting.weights)

    def state(self) -> dict[str, Tensor]:
        return {"seen": self._seen, **self._inner.state()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._seen = state["seen"]
        masks = {k.removeprefix("mask."): v for k, v in state.items() if k.startswith("mask.")}
        if masks:
            self._hold(masks)

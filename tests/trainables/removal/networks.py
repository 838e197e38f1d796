"""What tests of removal share: tasks on noise, a user's network, networks without filters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.latency import as_trained, pruned
from trainables.data.in_memory import InMemory
from trainables.networks import models
from trainables.removal.proved import Removal, without_zero_filters
from trainables.tasks import Classification, Splits

N = 16


class Images(Classification):
    """Noise and labels for a network that is built by a function."""

    def __init__(self, build: Any, shape: tuple[int, ...]) -> None:
        draw = torch.Generator().manual_seed(5)
        images = torch.randn(N, *shape, generator=draw)
        labels = torch.randint(10, (N,), generator=draw)
        self._part, self._build = InMemory.of(images, labels), build

    def splits(self) -> Splits:
        return Splits(self._part, self._part)

    def model(self) -> nn.Module:
        network: nn.Module = self._build()
        return network

    def removable(self, name: str, module: nn.Module) -> bool:
        return name != "stem.0"


class Separable(nn.Module):
    """A user's network: a stem, a depthwise convolution, and a gate that multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU())
        self.expand = nn.Sequential(nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.depthwise = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.SiLU()
        )
        self.gate = nn.Linear(16, 16)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(self.expand(self.stem(x)))
        pooled = x.mean((2, 3))
        gated = pooled * torch.sigmoid(self.gate(pooled))
        return self.head(gated)  # type: ignore[no-any-return]


def masked(task: Images, sparsity: float = 0.5) -> nn.Module:
    """A network whose filters are pruned as a trial does it, the same share of every layer."""
    return pruned(as_trained(models.seeded(task.model, 0)), sparsity, "filters").eval()


def removed(task: Images, network: nn.Module) -> Removal:
    splits = task.splits()
    assert isinstance(splits.val, InMemory)
    return without_zero_filters(task, network, task.example(), splits.val.chunks(N // 2))


def catalog(name: str, shape: models.Shape = (3, 32, 32), **parameters: Any) -> Images:
    return Images(lambda: models.build(name, shape, 10, parameters), shape)

"""Images per second of masked retraining against the barest possible dense loop.

Both sides train the same model on the same tensors, batch 128, with the same optimiser; they
alternate in one process, and each pair gives one ratio. Prints the median of the ratios with the
order-statistic interval of the median.

    python benchmarks/throughput.py [--models mlp cnn resnet56] [--pairs 15] [--device cpu]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from scipy.stats import binom
from torch import nn
from torch.nn import functional

from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.methods.hard_mask import HardMask
from trainables.networks import models
from trainables.pruning.masks import dense_masks
from trainables.pruning.prunable import prunable
from trainables.pruning.ranking import prune
from trainables.pruning.work import work_of
from trainables.tasks.classification import Classification
from trainables.training.loaded import LoadedTask
from trainables.training.optimisers import Optimiser, sgd
from trainables.training.trainer import Trainer, draws

BATCH = 128
SHAPES = {"mlp": (1, 28, 28), "cnn": (1, 28, 28), "resnet56": (3, 32, 32)}
STEPS = {"mlp": 100, "cnn": 20, "resnet56": 2}
OPTIMISER = Optimiser(sgd(momentum=0.9, nesterov=True), weight_decay=5e-4)


class Random(Classification):
    """A network of the catalog on random images."""

    def __init__(self, name: str, splits: Splits) -> None:
        self._name, self._splits = name, splits

    def model(self) -> nn.Module:
        return models.build(self._name, SHAPES[self._name], 10, {})

    def splits(self) -> Splits:
        return self._splits


def task_of(name: str, device: torch.device, steps: int) -> LoadedTask:
    """Return a task with random images of the task's shape, enough for the steps."""
    shape, n = SHAPES[name], steps * BATCH
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(n, *shape, generator=draw).to(device)
    labels = torch.randint(10, (n,), generator=draw).to(device)
    part = InMemory.of(images, labels)
    task = Random(name, Splits(part, part))
    model = models.seeded(task.model, 0).to(device)
    weights = prunable(model)
    work = work_of(weights, images[:1])
    return LoadedTask(task, task.splits(), model, model, device, weights, work, draws=draws(model))


def masked(loaded: LoadedTask, steps: int) -> Trainer:
    """Return the project's trainer with a mask of nine tenths."""
    masks = dense_masks(loaded.model)
    zeros = round(0.9 * sum(m.numel() for m in masks.values()))
    new = prune(
        loaded.model, masks, zeros=zeros, structure="weights", scope="global",
        criterion="magnitude", filter_norm="l2", generator=None,
    )  # fmt: skip
    hooks = HardMask(loaded.model, new)
    optimiser = OPTIMISER.build(loaded.model, hooks)
    return Trainer(loaded, hooks, optimiser, [1e-3] * steps * 1000, BATCH, 0, "bench")


def time_trainer(trainer: Trainer) -> float:
    """Train one epoch; return its seconds."""
    start = time.perf_counter()
    trainer.run(deadline=float("inf"))
    seconds = time.perf_counter() - start
    trainer.close_epoch()
    return seconds


def time_bare(loaded: LoadedTask, model: nn.Module, optimiser: torch.optim.SGD) -> float:
    """Train one epoch with nothing but what training needs; return its seconds."""
    images, labels = loaded.splits.train.tensors
    start = time.perf_counter()
    model.train()
    for index in torch.randperm(len(labels)).to(loaded.device).split(BATCH):
        loss = functional.cross_entropy(model(images[index]), labels[index])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    loaded.synchronise()
    return time.perf_counter() - start


def interval(values: list[float]) -> tuple[float, float]:
    """Return the order statistics that hold the median with a probability of at least 95 %."""
    n, ordered = len(values), sorted(values)
    k = max(int(binom.ppf(0.025, n, 0.5)) - 1, 0)
    return ordered[k], ordered[n - 1 - k]


def main() -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(SHAPES))
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    print("model     images/s bare  masked  ratio of the pairs: median [interval]")
    for name in arguments.models:
        steps = STEPS[name] * (1 if device.type == "cpu" else 20)
        loaded = task_of(name, device, steps)
        trainer = masked(loaded, steps)
        twin = models.seeded(lambda n=name: models.build(n, SHAPES[n], 10, {}), 0).to(device)
        bare = OPTIMISER.build(twin, HardMask(twin, dense_masks(twin)))
        bare.param_groups[0]["lr"] = 1e-3
        pairs = []
        for number in range(arguments.pairs + 1):
            if number % 2:
                a, b = time_trainer(trainer), time_bare(loaded, twin, bare)
            else:
                b, a = time_bare(loaded, twin, bare), time_trainer(trainer)
            pairs.append((a, b))
        pairs = pairs[1:]  # the first pair warms up
        ratios = [b / a for a, b in pairs]
        low, high = interval(ratios)
        images = steps * BATCH
        dense = images / statistics.median(b for _, b in pairs)
        ours = images / statistics.median(a for a, _ in pairs)
        middle = statistics.median(ratios)
        print(f"{name:<9} {dense:13.0f} {ours:7.0f}  {middle:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()

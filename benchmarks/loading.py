"""Images per second of the loader against a bare DataLoader of torch with the same transforms.

Both decode JPEG files of 64 x 64 from disk, flip and crop them at random, and make batches of 64,
in the same order and by as many processes. They alternate in one process, an epoch each, and each
pair gives one ratio. Prints the median of the ratios with the order-statistic interval of the
median.

    python benchmarks/loading.py [--processes 0 1 2] [--pairs 25] [--images 1500]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from throughput import interval
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from trainables.data.parts import Splits
from trainables.pruning.prunable import prunable
from trainables.pruning.work import Work
from trainables.tasks.classification import Classification
from trainables.training.batches import training_batches
from trainables.training.loaded import LoadedTask, Loading
from trainables.training.randomness import epoch_order

SIZE, BATCH = 64, 64
TRANSFORM = v2.Compose(
    [
        v2.PILToTensor(),
        v2.RandomHorizontalFlip(),
        v2.RandomCrop(SIZE, padding=8),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]),
    ]
)


class Pictures(torch.utils.data.Dataset[Any]):
    """JPEG files in a folder, decoded when they are asked for."""

    def __init__(self, folder: Path, n: int) -> None:
        self._paths = [folder / f"{index}.jpg" for index in range(n)]

    def write(self) -> None:
        """Write smooth random pictures, which compress as photographs do."""
        draw = np.random.default_rng(0)
        for path in self._paths:
            coarse = draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(path)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self._paths[index]) as picture:
            return TRANSFORM(picture.convert("RGB")), index % 10


class Task(Classification):
    """The pictures, under a network that is never run."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def splits(self) -> Splits:
        return Splits(self._pictures, self._pictures)

    def model(self) -> nn.Module:
        return nn.Linear(1, 1)


def ours(pictures: Pictures, processes: int, epochs: int) -> Iterator[Iterator[Any]]:
    """Yield the batches of each epoch as a stage trains on them."""
    task, model = Task(pictures), nn.Linear(1, 1)
    loaded = LoadedTask(
        task, task.splits(), model, model, torch.device("cpu"), prunable(model), Work({}, ()),
        loading=Loading(processes),
    )  # fmt: skip
    steps = epochs * -(-len(pictures) // BATCH)
    batches = training_batches(loaded, BATCH, 0, "dense", steps)
    for epoch in range(epochs):
        yield batches.of_epoch(epoch, 0)


def bare(pictures: Pictures, processes: int, epochs: int) -> Iterator[Iterator[Any]]:
    """Yield the batches of each epoch from one DataLoader, whose processes start once."""
    order = [
        index.tolist()
        for epoch in range(epochs)
        for index in epoch_order(len(pictures), 0, "dense", epoch).split(BATCH)
    ]
    prefetch = 4 if processes else None
    loader = DataLoader(
        pictures, batch_sampler=order, num_workers=processes, prefetch_factor=prefetch
    )
    per_epoch = -(-len(pictures) // BATCH)
    stream = iter(loader)
    for _ in range(epochs):
        yield (next(stream) for _ in range(per_epoch))


REST_S = 0.4
"""Before each epoch: processes of the other side then have made ahead what they make ahead, and do
not take this side's core."""


def seconds(batches: Iterator[Any]) -> float:
    """Return how long an epoch's batches take."""
    time.sleep(REST_S)
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def measured(pictures: Pictures, processes: int, n_pairs: int) -> list[tuple[float, float]]:
    """Return seconds of an epoch, ours and bare, in pairs; who is first alternates."""
    epochs = n_pairs + 1
    sides = ours(pictures, processes, epochs), bare(pictures, processes, epochs)
    pairs = []
    for number, (a, b) in enumerate(zip(*sides, strict=True)):
        if number % 2:
            pairs.append((seconds(a), seconds(b)))
        else:
            late = seconds(b)
            pairs.append((seconds(a), late))
    return pairs[1:]  # the first pair warms up


def main() -> None:
    """Print one line per number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--pairs", type=int, default=25)
    parser.add_argument("--images", type=int, default=1500)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", "This DataLoader will create")
    torch.set_num_threads(1)
    print("processes  images/s bare   ours  ratio of the pairs: median [interval]")
    with tempfile.TemporaryDirectory() as folder:
        pictures = Pictures(Path(folder), arguments.images)
        pictures.write()
        for processes in arguments.processes:
            pairs = measured(pictures, processes, arguments.pairs)
            ratios = [b / a for a, b in pairs]
            low, high = interval(ratios)
            own, dense = (
                len(pictures) / statistics.median(side) for side in zip(*pairs, strict=True)
            )
            middle = statistics.median(ratios)
            print(f"{processes:9d} {dense:14.0f} {own:6.0f}  {middle:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()

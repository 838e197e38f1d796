"""Images per second of a folder of photographs against a bare DataLoader of torchvision.

Both read JPEG files as large as ImageNet's, decode them, crop and mirror them at random, resize
them to 224 x 224, normalise them, and make batches of 64 in the same order and by as many
processes: one through a study's folder and its loader, the other through torchvision's ImageFolder
and torch's DataLoader with the same transforms. They alternate in one process, an epoch each, and
each pair gives one ratio. Prints the median of the ratios with its order-statistic interval. Each
process makes four batches ahead, so that an epoch must be many times as long.

    python benchmarks/streaming.py [--processes 2] [--pairs 15] [--images 3000]
    python benchmarks/streaming.py --memory [--images 20000] [--processes 2]

`--memory` reads one epoch through the study's loader instead and prints what this process and its
loaders hold, a tenth of the epoch at a time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from loading import seconds
from PIL import Image
from throughput import interval
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from trainables.config.datasets import FolderParameters
from trainables.data.parts import Splits
from trainables.folders.division import folder_parts
from trainables.folders.items import IMAGENET, FolderItems, on_disk
from trainables.pruning.prunable import prunable
from trainables.pruning.work import Work
from trainables.tasks.classification import Classification
from trainables.training.batches import training_batches
from trainables.training.loaded import LoadedTask, Loading
from trainables.training.randomness import epoch_order

SIZE, BATCH, CLASSES = 224, 64, 10
SIDES = ((500, 375), (375, 500), (500, 333))
"""Width and height of the pictures, those that ImageNet has most of."""

DISTINCT = 200
"""Pictures that are drawn; further files are copies of them, which takes a fiftieth of the time."""


def write(folder: Path, n: int) -> None:
    """Write smooth random pictures with some noise, whose files are as large as photographs'."""
    draw = np.random.default_rng(0)
    drawn: list[bytes] = []
    for number in range(n):
        path = folder / f"class{number % CLASSES}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < DISTINCT:
            Image.fromarray(_picture(draw, SIDES[number % len(SIDES)])).save(path, quality=90)
            drawn.append(path.read_bytes())
        else:
            path.write_bytes(drawn[number % DISTINCT])


def _picture(draw: np.random.Generator, sides: tuple[int, int]) -> np.ndarray[Any, Any]:
    coarse = draw.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(sides, Image.Resampling.BICUBIC), np.int16)
    noise = draw.normal(0, 12, smooth.shape).astype(np.int16)
    return (smooth + noise).clip(0, 255).astype(np.uint8)


class Task(Classification):
    """A folder of images, under a network that is never run."""

    def __init__(self, splits: Splits) -> None:
        self._splits = splits

    def splits(self) -> Splits:
        return self._splits

    def model(self) -> nn.Module:
        return nn.Linear(1, 1)


def splits_of(folder: Path) -> Splits:
    """Return the parts of the folder as a study has them, normalised as ImageNet."""
    options = FolderParameters(path=".", size=SIZE, normalise="imagenet")
    return on_disk(folder_parts(options, folder), options)


def ours(splits: Splits, processes: int, epochs: int) -> Iterator[Iterator[Any]]:
    """Yield the batches of each epoch as a stage trains on them."""
    task, model = Task(splits), nn.Linear(1, 1)
    loaded = LoadedTask(
        task, splits, model, model, torch.device("cpu"), prunable(model), Work({}, ()),
        loading=Loading(processes),
    )  # fmt: skip
    steps = epochs * -(-len(splits.train) // BATCH)
    batches = training_batches(loaded, BATCH, 0, "dense", steps)
    for epoch in range(epochs):
        yield batches.of_epoch(epoch, 0)


def bare(folder: Path, splits: Splits, processes: int, epochs: int) -> Iterator[Iterator[Any]]:
    """Yield the same images in the same order from one DataLoader, whose processes start once."""
    train = splits.train
    assert isinstance(train, FolderItems)
    area = train.view.area
    assert area is not None
    # Pillow's pixels as a tensor first, then the same steps as a study's: on tensors both resize
    # alike, while torchvision's steps on Pillow's images round otherwise.
    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.RandomResizedCrop(SIZE, (area, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET.mean, IMAGENET.std),
        ]
    )
    pictures = ImageFolder(folder, transform)
    places = {
        Path(path).relative_to(folder).as_posix(): at
        for at, (path, _) in enumerate(pictures.samples)
    }
    mine = [places[os.fsdecode(name)] for name in train.names]
    order = [
        [mine[index] for index in part]
        for epoch in range(epochs)
        for part in batched(epoch_order(len(train), 0, "dense", epoch).tolist())
    ]
    loader = DataLoader(
        pictures,
        batch_sampler=order,
        num_workers=processes,
        prefetch_factor=4 if processes else None,
    )
    per_epoch = -(-len(train) // BATCH)
    stream = iter(loader)
    for _ in range(epochs):
        yield (next(stream) for _ in range(per_epoch))


def batched(order: list[int]) -> Iterator[list[int]]:
    """Yield an order in batches, the last one smaller."""
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def measured(folder: Path, processes: int, n_pairs: int) -> list[tuple[float, float]]:
    """Return images per second, ours and bare, in pairs; who is first alternates."""
    splits, epochs = splits_of(folder), n_pairs + 1
    n = len(splits.train)
    sides = ours(splits, processes, epochs), bare(folder, splits, processes, epochs)
    pairs = []
    for number, (a, b) in enumerate(zip(*sides, strict=True)):
        if number % 2:
            own = n / seconds(a)
            pairs.append((own, n / seconds(b)))
        else:
            other = n / seconds(b)
            pairs.append((n / seconds(a), other))
    return pairs[1:]  # the first pair warms up


def held_bytes(root: int) -> int:
    """Return what a process and those below it hold alone, shared pages once (Linux's Pss)."""
    total, below = 0, [root]
    while below:
        pid = below.pop()
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            continue
        total += sum(int(row.split()[1]) for row in text.splitlines() if row.startswith("Pss:"))
        below += [int(child) for child in children.split()]
    return 1024 * total


def memory(folder: Path, processes: int) -> None:
    """Print what is held over one epoch."""
    splits = splits_of(folder)
    n_batches = -(-len(splits.train) // BATCH)
    marks = {max(1, round(n_batches * tenth / 10)) for tenth in range(1, 11)}
    (batches,) = ours(splits, processes, 1)
    start = time.perf_counter()
    for number, _ in enumerate(batches, start=1):
        if number in marks:
            held, spent = held_bytes(os.getpid()) / 2**20, time.perf_counter() - start
            print(f"{number * BATCH:7,d} images  {held:7.0f} MiB  {spent:6.0f} s", flush=True)


def main() -> None:
    """Print one line per number of processes, or the memory held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", nargs="+", type=int, default=[2])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--images", type=int)
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", "This DataLoader will create")
    torch.set_num_threads(1)
    n = arguments.images or (20_000 if arguments.memory else 3_000)
    with tempfile.TemporaryDirectory(prefix="streaming-") as name:
        folder = Path(name)
        write(folder, n)
        if arguments.memory:
            memory(folder, arguments.processes[0])
            return
        print("processes  images/s bare   ours  ratio of the pairs: median [interval]")
        for processes in arguments.processes:
            pairs = measured(folder, processes, arguments.pairs)
            ratios = [own / other for own, other in pairs]
            low, high = interval(ratios)
            own, other = (statistics.median(side) for side in zip(*pairs, strict=True))
            middle = statistics.median(ratios)
            print(f"{processes:9d} {other:14.0f} {own:6.0f}  {middle:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()

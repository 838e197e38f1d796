"""Batches in the engine's own order, from any step on.

Order and every random draw are functions of (seed, stage, epoch, use), of an item also of its
index: so the number of loader processes, where items are kept, and where a stage was interrupted
change no bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset

from trainables.data.in_memory import InMemory
from trainables.data.isolation import one_thread, seeded, single_threaded
from trainables.data.loading import fetched, is_loss
from trainables.data.parts import Items
from trainables.pruning.work import moved
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import Use, derived_seed, epoch_order, generator

Micro = list[Any]
"""What one optimiser step trains on: one batch, or the micro-batches that it is split into."""

RESTARTS = 3
"""How often in a row a loader whose process was lost is started anew at the same step."""


@dataclass(frozen=True)
class Draw:
    """Names the random draws of one pass: (seed, stage position, use)."""

    seed: int
    stage: str
    use: Use = "item"


class Batches(Protocol):
    """The training batches of a stage."""

    @property
    def per_epoch(self) -> int:
        """Optimiser steps per epoch, the last smaller batch kept."""
        ...

    def of_epoch(self, epoch: int, first: int) -> Iterator[Micro]:
        """Yield what each step of an epoch trains on, from its step number `first` on."""
        ...


def training_batches(
    loaded: LoadedTask, size: int, seed: int, stage: str, micro: int | None = None
) -> Batches:
    """Return the training batches of a stage: `size` examples per step, `micro` per forward."""
    train = loaded.splits.train
    if isinstance(train, InMemory):
        return _MemoryBatches(train, loaded, size, seed, stage, micro or size)
    return _LoadedBatches(train, loaded, size, seed, stage, micro or size)


@dataclass(eq=False)
class _MemoryBatches:
    data: InMemory
    loaded: LoadedTask
    size: int
    seed: int
    stage: str
    micro: int

    @property
    def per_epoch(self) -> int:
        return -(-len(self.data) // self.size)

    def of_epoch(self, epoch: int, first: int) -> Iterator[Micro]:
        n, device = len(self.data), self.loaded.device
        order = epoch_order(n, self.seed, self.stage, epoch).to(device)
        draws = _drawn(self.data, generator(self.seed, self.stage, epoch, "augment"), device)
        for start in range(first * self.size, n, self.size):
            stop = min(start + self.size, n)
            yield [
                self._batch(order, draws, at, min(at + self.micro, stop))
                for at in range(start, stop, self.micro)
            ]

    def _batch(self, order: torch.Tensor, draws: Any, start: int, stop: int) -> Any:
        batch = self.data.take(order[start:stop])
        return batch if draws is None else self.data.augmented(batch, draws[start:stop])


def _drawn(data: InMemory, draw: torch.Generator, device: torch.device) -> Any:
    return None if data.augment is None else data.augment.draw(len(data), draw).to(device)


@dataclass(eq=False)
class _LoadedBatches:
    """Through one DataLoader for the whole stage, so that its processes start once."""

    data: Items
    loaded: LoadedTask
    size: int
    seed: int
    stage: str
    micro: int

    def __post_init__(self) -> None:
        self._next = -1
        self._stream: Iterator[Micro] = iter(())

    @property
    def per_epoch(self) -> int:
        return -(-len(self.data) // self.size)

    def of_epoch(self, epoch: int, first: int) -> Iterator[Micro]:
        step = epoch * self.per_epoch + first
        lost = 0
        while step < (epoch + 1) * self.per_epoch:
            if self._next != step:
                self._start(step)
            try:
                parts = next(self._stream)
            except RuntimeError as error:
                if not is_loss(error) or lost >= RESTARTS:
                    raise
                lost, self._next = lost + 1, -1
                continue
            step, lost = step + 1, 0
            self._next = step
            yield parts

    def _start(self, step: int) -> None:
        order = _StageOrder(len(self.data), self.size, self.micro, self.seed, self.stage, step)
        draw = Draw(self.seed, self.stage)
        batches = loaded_batches(self.loaded, self.data, order, draw)
        self._stream = _grouped(batches, order.parts_per_step())
        self._next = step


def _grouped(batches: Iterator[Any], counts: Iterator[int]) -> Iterator[Micro]:
    for n in counts:
        parts = list(islice(batches, n))
        yield parts


@dataclass(frozen=True)
class _StageOrder:
    """The (epoch, index) keys of each micro-batch of a stage, from a step on and without an end."""

    n: int
    size: int
    micro: int
    seed: int
    stage: str
    step: int

    def _steps(self) -> Iterator[tuple[int, int, int]]:
        """(epoch, start, stop) of every step."""
        per_epoch = -(-self.n // self.size)
        step = self.step
        while True:
            epoch, place = divmod(step, per_epoch)
            yield epoch, place * self.size, min((place + 1) * self.size, self.n)
            step += 1

    def parts_per_step(self) -> Iterator[int]:
        """How many micro-batches each step has."""
        for _, start, stop in self._steps():
            yield -(-(stop - start) // self.micro)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order: list[int] = []
        drawn = -1
        for epoch, start, stop in self._steps():
            if epoch != drawn:
                order = epoch_order(self.n, self.seed, self.stage, epoch).tolist()
                drawn = epoch
            for at in range(start, stop, self.micro):
                yield [(epoch, i) for i in order[at : min(at + self.micro, stop)]]


def sequential(n: int, size: int, epoch: int = 0) -> list[list[tuple[int, int]]]:
    """Return the keys of all n items in their order, `size` at a time."""
    return [[(epoch, i) for i in range(at, min(at + size, n))] for at in range(0, n, size)]


def loaded_batches(loaded: LoadedTask, data: Items, keys: Any, draw: Draw) -> Iterator[Any]:
    """Yield batches of the items at `keys`, each a list of (epoch, index), on the device."""
    cuda = loaded.device.type == "cuda"
    loader: DataLoader[Any] = DataLoader(
        _Seeded(data, draw),
        batch_sampler=keys,
        num_workers=loaded.loading.processes,
        collate_fn=loaded.task.collate,
        pin_memory=cuda,
        worker_init_fn=one_thread,
        prefetch_factor=4 if loaded.loading.processes else None,
    )
    for batch in fetched(loader):
        yield moved(batch, lambda tensor: tensor.to(loaded.device, non_blocking=cuda))


class _Seeded(Dataset[Any]):
    """Items by (epoch, index), each made under generators that are seeded for it, and restored."""

    def __init__(self, items: Items, draw: Draw) -> None:
        self._items, self._draw = items, draw

    def __getitem__(self, key: tuple[int, int]) -> Any:
        epoch, index = key
        draw = self._draw
        seed = derived_seed(draw.seed, draw.stage, epoch, draw.use, index)
        with seeded(seed), single_threaded():
            return self._items[index]


def in_order(loaded: LoadedTask, data: Items, size: int, draw: Draw) -> Iterator[Any]:
    """Yield all of a part's batches in the order of the data, on the device."""
    if isinstance(data, InMemory):
        return data.chunks(size)
    return loaded_batches(loaded, data, sequential(len(data), size), draw)


def augmented_in_order(
    loaded: LoadedTask, size: int, seed: int, stage: str
) -> Iterator[Sequence[Any]]:
    """Yield the training data in their order, augmented or transformed as training does it."""
    train = loaded.splits.train
    if not isinstance(train, InMemory):
        yield from in_order(loaded, train, size, Draw(seed, stage, "bn"))
        return
    draws = _drawn(train, generator(seed, stage, 0, "bn"), loaded.device)
    for number, batch in enumerate(train.chunks(size)):
        start = number * size
        yield batch if draws is None else train.augmented(batch, draws[start : start + size])

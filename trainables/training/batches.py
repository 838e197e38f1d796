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

from trainables.data.in_memory import InMemory
from trainables.data.parts import Groups, Items
from trainables.training.epochs import Epochs, bounds_of, joined
from trainables.training.loaded import LoadedTask
from trainables.training.loader import Draw, Key, loaded_batches
from trainables.training.randomness import generator

Micro = list[Any]
"""What one optimiser step trains on: one batch, or the micro-batches that it is split into."""


class Batches(Protocol):
    """The training batches of a stage."""

    @property
    def per_epoch(self) -> int:
        """Optimiser steps per epoch, the last smaller batch kept."""
        ...

    def of_epoch(self, epoch: int, first: int) -> Iterator[Micro]:
        """Yield what each step of an epoch trains on, from its step number `first` on."""
        ...


@dataclass(frozen=True)
class Cut:
    """Which examples of every step are a rank's: neighbours, as many as another's or one more."""

    rank: int = 0
    size: int = 1

    def of(self, start: int, stop: int) -> tuple[int, int]:
        """Return the rank's part of the examples of a step; rank 0 always has one."""
        n = stop - start
        first, end = (-(-n * rank // self.size) for rank in (self.rank, self.rank + 1))
        return start + first, start + end


def training_batches(
    loaded: LoadedTask, size: int, seed: int, stage: str, steps: int, micro: int | None = None
) -> Batches:
    """Return the training batches of a stage of `steps` optimiser steps.

    `size` examples per step, or those of each of the task's groups; `micro` of them per forward.
    Where several ranks train together, what is this rank's of each: perhaps nothing of a smaller
    batch.
    """
    train, ranks = loaded.splits.train, loaded.ranks
    cut = Cut() if ranks is None else Cut(ranks.rank, ranks.size)
    epochs = Epochs(len(train), size, seed, stage, loaded.groups)
    if isinstance(train, InMemory):
        return _MemoryBatches(train, loaded, epochs, micro, cut)
    return _LoadedBatches(train, loaded, epochs, micro, steps, cut)


@dataclass(eq=False)
class _MemoryBatches:
    data: InMemory
    loaded: LoadedTask
    epochs: Epochs
    micro: int | None
    cut: Cut

    @property
    def per_epoch(self) -> int:
        return self.epochs.steps

    def of_epoch(self, epoch: int, first: int) -> Iterator[Micro]:
        epochs, device = self.epochs, self.loaded.device
        order = epochs.order(epoch).to(device)
        draws = _drawn(self.data, generator(epochs.seed, epochs.stage, epoch, "augment"), device)
        # All bounds at once: a few microseconds less of Python between the steps.
        bounds = [self.cut.of(*step) for step in epochs.bounds(epoch)[first:]]
        for parts in [_micro_batches(*step, self.micro) for step in bounds]:
            yield [self._batch(order, draws, start, stop) for start, stop in parts]

    def _batch(self, order: torch.Tensor, draws: Any, start: int, stop: int) -> Any:
        batch = self.data.take(order[start:stop])
        return batch if draws is None else self.data.augmented(batch, draws[start:stop])


def _micro_batches(start: int, stop: int, micro: int | None) -> list[tuple[int, int]]:
    """Where the micro-batches of a step start and stop; none where it has no example."""
    size = micro or max(stop - start, 1)
    return [(at, min(at + size, stop)) for at in range(start, stop, size)]


def _drawn(data: InMemory, draw: torch.Generator, device: torch.device) -> Any:
    return None if data.augment is None else data.augment.draw(len(data), draw).to(device)


@dataclass(eq=False)
class _LoadedBatches:
    """Through one DataLoader for the whole stage, so that its processes start once."""

    data: Items
    loaded: LoadedTask
    epochs: Epochs
    micro: int | None
    steps: int
    cut: Cut

    def __post_init__(self) -> None:
        self._next = -1
        self._stream: Iterator[Micro] = iter(())

    @property
    def per_epoch(self) -> int:
        return self.epochs.steps

    def of_epoch(self, epoch: int, first: int) -> Iterator[Micro]:
        start = epoch * self.per_epoch
        for step in range(start + first, min(start + self.per_epoch, self.steps)):
            if self._next != step:
                self._stream = self._from(step)
            parts = next(self._stream)
            self._next = step + 1
            if self._next == self.steps:
                self._stream = iter(())  # lets the loader's processes go
            yield parts

    def _from(self, step: int) -> Iterator[Micro]:
        epochs = self.epochs
        order = _StageOrder(epochs, self.micro, step, self.steps, self.cut)
        draw = Draw(epochs.seed, epochs.stage)
        batches = loaded_batches(self.loaded, self.data, order, draw)
        return (list(islice(batches, n_parts)) for n_parts in order.parts_per_step())


@dataclass(frozen=True)
class _StageOrder:
    """The keys of each micro-batch of a stage, from a step on to the stage's end."""

    epochs: Epochs
    micro: int | None
    first: int
    end: int
    cut: Cut = Cut()

    def _steps(self) -> Iterator[tuple[int, int, int]]:
        """(epoch, start, stop) of every step."""
        bounds: list[tuple[int, int]] = []
        drawn = -1
        for step in range(self.first, self.end):
            epoch, place = divmod(step, self.epochs.steps)
            if epoch != drawn:
                bounds, drawn = self.epochs.bounds(epoch), epoch
            begin, end = self.cut.of(*bounds[place])
            yield epoch, begin, end

    def parts_per_step(self) -> Iterator[int]:
        """How many micro-batches each step has."""
        for _, start, stop in self._steps():
            yield len(_micro_batches(start, stop, self.micro))

    def __iter__(self) -> Iterator[list[Key]]:
        order: list[int] = []
        drawn = -1
        for epoch, start, stop in self._steps():
            if epoch != drawn:
                order, drawn = self.epochs.order(epoch).tolist(), epoch
            for at, end in _micro_batches(start, stop, self.micro):
                yield [(epoch, i) for i in order[at:end]]


@dataclass(frozen=True)
class _InOrder:
    """The keys of all n items in their order, `size` at a time; every so many batches of them."""

    n: int
    size: int
    first: int = 0
    every: int = 1

    def __iter__(self) -> Iterator[list[Key]]:
        for at in range(self.first * self.size, self.n, self.every * self.size):
            yield [(0, i) for i in range(at, min(at + self.size, self.n))]


def in_order(
    loaded: LoadedTask, data: Items, size: int, draw: Draw, first: int = 0, every: int = 1
) -> Iterator[Any]:
    """Yield a part's batches in the order of the data, on the device: from number `first` on every
    so many of them, all unless said otherwise."""
    if isinstance(data, InMemory):
        return islice(data.chunks(size), first, None, every)
    return loaded_batches(loaded, data, _InOrder(len(data), size, first, every), draw)


def augmented_in_order(
    loaded: LoadedTask, size: int, seed: int, stage: str
) -> Iterator[Sequence[Any]]:
    """Yield the training data in their order, augmented or transformed as training does it.

    Of a task that forms its batches these, in the order of the groups.
    """
    train, groups = loaded.splits.train, loaded.groups
    if isinstance(train, InMemory):
        draws = _drawn(train, generator(seed, stage, 0, "bn"), loaded.device)
        for (start, stop), batch in _chunks(train, size, groups, loaded.device):
            yield batch if draws is None else train.augmented(batch, draws[start:stop])
    elif groups is None:
        yield from in_order(loaded, train, size, Draw(seed, stage, "bn"))
    else:
        keys = ([(0, int(i)) for i in group] for group in groups)
        yield from loaded_batches(loaded, train, keys, Draw(seed, stage, "bn"))


def _chunks(
    data: InMemory, size: int, groups: Groups | None, device: torch.device
) -> Iterator[tuple[tuple[int, int], Sequence[torch.Tensor]]]:
    """All of the data in batches, each with the places where its draws start and stop."""
    if groups is None:
        starts = range(0, len(data), size)
        yield from zip(((at, at + size) for at in starts), data.chunks(size), strict=True)
        return
    order = joined(groups).to(device)
    for start, stop in bounds_of(groups):
        yield (start, stop), data.take(order[start:stop])

"""One pass through torch's DataLoader, the same bits from any number of processes.

Every item is made under generators seeded for it, by one thread. A pass goes on where it was when a
loader process is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from trainables.data.freshness import freshness
from trainables.data.isolation import one_thread, reseed, restoring_generators, single_threaded
from trainables.data.loading import RESTARTS, fetched, is_loss
from trainables.data.parts import Items
from trainables.pruning.work import moved
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import Use, derived_seed, item_seed

Key = tuple[int, int]
"""An item in one epoch: (epoch, index)."""

_PREFETCHED: Final = 4
"""Batches that each loader process makes ahead."""


@dataclass(frozen=True)
class Draw:
    """Names the random draws of one pass: (seed, stage position, use)."""

    seed: int
    stage: str
    use: Use = "item"


def loaded_batches(
    loaded: LoadedTask, data: Items, keys: Iterable[list[Key]], draw: Draw
) -> Iterator[Any]:
    """Yield the batch of each list of keys, on the task's device.

    Raises:
        RuntimeError: loader processes are lost time and again at one batch.
    """
    cuda = loaded.device.type == "cuda"
    done = losses = 0
    while True:
        try:
            for batch in _loader(loaded, data, islice(keys, done, None), draw):
                yield moved(batch, lambda t: t.to(loaded.device, non_blocking=cuda))
                done, losses = done + 1, 0
            return
        except RuntimeError as error:
            if not is_loss(error) or losses == RESTARTS:
                raise
            losses += 1


def _loader(
    loaded: LoadedTask, data: Items, keys: Iterable[list[Key]], draw: Draw
) -> Iterator[Any]:
    processes = loaded.loading.processes
    loader: DataLoader[Any] = DataLoader(
        _Batches(data, loaded.task.collate, draw),
        batch_sampler=keys,
        num_workers=processes,
        collate_fn=_as_made,
        pin_memory=loaded.device.type == "cuda",
        worker_init_fn=one_thread,
        prefetch_factor=_PREFETCHED if processes else None,
        generator=torch.Generator(),  # else each loader would draw from torch's own
    )
    return fetched(loader)


def _as_made(batch: Any) -> Any:
    return batch


class _Batches(Dataset[Any]):
    """Batches by their keys: items made one by one under generators seeded for each, collated."""

    def __init__(self, items: Items, collate: Callable[[list[Any]], Any], draw: Draw) -> None:
        self._items, self._collate, self._draw = items, collate, draw
        self._torch_alone = freshness().known

    def __getitems__(self, keys: Sequence[Key]) -> Any:
        """Return the batch of some keys; in a process of its own nothing needs to be put back."""
        with nullcontext() if get_worker_info() else _as_in_a_process():
            epoch, first = keys[0]
            seed = item_seed(self._derived(epoch, "batch"), first)
            reseed(seed)
            freshness().mark()
            items = self._made(keys)
            reseed(seed)
            return self._collate(items)

    def _made(self, keys: Sequence[Key]) -> list[Any]:
        """Items each made under its seed; made again if it turns out that they draw from more than
        torch, and from then on with NumPy and `random` seeded for each as well."""
        epochs = {epoch for epoch, _ in keys}
        bases = {epoch: self._derived(epoch, self._draw.use) for epoch in epochs}
        seeds = [item_seed(bases[epoch], index) for epoch, index in keys]
        if self._torch_alone:
            try:
                items = self._under(torch.default_generator.manual_seed, seeds, keys)
            except Exception:
                if freshness():
                    raise
            else:
                if freshness():
                    return items
            self._torch_alone = False
        return self._under(reseed, seeds, keys)

    def _under(
        self, seed_all: Callable[[int], Any], seeds: Sequence[int], keys: Sequence[Key]
    ) -> list[Any]:
        items = []
        for seed, (_, index) in zip(seeds, keys, strict=True):
            seed_all(seed)
            items.append(self._items[index])
        return items

    def _derived(self, epoch: int, use: Use) -> int:
        return derived_seed(self._draw.seed, self._draw.stage, epoch, use)


@contextmanager
def _as_in_a_process() -> Iterator[None]:
    """One thread, as in a loader process; threads and generators are put back afterwards."""
    with restoring_generators(), single_threaded():
        yield

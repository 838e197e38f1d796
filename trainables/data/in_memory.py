"""Data held as tensors, on the device, and indexed there: nothing is decoded, moved or collated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor


class Draws(Protocol):
    """What was drawn for n examples: a slice gives the draws of those examples."""

    def __getitem__(self, examples: slice) -> Any: ...

    def to(self, device: torch.device | str) -> Any:
        """Return the same draws on a device."""
        ...


class Augment(Protocol):
    """A random change of whole batches: `draw` on the CPU, `apply` where the batch is."""

    def draw(self, n: int, generator: torch.Generator) -> Any:
        """Return draws for `n` examples, from a CPU generator."""
        ...

    def apply(self, inputs: Tensor, draws: Any) -> Tensor:
        """Return the inputs [n, ...] changed as the draws say."""
        ...


@dataclass(frozen=True, eq=False)
class InMemory:
    """A map-style data set of tensors [N, ...], inputs first; an item is the n-th entry of each.

    A batch is a tuple of tensors [n, ...]. `augment` changes the inputs of training batches.

    Raises:
        ValueError: no tensor, or tensors of different lengths.
    """

    tensors: tuple[Tensor, ...]
    augment: Augment | None = None

    def __post_init__(self) -> None:
        lengths = {len(tensor) for tensor in self.tensors}
        if len(lengths) != 1:
            raise ValueError(f"tensors must be of one length, got {sorted(lengths)}")

    @classmethod
    def of(cls, *tensors: Tensor, augment: Augment | None = None) -> InMemory:
        """Return the data set of some tensors."""
        return cls(tensors, augment)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    @property
    def images(self) -> Tensor:
        """The inputs [N, ...]."""
        return self.tensors[0]

    @property
    def labels(self) -> Tensor:
        """The last tensor: targets [N, ...]."""
        return self.tensors[-1]

    def take(self, index: Tensor) -> tuple[Tensor, ...]:
        """Return the batch of the examples at `index` [n], on the data's device."""
        return tuple([tensor.index_select(0, index) for tensor in self.tensors])

    def chunks(self, size: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield all examples in their order, `size` at a time, the last batch smaller."""
        return zip(*(torch.split(tensor, size) for tensor in self.tensors), strict=True)

    def augmented(self, batch: Sequence[Tensor], draws: Any) -> tuple[Tensor, ...]:
        """Return a batch with its inputs changed as the draws say."""
        if self.augment is None:
            return tuple(batch)
        return (self.augment.apply(batch[0], draws), *batch[1:])

    def to(self, device: torch.device | str, channels_last: bool = False) -> InMemory:
        """Return the same data on a device; inputs [N, C, H, W] channels last where asked."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        first = self.tensors[0]
        inputs = first.to(device, memory_format=layout) if first.dim() == 4 else first.to(device)
        return replace(self, tensors=(inputs, *(t.to(device) for t in self.tensors[1:])))

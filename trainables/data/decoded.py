"""Items kept decoded and untransformed in memory, so that every epoch only transforms them.

What is kept lies in a few large tensors: processes that are forked share their pages, and others
get them once through shared memory. An item comes out as it went in, layout included, and as a copy
of its own, which a transform may change.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from trainables.data.isolation import one_thread, single_threaded
from trainables.data.loading import RESTARTS, fetched, is_loss
from trainables.data.parts import Items, Part

CHUNK = 2**25
"""Bytes of one tensor; larger items have one each."""


@runtime_checkable
class Decodes(Protocol):
    """A data set that makes its items in two steps: `items[i]` is `transform(decode(i))`.

    `decode` is a function of the index alone; whatever is random belongs to `transform`.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...

    def decode(self, index: int) -> Any:
        """Return an item as it is before any transform."""
        ...

    def transform(self, item: Any) -> Any:
        """Return a decoded item as a batch takes it."""
        ...


@dataclass(frozen=True)
class Separated:
    """Some items of a data set that decodes, and what becomes of them: `part` over new items."""

    source: Decodes
    indices: Sequence[int]
    part: Part | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def decode(self, place: int) -> Any:
        """Return one of the items decoded, by its place among `indices`."""
        return self.source.decode(int(self.indices[place]))

    def kept(self, items: Iterable[Any]) -> Items:
        """Return the data set over its decoded items."""
        kept = Kept(self.source, Packed.of(items))
        if self.part is None:
            return kept
        return replace(self.part, items=kept, indices=range(len(kept)))


def separated(items: Items) -> Separated | None:
    """Return the two steps of a data set, or of a part or subset of one; None where it has one."""
    if isinstance(items, Part):
        if not isinstance(items.items, Decodes):
            return None
        return Separated(items.items, items.indices, items)
    if isinstance(items, Subset):
        whole: Any = items.dataset
        return Separated(whole, items.indices) if isinstance(whole, Decodes) else None
    return Separated(items, range(len(items))) if isinstance(items, Decodes) else None


def decoded_in_order(separated: Separated, processes: int) -> Iterator[Any]:
    """Yield every item decoded, in order, by so many processes beside this one; 0: by this one."""
    if processes == 0:
        for place in range(len(separated)):
            with single_threaded():
                item = separated.decode(place)
            yield item
        return
    place = lost = 0
    while place < len(separated):
        loader: DataLoader[Any] = DataLoader(
            _Decoder(separated),  # type: ignore[arg-type]
            batch_size=None,
            sampler=range(place, len(separated)),
            num_workers=processes,
            collate_fn=_as_it_is,
            worker_init_fn=one_thread,
            generator=torch.Generator(),  # else it would draw from torch's own
        )
        try:
            for item in fetched(loader):
                yield item
                place, lost = place + 1, 0
        except RuntimeError as error:
            lost += 1
            if not is_loss(error) or lost > RESTARTS:
                raise


@dataclass(frozen=True)
class _Decoder:
    separated: Separated

    def __getitem__(self, place: int) -> Any:
        return self.separated.decode(place)


def _as_it_is(item: Any) -> Any:
    return item


@dataclass(frozen=True, eq=False)
class Kept:
    """A data set whose decoded items are in memory; `source` transforms them."""

    source: Decodes
    packed: Packed

    def __len__(self) -> int:
        return len(self.packed)

    def __getitem__(self, index: int) -> Any:
        return self.source.transform(self.packed[index])


@dataclass(frozen=True, eq=False)
class Packed:
    """Items one after the other in tensors of bytes.

    `places` int64 [N, 2]: for the n-th item the number of its chunk and its start there.
    """

    chunks: tuple[Tensor, ...]
    places: Tensor

    @classmethod
    def of(cls, items: Iterable[Any]) -> Packed:
        """Return some items packed."""
        chunks, places, chunk = [], [], bytearray()
        for item in items:
            encoded = _encoded(item)
            if chunk and len(chunk) + len(encoded) > CHUNK:
                chunks.append(chunk)
                chunk = bytearray()
            places.append((len(chunks), len(chunk)))
            chunk += encoded
        chunks.append(chunk)
        tensors = tuple(torch.frombuffer(c, dtype=torch.uint8) for c in chunks if c)
        return cls(tensors, torch.tensor(places, dtype=torch.int64).view(-1, 2))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def n_bytes(self) -> int:
        """What the items take."""
        return sum(chunk.numel() for chunk in self.chunks)

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index must be in [0, {len(self)}), got {index}")
        chunk, start = self.places[index].tolist()
        return _item(self.chunks[chunk].numpy()[start:])


def _encoded(item: Any) -> bytes:
    """The lengths of an item's pieces, then the pieces: its pickle, and each array beside it."""
    arrays: list[pickle.PickleBuffer] = []
    text = BytesIO()
    _Pickler(text, protocol=5, buffer_callback=arrays.append).dump(item)
    pieces: list[Any] = [text.getvalue(), *(array.raw() for array in arrays)]
    lengths = np.array([len(pieces), *map(len, pieces)], dtype=np.int64)
    return b"".join([lengths.tobytes(), *pieces])


def _item(encoded: NDArray[np.uint8]) -> Any:
    n = int(np.frombuffer(encoded[:8].tobytes(), dtype=np.int64)[0])
    lengths = np.frombuffer(encoded[8 : 8 + 8 * n].tobytes(), dtype=np.int64)
    stops = 8 + 8 * n + np.cumsum(lengths)
    bounds = zip(stops - lengths, stops, strict=True)
    text, *arrays = (bytearray(encoded[start:stop]) for start, stop in bounds)
    return pickle.loads(text, buffers=arrays)


class _Pickler(pickle.Pickler):
    """Tensors become their bytes and what makes them again."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor:
            return NotImplemented
        strides: tuple[int, ...] = value.stride()
        order = sorted(range(value.dim()), key=lambda dim: -strides[dim])
        dense = value.permute(order).contiguous()
        flat = dense.reshape(-1).view(torch.uint8).numpy()
        return _tensor, (flat, value.dtype, tuple(dense.shape), tuple(np.argsort(order).tolist()))


def _tensor(
    flat: Any, dtype: torch.dtype, shape: tuple[int, ...], order: tuple[int, ...]
) -> Tensor:
    return torch.from_numpy(flat).view(dtype).reshape(shape).permute(order)

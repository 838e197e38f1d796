"""How many items two parts of a data set have in common, as far as that can be seen."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from torch.utils.data import Subset

from trainables.data.in_memory import InMemory
from trainables.data.parts import Items, Part

_Place = tuple[Hashable, Sequence[Hashable]]
"""What a part takes its items from, and which ones of it."""


def shared_items(a: Items, b: Items) -> int:
    """Return how many items two parts have in common.

    Seen through `Part` and torch's `Subset`, in tensors that share memory, and in data sets that
    list their files as torchvision's folders do.
    """
    (one, left), (two, right) = _place(a), _place(b)
    return len(set(left).intersection(right)) if one == two else 0


def _place(items: Items) -> _Place:
    if isinstance(items, Part):
        return _chosen(_place(items.items), items.indices)
    if isinstance(items, Subset):
        return _chosen(_place(items.dataset), items.indices)  # type: ignore[arg-type]
    if isinstance(items, InMemory):
        return _rows(items)
    if isinstance(samples := getattr(items, "samples", None), list) and samples:
        return "files", [str(s[0]) if isinstance(s, tuple) else str(s) for s in samples]
    return id(items), range(len(items))


def _chosen(place: _Place, indices: Iterable[int]) -> _Place:
    base, items = place
    return base, [items[int(index)] for index in indices]


def _rows(data: InMemory) -> _Place:
    """The first tensor's memory, and where in it each item begins."""
    first = data.tensors[0]
    start, step, n = first.storage_offset(), first.stride(0), len(data)
    if not (first.numel() and step):
        return id(data), range(n)
    return first.untyped_storage().data_ptr(), range(start, start + step * n, step)

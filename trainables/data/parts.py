"""The parts of a data set: training, validation and, if there is one, test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainables.data.in_memory import InMemory
from trainables.data.splits import SPLIT_SEED, share_of, stratified

Groups = Sequence[Sequence[int]]
"""Batches that a task forms once: indices of training items, every item in one of them."""


class Items(Protocol):
    """A map-style data set: a length, and items by index from 0."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


@dataclass(frozen=True, eq=False)
class Splits:
    """Map-style data sets to train on, to choose by, and to report; `test` may be absent.

    `n_classes`: how many classes there are, for a network of the catalog on data of the user's.
    `listing`: a digest of the names and sizes of the files, where only they say what there is;
    hashed. `left_out`: by name the reason for what stays out of the parts since it cannot be used.
    """

    train: Items
    val: Items
    test: Items | None = None
    n_classes: int | None = None
    listing: str | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def classes(self) -> int:
        """How many classes there are: as said, or as labels in memory show."""
        if self.n_classes is not None:
            return self.n_classes
        if isinstance(self.train, InMemory):
            return int(self.train.labels.max()) + 1
        raise ValueError("Splits must be given n_classes where the labels are not in memory")

    @property
    def in_order(self) -> dict[str, Items]:
        """The parts that are there, by name."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def map(self, change: Callable[[Items], Items]) -> Splits:
        """Return the parts, each changed."""
        test = None if self.test is None else change(self.test)
        return replace(self, train=change(self.train), val=change(self.val), test=test)


def labels_of(items: Items) -> NDArray[np.int64] | None:
    """Return the classes of a part's items, where they can be seen without making an item.

    That is, in the labels of what is in memory, or in an attribute `labels` or `targets`, of the
    data set itself or of the one that it is a part of: one whole number >= 0 for each item.
    """
    if isinstance(items, Part):
        inner = labels_of(items.items)
        return None if inner is None else inner[np.asarray(items.indices, dtype=np.int64)]
    held = [getattr(items, key, None) for key in ("labels", "targets")]
    try:
        labels = np.asarray(next(value for value in (*held, ()) if value is not None))
    except (TypeError, ValueError):
        return None
    if labels.dtype.kind not in "iu" or labels.shape != (len(items),) or labels.min(initial=0) < 0:
        return None
    return labels.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """Some items of a data set, by their indices, perhaps with a transform of their own.

    `transform` is applied to each item as it is asked for: an item that is a pair (input, target)
    has its input transformed, any other is transformed as a whole.
    """

    items: Items
    indices: Sequence[int]
    transform: Callable[[Any], Any] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        item = self.items[int(self.indices[index])]
        if self.transform is None:
            return item
        if isinstance(item, tuple) and len(item) == 2:
            return self.transform(item[0]), item[1]
        return self.transform(item)


def hold_out(
    items: Items,
    share: float = 0.1,
    *,
    labels: Sequence[int] | None = None,
    seed: int = SPLIT_SEED,
    train: Callable[[Any], Any] | None = None,
    val: Callable[[Any], Any] | None = None,
) -> tuple[Part, Part]:
    """Return a training and a validation part of a data set, the same ones for the same seed.

    Args:
        items: what is divided.
        share: of the items that validation gets, in (0, 1), rounded to whole items.
        labels: a class in 0, 1, ... per item: then every class gives its share (largest remainders,
            of equal ones the lower class first). Without labels the items are drawn at random.
        seed: of the one draw.
        train: a transform for training inputs.
        val: a transform for validation inputs.

    Raises:
        ValueError: a share outside (0, 1), labels of another number, or a part without items.
    """
    n = len(items)
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), got {share}")
    if labels is not None and len(labels) != n:
        raise ValueError(f"labels must be {n}, one per item, got {len(labels)}")
    n_held = share_of(n, share)
    if not 0 < n_held < n:
        raise ValueError(f"share must leave items in both parts, got {share} of {n} items")
    classes = np.zeros(n, np.int64) if labels is None else np.asarray(labels, np.int64)
    held, kept = stratified(classes, n_held, seed)
    return Part(items, kept.tolist(), train), Part(items, held.tolist(), val)

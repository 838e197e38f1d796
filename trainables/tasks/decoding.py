"""Checks of data that make their items in two steps, whose decoded form may be kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from trainables.data.decoded import separated
from trainables.data.isolation import seeded
from trainables.data.parts import Splits
from trainables.tasks.sentences import Sentences

_SEED = 0


def check_decoding(say: Sentences, splits: Splits) -> None:
    """Refuse a `decode` that draws, and two steps that give other items than the data set does."""
    for name, part in splits.in_order.items():
        two_steps = separated(part)
        if two_steps is None:
            continue
        source, index = two_steps.source, int(two_steps.indices[0])
        with say.naming("splits", "decode and transform its items", f"the {name} part"):
            with seeded(_SEED):
                first = source.decode(index)
            with seeded(_SEED + 1):
                second = source.decode(index)
            with seeded(_SEED):
                item = source.transform(first)
            with seeded(_SEED):
                whole = source[index]
        if not equal(first, second):
            rule = f"decode the same {name} item at every call; what is random belongs to transform"
            raise say.refusal("splits", rule, f"another item {index}")
        if not equal(item, whole):
            rule = f"give items of {name} that are transform(decode(index))"
            raise say.refusal("splits", rule, f"another item {index}")


def equal(one: Any, other: Any) -> bool:
    """Whether two items are the same, to the bit where they hold tensors or arrays."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        if one.dtype != other.dtype or one.shape != other.shape:
            return False
        return equal(one.numpy(), other.numpy())
    if isinstance(one, np.ndarray):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return bool(alike and _bits(one) == _bits(other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, Sequence) and not isinstance(one, str | bytes):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def _bits(array: Any) -> Any:
    return array.tolist() if array.dtype == object else array.tobytes()

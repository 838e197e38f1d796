"""What is known of a tensor in a forward: its channels, and where it is the same number always.

Pure arithmetic on shapes; which operation does what is in `rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from torch import Tensor

from trainables.removal.channels import Flags, Places, Values


@dataclass(frozen=True, eq=False)
class Flow:
    """A tensor of a forward.

    `places`: by dimension the channels that stand along it; None where it is not followed, as for
    examples and pixels. `fixed`: for a followed dimension the number that the tensor has all over
    each place, whatever the input; NaN where there is none. `tensor` and `name`: of a parameter or
    buffer as it is.
    """

    shape: tuple[int, ...]
    places: tuple[Places | None, ...]
    fixed: tuple[Values | None, ...]
    tensor: Tensor | None = None
    name: str = ""

    @classmethod
    def blank(cls, shape: Sequence[int]) -> Flow:
        """Return a tensor whose dimensions are not followed."""
        return cls(tuple(shape), (None,) * len(shape), (None,) * len(shape))

    @property
    def followed(self) -> list[Places]:
        """The channels of all dimensions that are followed."""
        return [places for places in self.places if places is not None]

    def axis(self, dim: int) -> int:
        """Return a dimension counted from the front."""
        return dim % len(self.shape)

    def fixed_at(self, axis: int) -> Values:
        """Return the fixed numbers along a dimension, NaN all over where it is not followed."""
        fixed = self.fixed[axis]
        return unknown(self.shape[axis]) if fixed is None else fixed

    def zeros_at(self, axis: int) -> Flags:
        """Return where the tensor is known to be zero along a dimension."""
        zeros: Flags = self.fixed_at(axis) == 0
        return zeros

    def with_axis(self, axis: int, places: Places | None, fixed: Values | None) -> Flow:
        """Return the same tensor with one dimension replaced."""
        all_places, all_fixed = list(self.places), list(self.fixed)
        all_places[axis], all_fixed[axis] = places, None if places is None else fixed
        return Flow(self.shape, tuple(all_places), tuple(all_fixed))

    def shaped(self, shape: Sequence[int], axes: Sequence[int | None] | None = None) -> Flow:
        """Return a tensor of another shape whose dimensions are those at `axes`, or new ones."""
        chosen = range(len(shape)) if axes is None else axes
        places = tuple(None if a is None else self.places[a] for a in chosen)
        fixed = tuple(None if a is None else self.fixed[a] for a in chosen)
        return Flow(tuple(shape), places, fixed)

    def where_fixed(self, value: float = np.nan) -> Flow:
        """Return the same channels, fixed at no other number than one; at none at all for NaN."""
        return Flow(
            self.shape,
            self.places,
            tuple(None if f is None else np.where(f == value, f, np.nan) for f in self.fixed),
        )


def unknown(n: int) -> Values:
    """Return `n` numbers that are not known."""
    return np.full(n, np.nan)


def reshaped(flow: Flow, shape: Sequence[int]) -> tuple[Flow, list[Places]]:
    """Return a tensor in another shape of as many entries, and the channels that are lost in it.

    Dimensions that are joined or cut keep their channels where each entry of the new ones still
    belongs to one channel; where two followed dimensions are joined, both are lost.
    """
    result = Flow.blank(shape)
    lost: list[Places] = []
    for old, new in _groups(flow.shape, shape):
        followed = [axis for axis in old if flow.places[axis] is not None]
        spread = _spread(flow, followed[0], old, shape, new) if len(followed) == 1 else None
        if spread is None:
            lost += [p for axis in followed if (p := flow.places[axis]) is not None]
        else:
            result = result.with_axis(*spread)
    return result, lost


def _spread(
    flow: Flow, axis: int, old: Sequence[int], shape: Sequence[int], new: Sequence[int]
) -> tuple[int, Places, Values] | None:
    """The one new dimension along which a followed one varies, and what stands along it."""
    places = flow.places[axis]
    assert places is not None
    view = [flow.shape[axis] if a == axis else 1 for a in old]
    sizes, target = [flow.shape[a] for a in old], [shape[a] for a in new]
    # as positions, so that what stands at each is looked up once the dimension is known
    positions = np.broadcast_to(np.arange(len(places)).reshape(view), sizes).reshape(target)
    for at, size in enumerate(target):
        rows = np.moveaxis(positions, at, 0).reshape(size, -1)
        if size > 1 and bool((rows == rows[:, :1]).all()):
            return new[at], places[rows[:, 0]], flow.fixed_at(axis)[rows[:, 0]]
    return None


def _groups(
    old: Sequence[int], new: Sequence[int]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The smallest runs of dimensions, old and new, that hold the same number of entries."""
    ends_old, ends_new = (list(accumulate(sizes, lambda a, b: a * b)) for sizes in (old, new))
    runs = []
    start_old = start_new = 0
    for end in sorted(set(ends_old) & set(ends_new)):
        stop_old, stop_new = _last(ends_old, end) + 1, _last(ends_new, end) + 1
        runs.append((tuple(range(start_old, stop_old)), tuple(range(start_new, stop_new))))
        start_old, start_new = stop_old, stop_new
    return runs


def _last(values: Sequence[int], value: int) -> int:
    return len(values) - 1 - values[::-1].index(value)


def joined(flows: Sequence[Flow], axis: int, shape: Sequence[int]) -> Flow:
    """Return tensors put side by side along a dimension.

    Of the other dimensions the first tensor's channels stand for all: the caller ties them.
    """
    along = [flow.places[axis] for flow in flows]
    first = flows[0]
    places, fixed = list(first.places), list(first.fixed)
    for other in range(len(shape)):
        values = [flow.fixed_at(other) for flow in flows]
        if other != axis and places[other] is not None:
            same = np.logical_and.reduce([v == values[0] for v in values])
            fixed[other] = np.where(same, values[0], np.nan)
    followed = [p for p in along if p is not None]
    whole = len(followed) == len(along)
    places[axis] = np.concatenate(followed) if whole else None
    fixed[axis] = np.concatenate([f.fixed_at(axis) for f in flows]) if whole else None
    return Flow(tuple(shape), tuple(places), tuple(fixed))

"""Which training examples each step of an epoch takes, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from trainables.data.parts import Groups
from trainables.training.randomness import epoch_order


@dataclass(frozen=True, eq=False)
class Epochs:
    """The epochs of a stage over `n` examples.

    An epoch is a new permutation of the examples, cut into batches of `size`; with `groups` a new
    permutation of these, and `size` is not read.
    """

    n: int
    size: int
    seed: int
    stage: str
    groups: Groups | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch, the last smaller batch kept."""
        return -(-self.n // self.size) if self.groups is None else len(self.groups)

    def order(self, epoch: int) -> Tensor:
        """Return the examples of an epoch one after the other, int64 [n]."""
        if self.groups is None:
            return epoch_order(self.n, self.seed, self.stage, epoch)
        return joined([self.groups[place] for place in self._places(epoch, self.groups)])

    def bounds(self, epoch: int) -> list[tuple[int, int]]:
        """Return for each step of an epoch where its examples start and stop in the order."""
        if self.groups is None:
            stops = range(self.size, self.n + self.size, self.size)
            return [(stop - self.size, min(stop, self.n)) for stop in stops]
        return bounds_of([self.groups[place] for place in self._places(epoch, self.groups)])

    def _places(self, epoch: int, groups: Groups) -> list[int]:
        places: list[int] = epoch_order(len(groups), self.seed, self.stage, epoch).tolist()
        return places


def joined(groups: Groups) -> Tensor:
    """Return the examples of some batches one after the other, int64 [n]."""
    return torch.cat([torch.as_tensor(group, dtype=torch.int64) for group in groups])


def bounds_of(groups: Groups) -> list[tuple[int, int]]:
    """Return where each of some batches starts and stops among their examples."""
    return list(pairwise(accumulate(map(len, groups), initial=0)))

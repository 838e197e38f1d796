"""Channels of a network that stand and fall together, why some must stay, and who reads them.

A channel is one place along a dimension of a tensor. What is added, multiplied or normalised place
by place ties the channels of its tensors: they can only go together. It knows no network.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
"""Which channel stands at each place of a dimension."""

Flags = NDArray[np.bool_]
"""One truth value for each place of a dimension."""

Values = NDArray[np.float64]
"""The number that a tensor has all over a place of a dimension; NaN where that is not known."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A layer sums over the channels of a dimension.

    `silent`: those that add nothing to what it gives. `added`: the values of those that add a
    constant to it, which its bias can take over; NaN for all others.
    """

    places: Places
    silent: Flags
    added: Values
    reader: str


class Channels:
    """Classes of channels, as a forward ties them."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._reasons: dict[int, str] = {}
        self.readings: list[Reading] = []

    def new(self, n: int) -> Places:
        """Return `n` channels that nothing is known of."""
        first = len(self._parents)
        self._parents.extend(range(first, first + n))
        return np.arange(first, first + n, dtype=np.int64)

    def root(self, channel: int) -> int:
        """Return the channel that stands for its class."""
        parents = self._parents
        while parents[channel] != channel:
            parents[channel] = parents[parents[channel]]
            channel = parents[channel]
        return channel

    def roots(self, places: Places) -> Places:
        """`root` of each place."""
        return np.fromiter((self.root(c) for c in places.tolist()), np.int64, len(places))

    def tie(self, a: Places, b: Places) -> None:
        """Let the channels at the same places go together, or stay."""
        for one, other in zip(a.tolist(), b.tolist(), strict=True):
            x, y = self.root(one), self.root(other)
            if x != y:
                self._parents[max(x, y)] = min(x, y)

    def keep(self, places: Places, reason: str) -> None:
        """Let channels stay; the first reason of each is the one that is told."""
        for channel in places.tolist():
            self._reasons.setdefault(channel, reason)

    def read(self, reading: Reading) -> None:
        """Note that a layer sums over channels."""
        self.readings.append(reading)

    def verdict(self) -> Verdict:
        """Return why each class must stay, by its root; a class that is not there may go."""
        reasons: dict[int, str] = {}
        readers: dict[int, str] = {}
        for channel, reason in self._reasons.items():
            reasons.setdefault(self.root(channel), reason)
        times = Counter(reading.reader for reading in self.readings)
        for reading in self.readings:
            heard = ~reading.silent
            if times[reading.reader] == 1:  # a bias takes over for one input alone
                heard &= np.isnan(reading.added)
            for channel in reading.places[heard].tolist():
                readers.setdefault(self.root(channel), reading.reader)
        return Verdict(self, reasons, readers)


@dataclass(frozen=True)
class Verdict:
    """Why classes of channels stay, by root: a reason, or a layer that would miss them."""

    channels: Channels
    reasons: dict[int, str]
    readers: dict[int, str]

    def may_go(self, places: Places) -> Flags:
        """Whether the channel at each place can be taken out."""
        roots = self.channels.roots(places).tolist()
        flags = [root not in self.reasons and root not in self.readers for root in roots]
        return np.array(flags, dtype=np.bool_)

"""How many trials may be out at once: as many as fit, and on a cluster more, so that it grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

WAITING: Final = 64
"""Trials that may be out at once on a cluster whatever it offers now: those that find no room are
what makes it grow."""

AHEAD: Final = 2
"""Trials out for each that a larger cluster has room for now."""

EVERY_S: Final = 10.0
"""How often a cluster is asked for its size."""


class Slots:
    """Counts the trials that may be out now; `most` never changes and bounds it."""

    def __init__(self, most: int, count: Callable[[], int]) -> None:
        self.most, self._count = most, count

    def __call__(self) -> int:
        """Return how many trials may be out now."""
        return max(1, min(self.most, self._count()))


def fixed(n: int) -> Slots:
    """As many trials at all times."""
    return Slots(n, lambda: n)


def following(
    room: Callable[[], int], most: int, clock: Callable[[], float] = time.monotonic
) -> Slots:
    """As many trials as a cluster asks for that may grow, `room` being what it has room for now.

    `most` bounds them. What is known of the cluster is at most `EVERY_S` old.
    """
    known = [0, float("-inf")]

    def count() -> int:
        if clock() - known[1] >= EVERY_S:
            known[:] = room(), clock()
        return max(WAITING, AHEAD * int(known[0]))

    return Slots(most, count)

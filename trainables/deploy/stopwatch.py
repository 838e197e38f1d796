"""Seconds per call of several functions, measured in turns so that what drifts drifts for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Call = Callable[[], object]


@dataclass(frozen=True)
class Pace:
    """How much is measured.

    `rounds` samples of each function; a sample lasts at least `sample_s` seconds, as many calls as
    that takes; before the first, each function is called for `warm_s` seconds, twice at least.
    """

    rounds: int = 31
    sample_s: float = 0.02
    warm_s: float = 0.2


def in_turns(
    calls: Mapping[Key, Call],
    pace: Pace,
    synchronise: Call = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Key, list[float]]:
    """Return the samples of each function, in seconds per call.

    Every round calls all of them, the next round the other way round: so none is always the first
    after another. `synchronise` waits for the device, and is part of a sample.
    """
    times = {key: _sized(call, pace, synchronise, clock) for key, call in calls.items()}
    samples: dict[Key, list[float]] = {key: [] for key in calls}
    order = list(calls)
    for number in range(pace.rounds):
        for key in order if number % 2 == 0 else order[::-1]:
            samples[key].append(_sample(calls[key], times[key], synchronise, clock))
    return samples


def _sized(call: Call, pace: Pace, synchronise: Call, clock: Callable[[], float]) -> int:
    """How many calls make a sample, after warming up."""
    begin = clock()
    n = 0
    while n < 2 or clock() - begin < pace.warm_s:
        last = _sample(call, 1, synchronise, clock)
        n += 1
    return max(1, ceil(pace.sample_s / last)) if last > 0 else 1


def _sample(call: Call, times: int, synchronise: Call, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(times):
        call()
    synchronise()
    return (clock() - begin) / times

"""When a worker that says nothing is taken for stopped: the time-out of a step, from its past.

A step is one unit of a worker's work, seconds as a rule. A process that was frozen, or that waits
for something that never comes, is not dead to its cluster, and its trial would wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

FACTOR: Final = 10.0
"""A step may take so many times as long as the longest so far."""

LEAST_S: Final = 180.0
"""What any step may take."""

LEAST_FIRST_S: Final = 900.0
"""What a worker's first step on a trial may take: it imports, reads data, compiles."""

UNKNOWN_FIRST_S: Final = 3600.0
"""What a first step may take while none of the run has ended."""

BLIND_S: Final = 30.0
"""Who was not told or asked anything for so long was stopped, or kept from listening: what workers
reported meanwhile is still to be heard."""


def limit_s(longest_s: float | None, *, first: bool, extensions: int = 0) -> float:
    """Return the time-out of a step: ten times the longest one of its sort so far, and no less than
    minutes; doubled for each time that the same trial was taken for stopped before."""
    if longest_s is None:
        least = UNKNOWN_FIRST_S if first else LEAST_FIRST_S
    else:
        least = max(LEAST_FIRST_S if first else LEAST_S, FACTOR * longest_s)
    return float(least * 2**extensions)


@dataclass
class _Step:
    since: float
    first: bool = True


class StepClock:
    """The steps under way, by the trial that they are of.

    To be asked again and again: steps that it was blind to begin when it sees again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steps: dict[Hashable, _Step] = {}
        self._longest: dict[bool, float] = {}
        self._extensions: dict[Hashable, int] = {}
        self._last = clock()

    def _now(self) -> float:
        now = self._clock()
        if now - self._last > BLIND_S:
            self.pardon()
        self._last = now
        return now

    def started(self, trial: Hashable) -> None:
        """Note that a worker took up a trial."""
        self._steps[trial] = _Step(self._now())

    def reported(self, trial: Hashable, *, counts: bool = True) -> None:
        """Note the end of a step and the beginning of the next; one that waited does not count."""
        step, now = self._steps.get(trial), self._now()
        if step is not None and counts:
            longest = self._longest.get(step.first, 0.0)
            self._longest[step.first] = max(longest, now - step.since)
        first = step is not None and step.first and not counts
        self._steps[trial] = _Step(now, first=first)

    def ended(self, trial: Hashable) -> None:
        """Note that no worker is at a trial any more."""
        self._steps.pop(trial, None)

    def pardon(self) -> None:
        """Let all steps under way begin now: what they waited for was out."""
        for step in self._steps.values():
            step.since = self._clock()

    def overdue(self) -> dict[Hashable, float]:
        """Return the trials whose step is overdue, with its seconds; each is told once."""
        now = self._now()
        late = {
            trial: now - step.since
            for trial, step in self._steps.items()
            if now - step.since > self._limit(trial, step)
        }
        for trial in late:
            self._extensions[trial] = self._extensions.get(trial, 0) + 1
            self.ended(trial)
        return late

    def _limit(self, trial: Hashable, step: _Step) -> float:
        longest = self._longest.get(step.first)
        return limit_s(longest, first=step.first, extensions=self._extensions.get(trial, 0))

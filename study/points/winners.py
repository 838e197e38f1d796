"""Which configurations of a block its search chooses: by validation, within their bounds first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Protocol

from study.definition.bounds import bounds_of
from study.definition.search import Search
from trainables.vocabulary.constraints import excesses
from trainables.vocabulary.schema import State


class AnyEnding(Protocol):
    """How a trial ended, as its record or the agenda says it."""

    @property
    def state(self) -> State: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...


def worst_excesses(
    search: Search, settings: Mapping[str, Any], ends: Sequence[AnyEnding]
) -> dict[str, float]:
    """Return by bounded metric how far a configuration lies beyond its bound at the worst seed.

    `settings` is the resolved configuration, `ends` its trials, one per seed. At most 0 is met.
    """
    bounds = bounds_of(search.constraints, settings)
    worst: dict[str, float] = {}
    for end in ends:
        for name, excess in excesses(bounds, end.metrics).items():
            worst[name] = max(excess, worst.get(name, excess))
    return worst


def beyond(search: Search, settings: Mapping[str, Any], ends: Sequence[AnyEnding]) -> float:
    """Return how far a configuration lies beyond all its bounds together; 0 when it meets them."""
    return sum(max(0.0, excess) for excess in worst_excesses(search, settings, ends).values())


def winners(
    search: Search, ended: Mapping[int, tuple[Mapping[str, Any], Sequence[AnyEnding]]]
) -> list[int]:
    """Return the numbers of the `search.confirm` best configurations of a block, the best first.

    `ended` gives by number the resolved configuration and its trials at the seeds searched. Best is
    the least beyond its bounds, then the best mean objective; of equals the first found. A
    configuration with a seed that did not end well does not stand for choice.
    """
    ((objective, direction),) = search.objectives.items()
    sign = -1.0 if direction == "max" else 1.0
    scored = [
        (beyond(search, settings, ends), sign * fmean(e.metrics[objective] for e in ends), number)
        for number, (settings, ends) in ended.items()
        if all(e.state == "done" and objective in e.metrics for e in ends)
    ]
    return [number for _, _, number in sorted(scored)[: search.confirm]]

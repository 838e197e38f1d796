"""Bounds that a search puts on metrics, and how far beyond them a trial lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Bounds = Mapping[str, Mapping[str, float]]
"""By metric the least (`min`) and the greatest (`max`) value allowed, either or both."""

SLACK: Final = 1e-3
"""Share of a bound by which it may be missed: a sparsity is a count of weights, so that the goal
itself is reached to within half a weight only."""


def excesses(bounds: Bounds, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return by metric how far a trial lies beyond its bounds, in the metric's unit; <= 0 is met.

    Metrics that the trial has not are left out: they do not bind it. IMP, for one, prunes to its
    goal and has no `sparsity_by_method`.
    """
    return {
        name: max(_beyond(side, limit, metrics[name]) for side, limit in sides.items())
        for name, sides in bounds.items()
        if name in metrics and sides
    }


def meets(bounds: Bounds, metrics: Mapping[str, float]) -> bool:
    """Whether a trial lies within all its bounds."""
    return all(excess <= 0 for excess in excesses(bounds, metrics).values())


def _beyond(side: str, limit: float, value: float) -> float:
    distance = limit - value if side == "min" else value - limit
    return distance - SLACK * abs(limit)

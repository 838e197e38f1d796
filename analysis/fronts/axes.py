"""What a front is drawn over: two axes, the objective that tells several fronts apart, and ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.columns.labels import shown
from analysis.columns.roles import CHOICE, named
from analysis.stats import TestSelectionError, snapped
from trainables.vocabulary.schema import METRICS, Direction, at_level

SPEEDUP: Final = "theoretical_speedup"
NONE: Final = "none"
"""The `level` of a single front."""

MANY_LEVELS: Final = 6
"""More values than this of the objective that tells fronts apart are taken in `FEW_LEVELS`."""

FEW_LEVELS: Final = 5

_AIMS: Final[Mapping[str, Direction]] = {"sparsity": "max", "sparsity_all_parameters": "max"}
"""Measures of which neither way is better by itself, and which a prune is for."""

_LEVELS: Final = ("retrain_epochs", "epochs", "sparsity", SPEEDUP)
"""What several fronts may be told apart by where a search names no objective for it."""


@dataclass(frozen=True)
class FrontAxes:
    """The columns of a front and which way each is better; `ways` has no entry where neither is.

    `level` is "" where there is a single front. `aside` are objectives of the search that take no
    part.
    """

    x: str
    y: str
    level: str
    ways: Mapping[str, Direction]
    aside: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """All columns that are drawn."""
        return [self.y, self.x, *([self.level] if self.level else [])]

    @property
    def objectives(self) -> dict[str, Direction]:
        """What the front is over: the columns of which one way is better."""
        return {name: self.ways[name] for name in self.columns if name in self.ways}


@dataclass(frozen=True)
class Fronts:
    """What a front is drawn over, its levels (the strictest first, none for a single front).

    `steps` are the fronts themselves: one row per point, columns bound (missing for a single
    front), x, y, in the order in which they are joined.
    """

    axes: FrontAxes
    bounds: tuple[float, ...]
    steps: pd.DataFrame


def directions(objectives: Mapping[str, Direction] | tuple[str, ...]) -> dict[str, Direction]:
    """Return each objective's direction: the one given, else the schema's.

    Raises ValueError for an objective without a direction, and TestSelectionError for one that was
    measured on test: a front is a choice.
    """
    given = dict(objectives) if isinstance(objectives, Mapping) else dict.fromkeys(objectives)
    resolved: dict[str, Direction] = {}
    for name, direction in given.items():
        metric = METRICS.get(name)
        if metric is not None and metric.on_test:
            raise TestSelectionError(f"a front must not be chosen on test, got {name}")
        way = direction or (metric.direction if metric else None)
        if way is None:
            raise ValueError(f"objective {name} needs a direction, max or min: neither is better")
        resolved[name] = way
    return resolved


def front_axes(
    trials: pd.DataFrame,
    objectives: Mapping[str, Direction] | tuple[str, ...] | None,
    x: str | None = None,
    y: str | None = None,
    level: str | None = None,
) -> FrontAxes:
    """Return the axes asked for; those not named are the objectives', accuracy or the like upwards.

    Without objectives these are the metric that chooses, and the theoretical speedup. Of three the
    one with fewest values tells the fronts apart; of more, one may be asked for. Raises as
    `directions`.
    """
    wanted = directions(objectives or (named(CHOICE, trials), SPEEDUP))
    for name in (x, y, level):
        if name in METRICS and METRICS[name].on_test:
            raise TestSelectionError(f"a front must not be chosen on test, got {name}")
    ranked = sorted(wanted, key=lambda name: name != named(CHOICE, trials))
    upwards = y or next(name for name in ranked if name != x)
    left = [name for name in ranked if name not in (upwards, x, level)]
    if x is None:
        left.sort(key=lambda name: -trials[name].nunique() if name in trials else 0)
    across = x or (left.pop(0) if left else upwards)
    if level is None:
        counts = {name: trials[name].nunique() for name in left if name in trials}
        apart = min(counts, key=lambda name: counts[name], default="") if objectives else ""
    else:  # what lies on an axis tells no fronts apart
        apart = "" if level in (NONE, upwards, across) else level
    aside = tuple(name for name in wanted if name not in (upwards, across, apart))
    ways = {**{name: way for name in (upwards, across, apart) if (way := _way(name))}, **wanted}
    return FrontAxes(across, upwards, apart, ways, aside if objectives else ())


def _way(name: str) -> Direction | None:
    known = METRICS.get(name)
    return (known.direction if known else None) or _AIMS.get(name)


def axes_offered(trials: pd.DataFrame, objectives: Mapping[str, Direction]) -> list[str]:
    """Return what may stand on an axis: the search's objectives, then measures that vary.

    Not what was measured on test, nor of the dense run.
    """
    first = [*objectives, named(CHOICE, trials), SPEEDUP, "sparsity"]
    measures = [
        name
        for name in dict.fromkeys([*first, *at_level("trial")])
        if name in trials and not METRICS[name].on_test and not name.startswith("dense_")
    ]
    return [name for name in measures if trials[name].nunique() > 1]


def levels_offered(trials: pd.DataFrame, objectives: Mapping[str, Direction]) -> list[str]:
    """Return what may tell several fronts apart, `NONE` among it."""
    names = [name for name in dict.fromkeys([*objectives, *_LEVELS]) if name in trials]
    return [NONE, *(name for name in names if trials[name].nunique() > 1)]


def bounds_of(values: pd.Series[float], on_front: pd.Series[bool], way: Direction) -> list[float]:
    """Return the levels at which fronts are drawn, the strictest first.

    Each value where these are few; else some, evenly taken over those of the configurations on the
    front, the loosest among them.
    """
    known = snapped(values[on_front].dropna())
    levels = np.unique(known)
    if len(levels) > MANY_LEVELS:
        shares = np.linspace(1 / FEW_LEVELS, 1, FEW_LEVELS)
        taken = (
            np.quantile(known, 1 - shares, method="lower")
            if way == "max"
            else np.quantile(known, shares, method="higher")
        )
        levels = np.unique(taken)
    return [float(level) for level in (levels[::-1] if way == "max" else levels)]


def level_words(axes: FrontAxes, bound: float) -> str:
    """Return one level in words: `at most 3 epochs`."""
    most = "at least" if axes.ways[axes.level] == "max" else "at most"
    value = shown(axes.level, bound)
    return f"{most} {value}"

"""What to use and what to avoid in each place: verdicts for the whole family of its pairs.

One is avoided where another one there is better, settled or likely, whichever it is: every pair is
in the family. Those that only look behind are set apart where few more seeds would settle it.
Between the rest there is no clear difference. With two seeds or fewer there is no verdict at all.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.answer.basis import Basis
from analysis.answer.statements import Advice, Laggard, Place, Reach, Sureness
from analysis.columns.labels import in_percent
from analysis.stats import Verdict, against, power, snapped, verdicts
from analysis.stats.power import LEVEL, POWER

FEW_SEEDS: Final = 10
"""One looks behind where so many seeds, or fewer, would settle it."""

_ORDER: Final[tuple[Sureness, ...]] = ("settled", "likely", "open")


def advice(basis: Basis) -> list[Advice]:
    """Return the advice on every place where two or more have a result."""
    choices = {tuple(at.values()): part for at, part in basis.cells(basis.choices)}
    found = []
    for at, part in basis.cells(basis.results):
        reaches = [basis.reach(name, at, part) for name in basis.names]
        met = [one for one in reaches if one.n]
        if len(met) > 1:
            first = _first(met, choices.get(tuple(at.values())))
            found.append(_advice(basis, at, part, reaches, first))
    return found


def _first(met: Sequence[Reach], chosen: pd.DataFrame | None) -> tuple[Any, ...]:
    """Who is first on validation over the seeds that all have done; several where they tie.

    Without such a seed none is first: a mean over the seeds that survived flatters.
    """
    names = [one.name for one in met]
    if chosen is None or not set(names) <= set(chosen.columns):
        return ()
    values = chosen[names].to_numpy()
    shared = values[~np.isnan(values).any(axis=1)]
    if not len(shared):
        return ()
    level = snapped(shared.mean(axis=0))
    return tuple(name for name, mean in zip(names, level, strict=True) if mean == level.max())


def _advice(
    basis: Basis,
    at: Place,
    part: pd.DataFrame,
    reaches: Sequence[Reach],
    first: tuple[Any, ...],
) -> Advice:
    held = part.notna().any()
    known = [name for name in basis.names if name in held.index and held[name]]
    # One row per seed is left: without its index nothing is to be averaged.
    pairs = verdicts(part[known].reset_index(drop=True), tuned=basis.results.tuned)
    behind = [lag for one in reaches if (lag := _laggard(one, pairs, first)) is not None]
    if len(behind) == len(known):  # each is behind another, which differing seeds could bring about
        behind = []
    behind = _truly(behind, [one for one in reaches if one.n], basis)
    apart = {lag.reach.name for lag in behind}
    group = tuple(one for one in reaches if one.n and one.name not in apart)
    inner = [one for one in pairs if not {one.of, one.rival} & apart]
    return Advice(
        at,
        basis.by,
        basis.metric,
        first,
        group,
        tuple(sorted(behind, key=lambda lag: _ORDER.index(lag.sureness))),
        tuple(one.name for one in reaches if not one.n and one.n_lost),
        max((one.interval.n for one in pairs), default=0),
        tied=bool(inner) and all(map(_tied, inner)),
    )


def _truly(behind: Sequence[Laggard], met: Sequence[Reach], basis: Basis) -> list[Laggard]:
    """Those behind, without such as only look so while one that is not reaches no more.

    In per cent a tenth of a point is the least that is told.
    """

    def level(one: Reach) -> float:
        value = basis.sign * one.mean
        return round(value, 3) if in_percent(basis.metric) else value

    apart = {lag.reach.name for lag in behind}
    least = min((level(one) for one in met if one.name not in apart), default=-math.inf)
    return [lag for lag in behind if lag.sureness != "open" or level(lag.reach) < least]


def _tied(one: Verdict) -> bool:
    """Whether two are equal at every seed, but for rounding."""
    return one.gain == 0 and not one.spread > 0


def _laggard(one: Reach, pairs: Sequence[Verdict], first: Sequence[Hashable]) -> Laggard | None:
    """By whom one is beaten most surely, and how sure that is; None where by nobody."""
    losses = [pair for pair in against(pairs, one.name) if pair.gain < 0]
    for sureness in _ORDER:
        if worst := sorted(_such(losses, sureness, first), key=lambda pair: pair.p_holm):
            pair = worst[0]
            seeds = None if sureness == "settled" else pair.seeds_to_settle
            return Laggard(one, pair.rival, -pair.gain, sureness, seeds)
    return None


def _such(
    losses: Sequence[Verdict], sureness: Sureness, first: Sequence[Hashable]
) -> list[Verdict]:
    """The losses that are so sure; open ones only to those first on validation."""
    if sureness == "settled":
        return [pair for pair in losses if pair.outcome == "worse"]
    if sureness == "likely":
        return [pair for pair in losses if pair.likely]
    return [
        pair
        for pair in losses
        if pair.outcome == "not settled" and pair.rival in first and _within_reach(pair)
    ]


def _within_reach(pair: Verdict) -> bool:
    """Whether few seeds would settle a difference in four of five studies, large as it looks."""
    if not pair.spread > 0:
        return False
    level = LEVEL / pair.n_family
    return power(pair.gain, pair.spread, FEW_SEEDS, level) >= POWER

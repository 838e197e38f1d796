"""How small a difference the seeds of a study find, and how many it would take for smaller ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import block_words, difference_unit, number, scale
from analysis.columns.roles import REPORTED, choice, named
from analysis.selection.blocks import block_columns, blocks
from analysis.selection.family import family
from analysis.selection.likeness import MANY_PLACES, margin_of, margin_words
from analysis.selection.series import comparable, series_column
from analysis.stats import FEWEST_SEEDS
from trainables.vocabulary.wording import counted

STEPS: Final = (1.0, 2.0, 4.0)
"""Differences that a table gives the seeds of, in margins."""


@dataclass(frozen=True)
class Resolution:
    """What the seeds of one place resolve between contestants, one of all pairs.

    `spread` is the deviation of a paired difference from seed to seed, `least` the smallest true
    difference found in four of five studies with as many seeds as there are, both in the metric's
    own unit. `needed` maps differences to the seeds that find them, None for very many.
    """

    place: dict[str, Any]
    metric: str
    n_seeds: int
    n_pairs: int
    spread: float
    least: float
    needed: dict[float, int | None]


def resolutions(
    frame: pd.DataFrame, margin: float | None = None, metric: str = REPORTED
) -> list[Resolution]:
    """Return what the seeds resolve at each sparsity and budget where contestants meet.

    `margin`, in the metric's shown unit, is half a point of a per cent unless given; without one
    there are no `needed` seeds. Places with fewer than two seeds, whose spread is not known, are
    left out. With very many places, as where sparsity is sampled, none is spoken of by itself.
    """
    trials = comparable(frame)
    if trials.empty or choice(trials) not in trials:
        return []
    name = named(metric, trials)
    by = series_column(trials)
    if name not in trials or by not in trials or trials[by].nunique() < 2:
        return []
    size = margin_of(name, margin)
    steps = [] if size is None else [size * step for step in STEPS]
    found = []
    places = blocks(trials, block_columns(trials, by))
    for place in places if len(places) <= MANY_PLACES else []:
        met = family(trials, place, by, name)
        if math.isnan(met.spread):
            continue
        needed = {step: met.seeds_to_resolve(step) for step in steps}
        least = met.smallest_difference
        found.append(
            Resolution(place, name, met.n_seeds, len(met.verdicts), met.spread, least, needed)
        )
    return found


def seeds_sentence(frame: pd.DataFrame, margin: float | None = None) -> str:
    """Return how many seeds a difference of the margin takes, and what these seeds find; or ""."""
    found = resolutions(frame, margin)
    if not found:
        return ""
    name = found[0].metric
    low, high = (pick(found, key=lambda one: one.spread) for pick in (min, max))
    parts = []
    if low.needed:
        size = min(low.needed)
        parts.append(
            f"To find a difference of {margin_words(name, size)} in four of five studies takes"
            f" {_range(_seeds(low.needed[size]), _seeds(high.needed[size]), low, high)}"
        )
    known = [one for one in found if one.n_seeds >= FEWEST_SEEDS]
    if known:
        least, most = (
            f"{number(one.least * scale(name), 2)}"
            for one in (
                min(known, key=lambda one: one.least),
                max(known, key=lambda one: one.least),
            )
        )
        unit = difference_unit(name)
        noisiest = "" if least == most else f" (in the noisiest setting {most})"
        have = counted(max(one.n_seeds for one in known), "seed")
        found_size = f"{least} {unit}".rstrip()
        parts.append(f"the {have} here find differences of {found_size} or more{noisiest}")
    if not parts:
        return ""
    text = "; ".join(parts)
    pairs = max(one.n_pairs for one in found)
    family_words = "" if pairs == 1 else f", as one of {pairs} pairs"
    return f"{text[0].upper()}{text[1:]}{family_words}, by the spread seen from seed to seed."


def _seeds(n: int | None) -> str:
    return "thousands of seeds" if n is None else f"{number(n)} seed{'s' * (n != 1)}"


def _range(least: str, most: str, low: Resolution, high: Resolution) -> str:
    if least == most:
        return least
    return f"{least} at {block_words(low.place)} and {most} at {block_words(high.place)}"

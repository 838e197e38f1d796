"""Which contestants are shown to be alike within a margin, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import block_words, difference_unit, number, scale, shown, words
from analysis.columns.names import joined
from analysis.columns.roles import REPORTED, named
from analysis.selection.blocks import Block, block_columns, blocks
from analysis.selection.family import family
from analysis.selection.series import series_column
from analysis.stats import FEWEST_SEEDS, default_margin
from analysis.stats.power import LEVEL
from trainables.vocabulary.wording import counted

MANY_PLACES: Final = 24
"""In more places than this pairs are not judged one by one."""


def margin_of(metric: str, margin: float | None) -> float | None:
    """Return the margin given, in the metric's shown unit (points of a per cent), as stored.

    The default one where none is given: half a point in per cent, none for other units.
    """
    return default_margin(metric) if margin is None else margin / scale(metric)


def margin_words(metric: str, margin: float) -> str:
    """Return a margin in words: `0.5 points of test accuracy`."""
    size = difference_words(metric, margin)
    return f"{size} {'of' if difference_unit(metric) else 'in'} {words(metric)}"


def difference_words(metric: str, margin: float) -> str:
    """Return the size of a difference with its unit, as stored: .005 gives `0.5 points`."""
    size, unit = number(margin * scale(metric), 3), difference_unit(metric)
    noun = "point" if unit == "points" and size == "1" else unit
    return f"{size} {noun}".strip()


def likeness_sentence(
    trials: pd.DataFrame,
    metric: str = REPORTED,
    margin: float | None = None,
    by: str | None = None,
    naming: Callable[[str, Any], str] = shown,
) -> str:
    """Return which pairs of contestants are shown to differ by less than a margin, place by place.

    `margin` is in the metric's shown unit; `naming` gives a contestant's name in words. "" where
    there is no margin, fewer than two contestants, or too many places to name.
    """
    name, series = named(metric, trials), by or series_column(trials)
    limit = margin_of(name, margin)
    columns = block_columns(trials, series)
    places = blocks(trials, columns)
    if limit is None or trials[series].nunique() < 2 or len(places) > MANY_PLACES:
        return ""
    parts, n_pairs, n_seeds = [], 0, 0
    for place in places:
        found = family(trials, place, series, name)
        n_seeds = max(n_seeds, found.n_seeds)
        n_pairs += sum(one.interval.n >= FEWEST_SEEDS for one in found.verdicts)
        alike = [(one.of, one.rival) for one, _ in found.alike(limit)]
        if alike:
            n_names = len(found.entrants.gains.columns)
            parts.append(_place_words(place, alike, n_names, partial(naming, series)))
    size = margin_words(name, limit)
    if n_seeds < FEWEST_SEEDS:
        few = counted(n_seeds, "seed")
        return f"With {few} nothing can be shown to differ by less than {size}." if n_seeds else ""
    if not parts:
        return (
            f"No pair is shown to differ by less than {size} (two one-sided t tests at {LEVEL},"
            f" {counted(n_pairs, 'pair')} judged one by one): no clear difference is not likeness."
        )
    return (
        f"Shown to differ by less than {size} (two one-sided t tests at {LEVEL}, each pair by"
        f" itself): {'; '.join(parts)}."
    )


def _place_words(
    place: Block,
    alike: Sequence[tuple[Any, Any]],
    n_names: int,
    named_as: Callable[[Any], str],
) -> str:
    sets = sets_alike(alike)
    if len(sets) == 1 and len(sets[0]) == n_names and n_names > 2:
        listed = f"all {n_names}"
    else:
        listed = ", also ".join(joined([named_as(name) for name in names]) for names in sets)
    return f"{listed} at {block_words(place)}" if place else listed


def sets_alike(pairs: Sequence[tuple[Any, Any]]) -> list[list[Any]]:
    """Return the largest sets of names of which every two make a pair, in the order of names."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    near = {name: {b if a == name else a for a, b in pairs if name in (a, b)} for name in names}
    found: list[set[Any]] = []

    def grow(together: set[Any], open_: set[Any], seen: set[Any]) -> None:
        if not open_ and not seen:
            found.append(together)
        for name in [one for one in names if one in open_]:
            grow(together | {name}, open_ & near[name], seen & near[name])
            open_, seen = open_ - {name}, seen | {name}

    grow(set(), set(names), set())
    return [[name for name in names if name in one] for one in found if len(one) > 1]

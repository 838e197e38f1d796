"""Figures with their selectors, drawn for a page that has no server behind it.

Every combination of a figure's choices that the page offers is drawn beforehand; what does not fit
the page's size is thinned or not offered, and said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.names import joined
from analysis.columns.roles import CHOICE, PACE, REPORTED, named
from analysis.drawing.untitled import Drawing
from analysis.figures import FIGURES, Figure, source_frame
from analysis.frames.study_frames import StudyFrames
from analysis.panels.aims import aimed
from analysis.panels.drawings import drawing, fault, one_row_per_trial, tabulated
from analysis.panels.picks import AT, Pick, keywords, offers, picks
from analysis.selection.objectives import declared_objectives
from analysis.selection.tabulation import Tabulation

MANY_VARIANTS: Final = 12
MANY_FRONTS: Final = 36
"""So many combinations a front may have, whose two axes are free."""

BYTES: Final = 480_000
"""What one figure, all of its combinations together, may add to a page."""

POINTS: Final = 1_200
"""Points that one combination shows at most."""

METRICS: Final = (REPORTED, CHOICE, "val_loss", "theoretical_speedup", PACE)
MANY_METRICS: Final = 2

MANY_AXES: Final = 4

_OFFERED: Final = frozenset({"metric", "view", "of", "cost", "x", "y", "level", "evaluator"})
"""Controls that a page offers besides the block."""

_SLOW: Final = frozenset({"evaluator"})
"""Controls that stay at their default here: fANOVA takes longer than all the rest of a page."""


@dataclass(frozen=True)
class Exhibit:
    """A figure ready for a page.

    `payload` is JSON: `variants` maps the options' positions, joined by `|`, to data, layout,
    height, subtitle and notes. `start` is the position of each selector's default. `offered` says
    what is not offered for want of room. `table` is the default's table.
    """

    figure: Figure
    selectors: tuple[Pick, ...]
    start: tuple[int, ...]
    payload: str
    height: int
    subtitle: str
    notes: tuple[str, ...]
    offered: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Absent:
    """A figure that has nothing to show, and why."""

    figure: Figure
    reason: str


def exhibits(study: StudyFrames) -> tuple[list[Exhibit], list[Absent]]:
    """Return the figures that have something to show for a study, and those that have not."""
    objectives = declared_objectives(study.settings, study.trials)
    made = [_guarded(figure, study, objectives) for figure in FIGURES.values()]
    return (
        [one for one in made if isinstance(one, Exhibit)],
        [one for one in made if isinstance(one, Absent)],
    )


def _guarded(figure: Figure, study: StudyFrames, objectives: Mapping[str, Any]) -> Exhibit | Absent:
    """A figure's exhibit; one fault must not cost the reader all the others."""
    try:
        return exhibit(figure, source_frame(study, figure.source), objectives)
    except Exception as error:
        return Absent(figure, f"It could not be drawn ({fault(error)}).")


def exhibit(
    figure: Figure, frame: pd.DataFrame, objectives: Mapping[str, Any] = MappingProxyType({})
) -> Exhibit | Absent:
    """Return one figure with its selectors for a frame, or why it is empty.

    `objectives` are those of the study's search, where it has several.
    """
    figure = aimed(figure, objectives)
    table = tabulated(figure, frame, {})
    first = drawing(figure, thinned(table))
    if not first.data:
        return Absent(figure, first.reason)
    wanted = _selectors(figure, frame, table, objectives)
    many = MANY_FRONTS if _is_free(figure) else MANY_VARIANTS
    selectors = _fitting(wanted, len(json.dumps(_plain(first))), many)
    start = tuple(map(_start, selectors))
    variants = {"|".join(map(str, start)): _plain(first)}
    for positions in product(*(range(len(selector.options)) for selector in selectors)):
        if positions != start:
            variant = thinned(tabulated(figure, frame, _controls(selectors, positions)))
            variants["|".join(map(str, positions))] = _plain(drawing(figure, variant))
    return Exhibit(
        figure,
        selectors,
        start,
        json.dumps({"variants": variants}),
        first.height,
        first.subtitle,
        first.notes,
        _offered(wanted, selectors),
        table.frame,
    )


def _plain(drawn: Drawing) -> dict[str, Any]:
    return {name: value for name, value in vars(drawn).items() if name != "reason"}


def thinned(table: Tabulation, limit: int = POINTS) -> Tabulation:
    """Return at most about `limit` rows, evenly taken in order; a Pareto front's are all kept."""
    frame = table.frame
    if len(frame) <= limit:
        return table
    take = np.zeros(len(frame), dtype=bool)
    take[np.linspace(0, len(frame) - 1, limit).round().astype(int)] = True
    if "front" in frame:
        take |= frame["front"].to_numpy(dtype=bool)
    short = frame[take].reset_index(drop=True)
    few = f"{len(short)} of {len(frame)} points are drawn here, evenly taken."
    return replace(table, frame=short).noting(few)


def _selectors(
    figure: Figure, frame: pd.DataFrame, table: Tabulation, objectives: Mapping[str, Any]
) -> tuple[Pick, ...]:
    offered = offers(figure, one_row_per_trial(figure, frame), objectives=objectives)
    if "metric" in offered:
        offered["metric"] = _metrics(offered["metric"], frame)
    if figure.name == "importance" and objectives:
        offered["metric"] = []  # all objectives are shown
    for axis in ("x", "y"):
        if axis in offered:
            free = _is_free(figure) and axis in table.chosen
            offered[axis] = _few_axes(axis, offered[axis], table) if free else []
    return tuple(
        choice
        for choice in picks(offered, {}, table)
        # Where the start has no value of a column, none of the options says so.
        if choice.name in _OFFERED or (choice.name.startswith(AT) and choice.value in choice.values)
    )


def _is_free(figure: Figure) -> bool:
    """Whether any two measures may lie on a figure's axes."""
    return "level" in figure.controls


def _few_axes(axis: str, offered: Sequence[str], table: Tabulation) -> list[str]:
    """Of what may stand on an axis what does, and the first few that stand on neither."""
    taken = (table.chosen["x"], table.chosen["y"])
    return [table.chosen[axis], *(c for c in offered if c not in taken)][:MANY_AXES]


def _metrics(offered: Sequence[str], frame: pd.DataFrame) -> list[str]:
    """Of metrics only the default and those most asked for."""
    asked = [named(metric, frame) for metric in METRICS]
    return list(dict.fromkeys([*offered[:1], *(m for m in offered if m in asked)]))[:MANY_METRICS]


def _start(selector: Pick) -> int:
    """The position of the option that a selector starts at."""
    return selector.values.index(selector.value)


def _fitting(selectors: Sequence[Pick], size: int, many: int) -> tuple[Pick, ...]:
    """Selectors with options dropped from the longest until all combinations fit the page.

    `many` is how many combinations there may be, `size` what one takes in bytes.
    """
    most = max(1, min(many, BYTES // max(1, size)))
    kept = [_at_most(selector, most) for selector in selectors if selector.name not in _SLOW]
    while prod(len(selector.options) for selector in kept) > most:
        longest = max(range(len(kept)), key=lambda i: len(kept[i].options))
        kept[longest] = _shortened(kept[longest])
    return tuple(selector for selector in kept if len(selector.options) > 1)


def _at_most(selector: Pick, most: int) -> Pick:
    """A selector with at most so many of its options, the one that it starts at among them."""
    start = _start(selector)
    if len(selector.options) <= most:
        return selector
    first = selector.options[:most] if start < most else selector.options[: most - 1]
    return replace(selector, options=(*first, *([selector.options[start]] * (start >= most))))


def _shortened(selector: Pick) -> Pick:
    """A selector without the last of its options that it does not start at."""
    last = max(i for i in range(len(selector.options)) if i != _start(selector))
    return replace(selector, options=(*selector.options[:last], *selector.options[last + 1 :]))


def _offered(wanted: Sequence[Pick], kept: Sequence[Pick]) -> str:
    """What the page leaves to the dashboard, in words; "" when nothing."""
    counts = {selector.name: len(selector.options) for selector in kept}
    parts = [
        f"{counts.get(selector.name, 1)} of {len(selector.options)} choices of “{selector.label}”"
        for selector in wanted
        if counts.get(selector.name, 1) < len(selector.options)
    ]
    return f"Offered here: {joined(parts)}; the dashboard has all." if parts else ""


def _controls(selectors: Sequence[Pick], positions: Sequence[int]) -> dict[str, Any]:
    """The keywords of a figure's table for one combination of options."""
    chosen = zip(selectors, positions, strict=True)
    return keywords({s.name: s.values[position] for s, position in chosen})

"""Figures with their selectors, drawn for a page that has no server behind it.

Every combination of a figure's controls that the page offers is drawn beforehand; what does not fit
the page's size is thinned or not offered, and said.
"""

from __future__ import annotations

import html
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import prod
from typing import Any, Final, get_args

import numpy as np
import pandas as pd

from analysis.columns.labels import label, shown, words
from analysis.columns.names import joined
from analysis.drawing.canvas import untitled
from analysis.figures import FIGURES, Figure, choices, source_frame
from analysis.frames.study_frames import Study
from analysis.selection.blocks import notes
from trainables.vocabulary.schema import METRICS as SCHEMA
from trainables.vocabulary.schema import Direction

MANY_VARIANTS: Final = 12
BYTES: Final = 480_000
"""What one figure, all of its combinations together, may add to a page."""

POINTS: Final = 1_200
"""Points that one combination shows at most."""

METRICS: Final = ("test_accuracy", "val_accuracy", "val_loss", "theoretical_speedup",
                  "train_images_per_s")  # fmt: skip
MANY_METRICS: Final = 2

_LABELS: Final = {
    "metric": "metric", "of": "gain of", "cost": "cost", "against": "against",
    "evaluator": "judged by",
}  # fmt: skip
"""Controls that a page offers besides the block, with their labels."""

_SLOW: Final = frozenset({"evaluator"})
"""Controls that stay at their default here: fANOVA takes longer than all the rest of a page."""


@dataclass(frozen=True)
class Selector:
    """One choice on a page: its control, a label, and the options as (value, label)."""

    name: str
    label: str
    options: tuple[tuple[Any, str], ...]


@dataclass(frozen=True)
class Panel:
    """A figure ready for a page.

    `payload` is JSON: `variants` maps the options' places, joined by `|`, to data, layout,
    `subtitle` and `notes`. `start` is the place of each selector's default. `offered` says what is
    not offered for want of room. `table` is the default's table.
    """

    figure: Figure
    selectors: tuple[Selector, ...]
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


def panels(study: Study) -> tuple[list[Panel], list[Absent]]:
    """Return the figures that have something to show for a study, and those that have not."""
    shown_ones: list[Panel] = []
    absent: list[Absent] = []
    objectives = declared_objectives(study)
    for figure in FIGURES.values():
        if figure.name == "pareto" and objectives:
            figure = _under_objectives(figure, objectives)
        found = _guarded(figure, study)
        if isinstance(found, Panel):
            shown_ones.append(found)
        else:
            absent.append(found)
    return shown_ones, absent


def _guarded(figure: Figure, study: Study) -> Panel | Absent:
    """A figure's panel; one fault must not cost the reader all the others."""
    try:
        return panel(figure, source_frame(study, figure.source))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return Absent(figure, f"It could not be drawn ({type(error).__name__}: {error}).")


def declared_objectives(study: Study) -> dict[str, Any]:
    """Return the objectives that all folders' searches share, with directions, if two or more.

    None where one of them is measured on test or stands in no trial.
    """
    searches = [content.get("search") for content in study.settings.values()]
    asked = [search.get("objectives") if isinstance(search, dict) else None for search in searches]
    shared = asked[0] if asked and all(one == asked[0] for one in asked) else None
    if not isinstance(shared, dict) or len(shared) < 2:
        return {}
    trials = study.trials
    known = [
        name in SCHEMA
        and not SCHEMA[name].on_test
        and name in trials
        and trials[name].notna().any()
        and way in get_args(Direction)
        for name, way in shared.items()
    ]
    return dict(shared) if all(known) else {}


def _under_objectives(figure: Figure, objectives: Mapping[str, Any]) -> Figure:
    """The Pareto front of a search's own objectives, which leave no axes to be chosen."""
    return replace(
        figure,
        question="Which configurations does no other beat in all objectives of the search?",
        controls=("by",),
        table=partial(figure.table, objectives=dict(objectives)),
    )


def panel(figure: Figure, frame: pd.DataFrame) -> Panel | Absent:
    """Return one figure with its selectors for a frame, or why it is empty."""
    table = figure.tabulate(frame)
    first = _variant(figure, table)
    if not first["data"]:
        return Absent(figure, first["why"])
    default = table.attrs.get("at", {})
    wanted = _selectors(figure, frame, default)
    selectors = _fitting(wanted, default, len(json.dumps(first)))
    start = tuple(_place(selector, default) for selector in selectors)
    variants = {"|".join(map(str, start)): first}
    for places in product(*(range(len(selector.options)) for selector in selectors)):
        if places != start:
            made = _variant(figure, figure.tabulate(frame, **_controls(selectors, places)))
            variants["|".join(map(str, places))] = made
    return Panel(
        figure,
        selectors,
        start,
        json.dumps({"variants": variants}),
        first["height"],
        first["subtitle"],
        tuple(first["notes"]),
        _offered(wanted, selectors),
        table,
    )


def _variant(figure: Figure, table: pd.DataFrame) -> dict[str, Any]:
    """One drawn combination: Plotly's data and layout, subtitle and notes as plain text."""
    thin = thinned(table)
    drawn = untitled(figure.figure(thin))
    return {
        "data": drawn.data,
        "layout": drawn.layout,
        "height": drawn.height,
        "subtitle": drawn.subtitle,
        "notes": [html.unescape(note) for note in notes(thin)],
        "why": drawn.said,
    }


def thinned(table: pd.DataFrame, limit: int = POINTS) -> pd.DataFrame:
    """Return at most about `limit` rows, evenly taken in order; a Pareto front's are all kept."""
    if len(table) <= limit:
        return table
    take = np.zeros(len(table), dtype=bool)
    take[np.linspace(0, len(table) - 1, limit).round().astype(int)] = True
    if "front" in table:
        take |= table["front"].to_numpy(dtype=bool)
    short = table[take].reset_index(drop=True)
    said = f"{len(short)} of {len(table)} points are drawn here, evenly taken."
    short.attrs = {**table.attrs, "notes": [*notes(table), said]}
    return short


def _selectors(
    figure: Figure, frame: pd.DataFrame, default: Mapping[str, Any]
) -> tuple[Selector, ...]:
    offers = choices(figure, frame)
    selectors = []
    for control in figure.controls:
        if control == "at":
            selectors += [
                Selector(f"at:{column}", words(column), _options(column, values))
                for column, values in offers["at"].items()
                # Where the start has no value of a column, none of the options says so.
                if default.get(column) in values
            ]
        elif control in _LABELS:
            selectors.append(Selector(control, _LABELS[control], _named(control, offers[control])))
    return tuple(selector for selector in selectors if len(selector.options) > 1)


def _options(column: str, values: list[Any]) -> tuple[tuple[Any, str], ...]:
    return tuple((value, html.unescape(shown(column, value))) for value in values)


def _named(control: str, values: list[Any]) -> tuple[tuple[Any, str], ...]:
    """Options of a control that is no block; of metrics only the ones most asked for."""
    if control == "metric":
        asked = [name for name in values if name in METRICS]
        values = [*values[:1], *(name for name in asked if name != values[0])][:MANY_METRICS]
    says = words if control in ("metric", "against") else label
    return tuple((value, html.unescape(says(value))) for value in values)


def _place(selector: Selector, default: Mapping[str, Any]) -> int:
    """Where a selector starts: at the default block, else at its first option."""
    column = selector.name.removeprefix("at:")
    values = [value for value, _ in selector.options]
    return values.index(default[column]) if column in default else 0


def _fitting(
    selectors: tuple[Selector, ...], default: Mapping[str, Any], size: int
) -> tuple[Selector, ...]:
    """Selectors with options dropped from the longest until all combinations fit the page."""
    kept = [selector for selector in selectors if selector.name not in _SLOW]
    most = max(1, min(MANY_VARIANTS, BYTES // max(1, size)))
    while prod(len(selector.options) for selector in kept) > most:
        longest = max(range(len(kept)), key=lambda i: len(kept[i].options))
        selector = kept[longest]
        start = _place(selector, default)
        spare = [i for i in range(len(selector.options)) if i != start]
        options = tuple(o for i, o in enumerate(selector.options) if i != spare[-1])
        kept[longest] = Selector(selector.name, selector.label, options)
    return tuple(selector for selector in kept if len(selector.options) > 1)


def _offered(wanted: tuple[Selector, ...], kept: tuple[Selector, ...]) -> str:
    """What the page leaves to the dashboard, in words; "" when nothing."""
    counts = {selector.name: len(selector.options) for selector in kept}
    parts = [
        f"{counts.get(selector.name, 1)} of {len(selector.options)} choices of “{selector.label}”"
        for selector in wanted
        if counts.get(selector.name, 1) < len(selector.options)
    ]
    return f"Offered here: {joined(parts)}; the dashboard has all." if parts else ""


def _controls(selectors: tuple[Selector, ...], places: tuple[int, ...]) -> dict[str, Any]:
    """The keywords of a figure's table for one combination of options."""
    chosen = {s.name: s.options[place][0] for s, place in zip(selectors, places, strict=True)}
    at = {name.removeprefix("at:"): v for name, v in chosen.items() if name.startswith("at:")}
    controls = {name: value for name, value in chosen.items() if not name.startswith("at:")}
    return {**controls, "at": at} if at else controls

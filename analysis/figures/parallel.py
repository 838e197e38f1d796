"""All configurations side by side, one line each across an axis per setting."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import axis_title, number, scale, shown, sign, titled, words
from analysis.columns.names import is_missing, ordered
from analysis.columns.roles import CHOICE, named
from analysis.drawing import axes, canvas
from analysis.fronts.pareto import configuration_means
from analysis.selection.contest import fallen_note
from analysis.selection.series import comparable
from analysis.selection.settings import numbers_of, varying, wide, without_synonyms
from analysis.selection.tabulation import Tabulation
from trainables.vocabulary.wording import counted

MANY_LINES: Final = 2_000
MANY_AXES: Final = 8
MANY_TICKS: Final = 6
ROOM: Final = 80
"""Pixels that an axis needs beside the next; a page lets a narrow window scroll."""


def parallel_table(frame: pd.DataFrame, *, metric: str = CHOICE) -> Tabulation:
    """Return one row per configuration: its varying settings, the metric's mean, and n seeds.

    At most `MANY_LINES` configurations, evenly taken over the order of the metric; settings that a
    trial does not have are missing. At most `MANY_AXES` settings, those with most values, which are
    the table's facts.
    """
    metric = named(metric, frame)
    trials = comparable(frame)
    distinct = without_synonyms(trials, varying(trials))
    most = sorted(distinct, key=lambda column: -trials[column].nunique())[:MANY_AXES]
    kept = [column for column in distinct if column in most]
    table = configuration_means(trials, [metric], metric).drop(columns=["series", "standing"])
    table = table[[*kept, metric, "n"]].sort_values(metric, kind="stable", ignore_index=True)
    few = ""
    if len(table) > MANY_LINES:
        take = np.unique(np.linspace(0, len(table) - 1, MANY_LINES).round().astype(int))
        few = f"{len(take)} of {len(table)} configurations are drawn, evenly over the metric."
        table = table.iloc[take].reset_index(drop=True)
    return Tabulation(table, (fallen_note(trials), few), metric=metric, facts=kept)


def parallel_figure(table: Tabulation) -> go.Figure:
    """Return parallel coordinates, one line per configuration in the colour of its metric."""
    frame, metric, settings = table.frame, table.metric, table.facts
    title = "All configurations side by side"
    if frame.empty or not settings:
        why = table.notes if frame.empty else ["All configurations are the same: nothing varies."]
        return canvas.blank(title, why)
    hint = f"drag along an axis to filter; n = {counted(len(frame), 'configuration')}"
    figure = canvas.canvas(title, subtitle=hint)
    values = (frame[metric] * scale(metric)).tolist()
    dimensions = [_dimension(frame[column], column) for column in settings]
    figure.add_parcoords(
        dimensions=[*dimensions, {"label": _short_title(metric), "values": values}],
        line={"color": values, "coloraxis": "coloraxis"},
        labelside="bottom",
        labelangle=-20,
        rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
        unselected={"line": {"opacity": 0.1}},
    )
    figure.update_layout(
        coloraxis={"colorbar": {**axes.flat_bar(axis_title(metric)), "y": 1.1}},
        margin={"l": 70, "r": 80, "t": 130, "b": 80},
        meta={"min_width": ROOM * (len(dimensions) + 1)},
    )
    return figure


def _dimension(column: pd.Series[Any], name: str) -> dict[str, Any]:
    """One axis: numbers as they are, words and missing values at places of their own."""
    numbers = _numbers(column) * scale(name)
    if numbers.nunique() > MANY_TICKS:
        return {"label": _short_title(name), **_many_numbers(numbers, column, name)}
    if numbers.notna().all():
        few = sorted(set(numbers))
        ticks = {"tickvals": few, "ticktext": [number(v) for v in few]}
        return {"label": _short_title(name), "values": numbers.tolist(), **ticks}
    texts = [_tick(name, value) for value in column]
    known = [shown(name, value) for value in ordered(column.dropna(), name)]
    positions = {text: rank for rank, text in enumerate(dict.fromkeys([*known, *texts]))}
    return {
        "label": canvas.markup(words(name)),
        "values": [positions[text] for text in texts],
        "tickvals": list(positions.values()),
        "ticktext": [canvas.markup(text) for text in positions],
    }


def _tick(name: str, value: Any) -> str:
    return "not set" if is_missing(value) else shown(name, value)


def _numbers(column: pd.Series[Any]) -> pd.Series[float]:
    """The numbers of a column, its words and truth values missing."""
    if pd.api.types.is_bool_dtype(column):
        return pd.Series(np.nan, index=column.index)
    return numbers_of(column).astype(float)


def _many_numbers(numbers: pd.Series[float], column: pd.Series[Any], name: str) -> dict[str, Any]:
    """Many numbers on one axis, by their logarithm where they span much; words below them all."""
    by_power = wide(numbers)
    positions = numbers.map(np.log10) if by_power else numbers
    low, high = float(positions.min()), float(positions.max())
    texts = {row: _tick(name, column[row]) for row in column.index[numbers.isna()]}
    below = {
        text: low - 0.12 * (high - low) * (rank + 1)
        for rank, text in enumerate(sorted({*texts.values()}))
    }
    if not by_power and not below:
        return {"values": positions.tolist()}
    ticks = np.linspace(low, high, MANY_TICKS).tolist()
    plain = [number(10**tick if by_power else tick, 3) for tick in ticks]
    return {
        "values": positions.fillna(
            pd.Series(texts, dtype=object).map(below).astype(float)
        ).tolist(),
        "tickvals": [*ticks, *below.values()],
        "ticktext": [canvas.markup(text) for text in [*plain, *below]],
    }


def _short_title(column: str) -> str:
    """Words and only the sign of the unit: axes stand close to each other."""
    return canvas.markup(titled(words(column), sign(column)))

"""How a metric lies over one setting, one point per configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, capital, number, scale, shown, words
from analysis.columns.names import joined, require_columns
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.selection.blocks import Block, block_of, inside, task_columns
from analysis.selection.contest import Contest, fallen_note
from analysis.selection.series import (
    MANY_SERIES,
    budget_column,
    comparable,
    goal_columns,
    series_column,
)
from analysis.selection.settings import (
    configurations,
    free_settings,
    held_settings,
    numbers_of,
    numeric_settings,
    wide,
)
from analysis.selection.tabulation import Tabulation, nothing


def slice_table(
    frame: pd.DataFrame, *, metric: str = CHOICE, x: str | None = None, at: Block | None = None
) -> Tabulation:
    """Return each configuration's mean of a metric over one setting, others of few values held.

    `x` is the setting with most values unless given. What is compared, or else the sparsity or the
    budget, is told apart as series; the block holds every other setting that takes few values.
    Columns: x, series, value, std, n. Configurations that do not have the setting, or have a word
    there, are left out.
    """
    metric = named(metric, frame)
    trials = comparable(frame)
    settings = numeric_settings(trials)
    if x is None and not settings:
        return nothing("No setting takes more than two numbers.")
    column = x or settings[0]
    require_columns(trials, [column, metric])
    shown_by = hue_column(trials, column)
    meet = held_contest(trials, (column, shown_by), at)
    table = configuration_points(meet.trials, metric, {"x": column}, shown_by)
    table = table.dropna(subset=["x"]).sort_values("x", kind="stable", ignore_index=True)
    notes = held_note(meet.trials, meet.at, (column, shown_by)), fallen_note(meet.trials)
    return meet.tabulation(
        table, *notes, metric=metric, x=column, by=shown_by, chosen={"x": column}
    )


def hue_column(trials: pd.DataFrame, *axes: str) -> str:
    """Return what points are coloured by: the first of series, sparsity and budget that varies.

    Of these only what takes few values.
    """
    first = (series_column(trials), *goal_columns(trials))
    columns = [c for c in first if c in trials and c not in axes]
    few = (c for c in columns if 1 < trials[c].nunique() <= MANY_SERIES)
    return next(few, columns[0])


def held_contest(trials: pd.DataFrame, axes: Sequence[str], at: Block | None) -> Contest:
    """Return the trials of one block that holds every setting of few values but the axes.

    Where `at` does not say, the value with most trials is held, of several the last.
    """
    columns = dict.fromkeys([*task_columns(trials), *held_settings(trials, axes)])
    held = [c for c in columns if c not in axes]
    given = {c: value for c, value in (at or {}).items() if c not in axes}
    block = block_of(trials, held, given)
    series = series_column(trials)
    return Contest(inside(trials, block), series, block, (), budget_column(trials))


def held_note(trials: pd.DataFrame, at: Block, axes: Sequence[str]) -> str:
    """Return what is held, and what varies unseen among the points; "" where nothing does."""
    held = [setting_words(column, value) for column, value in at.items()]
    loose = [words(c) for c in free_settings(trials, axes)]
    sentences = [
        f"Held: {joined(held)}." if held else "",
        f"Not held, since they take too many values: {joined(loose)}. Points differ in them too."
        if loose
        else "",
    ]
    return " ".join(one for one in sentences if one)


def setting_words(column: str, value: Any) -> str:
    """Return a setting and its value in words."""
    return f"{words(column)} {shown(column, value)}"


def configuration_points(
    frame: pd.DataFrame, metric: str, axes: Mapping[str, str], series: str
) -> pd.DataFrame:
    """Return one row per configuration that is done: the axes, series, value, std and n."""
    grouped = _by_configuration(frame, metric)
    table = pd.DataFrame({name: numbers_of(grouped[c].first()) for name, c in axes.items()})
    table["series"] = grouped[series].first()
    value = grouped[metric]
    table["value"], table["std"], table["n"] = value.mean(), value.std(), value.size()
    return table.reset_index(drop=True)


def _by_configuration(frame: pd.DataFrame, metric: str) -> Any:
    done = frame[(frame["state"] == "done") & frame[metric].notna()]
    return done.groupby(configurations(done), sort=False)


def slice_figure(table: Tabulation) -> go.Figure:
    """Return points over one setting, in the colour of their series."""
    frame, metric, x = table.frame, table.metric, table.x
    if frame.empty:
        why = table.notes or ["No configuration has this setting."]
        return canvas.blank("Metric over one setting", why)
    title = f"{capital(words(metric))} over {words(x)}"
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    for name, style in theme.styles(frame["series"], table.by).items():
        part = frame[frame["series"] == name]
        figure.add_trace(
            canvas.scatter(
                len(frame),
                shown(table.by, name),
                [_text(row, table) for row in tuples(part)],
                x=part["x"] * scale(x),
                y=part["value"] * scale(metric),
                mode="markers",
                marker={**canvas.marker(style, 7), "opacity": 0.75},
            )
        )
    figure.update_xaxes(setting_axis(x, frame["x"]))
    figure.update_yaxes(axes.column_axis(metric))
    canvas.title_legend(figure, frame["series"], table.by)
    canvas.brief_legend(figure)
    return figure


def setting_axis(column: str, values: pd.Series[float]) -> dict[str, Any]:
    """Return an axis for a setting's values: powers of ten where they span several."""
    if not wide(values):
        return axes.column_axis(column, type="linear")
    return axes.column_axis(column, type="log", dtick=1, exponentformat="power")


def _text(row: Any, table: Tabulation) -> str:
    metric = table.metric
    spread = f", standard deviation {number(row.std * scale(metric), 2)}" if row.n > 1 else ""
    return (
        f"{words(table.by)} {shown(table.by, row.series)}\n"
        f"{words(table.x)} {shown(table.x, row.x)}\n"
        f"{words(metric)} {shown(metric, row.value)}\nn = {row.n}{spread}"
    )

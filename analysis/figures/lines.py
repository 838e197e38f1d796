"""Means of a metric over one setting, one line a series, with the dense model's line.

What accuracy against sparsity, against budget and against the split of a budget have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import axis_title, in_percent, label, place, scale, shown, words
from analysis.columns.names import config_columns, differing, joined
from analysis.drawing import canvas, theme
from analysis.selection.blocks import (
    SPARSITY,
    block_columns,
    block_of,
    described,
    fallen_note,
    inside,
    means,
    noted,
    notes,
    stand_ins,
    told,
    tuned_note,
    tuples,
)

MANY: Final = 12
"""With more levels than this on the axis, points are not joined: they are a search, no grid."""

CROWDED: Final = 0.03
"""Levels closer than this share of the axis have no ticks of their own: these would overlap."""

ALONE: Final = 0.2
"""Room on both sides of a single level, as a share of it."""

INTERVALS: Final = (
    "Bars are 95 % intervals of the mean over seeds, Student's t: a single seed has none, and that"
    " of two seeds is very wide."
)

MANY_BARS: Final = 40
"""With more levels than this, intervals are in the hover text alone: bars would hide the points."""

HOVERED: Final = (
    "Intervals are in the hover text: 95 %, Student's t, of the mean over seeds; very wide with two"
    " seeds."
)


def line_table(
    trials: pd.DataFrame, x: str, metric: str, by: str, at: Mapping[str, Any] | None
) -> pd.DataFrame:
    """Return the mean of a metric per value of `by` and of `x`, in one block.

    Columns: series, x, mean, std, n, lo, hi, n_failed, n_diverged, n_configurations, reference
    (True in the row of the dense model, whose x is missing; no such row where the dense runs are
    of several settings).
    """
    block = block_of(trials, [c for c in block_columns(trials, by) if c != x], at)
    here = inside(trials, block).dropna(subset=[x, by])
    chosen = stand_ins(here, by, [x])
    table = means(chosen, [by, x], metric)
    stood = chosen.drop_duplicates([by, x])[[by, x, "n_configurations"]]
    table = table.merge(stood, on=[by, x], how="left").assign(reference=False)
    table = table.rename(columns={by: "series", x: "x"})
    apart = dense_settings(chosen, metric)
    dense = pd.DataFrame() if apart else dense_row(chosen, metric)
    table = pd.concat([table, dense], ignore_index=True) if len(dense) else table
    described(table, metric=metric, by=by, x=x, at=block)
    spans = HOVERED if _bare(table) else INTERVALS
    return noted(table, spans, fallen_note(chosen), tuned_note(chosen, by), _mixed_note(apart))


def _mixed_note(apart: Sequence[str]) -> str:
    if not apart:
        return ""
    return f"There is no line of the dense model: dense runs differ in {joined(apart)}."


def dense_settings(trials: pd.DataFrame, metric: str) -> list[str]:
    """Return what the trials' dense runs differ in besides the seed: settings, or their length.

    The mean over several kinds of dense runs is that of no model.
    """
    runs = _with_dense(trials, metric)
    apart = differing(runs, [c for c in config_columns(runs) if c.startswith("dense.")])
    return apart or differing(runs, [c for c in ("dense_epochs",) if c in runs])


def _with_dense(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The trials that are done and know a metric of their dense run."""
    column = f"dense_{metric}"
    if column not in trials:
        return trials.head(0)
    return trials[(trials["state"] == "done") & trials[column].notna()]


def _bare(table: pd.DataFrame) -> bool:
    """Whether there are too many levels for bars to be told apart."""
    return bool(table["x"].nunique() > MANY_BARS)


def dense_row(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the dense model's mean as one row, over dense runs; no row where it is unknown.

    A dense run that several trials share counts once.
    """
    done = _with_dense(trials, metric)
    if done.empty:
        return pd.DataFrame()
    key = "dense_stage" if "dense_stage" in done and done["dense_stage"].notna().all() else "seed"
    runs = done.drop_duplicates(key).assign(series="dense")
    return means(runs, ["series"], f"dense_{metric}").assign(reference=True)


def line_figure(table: pd.DataFrame, title: str) -> go.Figure:
    """Return one line a series with intervals and the dense line, or a blank that says why."""
    rows = table[~table["reference"].astype(bool)] if len(table) else table
    if rows.empty or not rows["n"].any():
        return canvas.blank(title, notes(table) if table.empty else ["No trial here is done."])
    x = table.attrs["x"]
    figure = canvas.canvas(title, subtitle=place(table.attrs["at"]))
    levels = sorted(rows["x"].unique())
    named = theme.styles(rows["series"], table.attrs["by"])
    for order, (name, style) in enumerate(named.items()):
        part = rows[rows["series"] == name].sort_values("x")
        dodge = order - (len(named) - 1) / 2 if len(levels) <= MANY else 0.0
        figure.add_trace(_series(part, table, style, _dodged(x, levels, dodge)))
    ends = _ends(x, levels)
    _add_dense(figure, table, ends)
    figure.update_xaxes(title=axis_title(x), **_ticks(x, levels))
    if len(levels) == 1:  # else series that are set apart would look like several levels
        figure.update_xaxes(range=np.log10(ends) if x == SPARSITY else ends)
    figure.update_yaxes(title=axis_title(table.attrs["metric"]))
    if pd.api.types.is_numeric_dtype(rows["series"].infer_objects()):
        figure.update_layout(legend={"title": {"text": words(table.attrs["by"])}})
    return figure


def _dodged(x: str, levels: Sequence[float], dodge: float) -> Callable[[float], float]:
    """The place of a level on the axis, moved a little so that series' bars do not overlap."""
    if x == SPARSITY:
        return lambda value: canvas.compression(value) * 1.012**dodge
    span = (levels[-1] - levels[0]) or abs(levels[0]) or 1.0
    return lambda value: value * scale(x) + 0.006 * dodge * span * scale(x)


def _series(
    part: pd.DataFrame, table: pd.DataFrame, style: theme.Style, where: Callable[[float], float]
) -> go.Scatter | go.Scattergl:
    metric = table.attrs["metric"]
    name = label(part["series"].iloc[0])
    joined = table["x"].nunique() <= MANY
    return canvas.scatter(
        len(table),
        x=[where(value) for value in part["x"]],
        y=part["mean"] * scale(metric),
        error_y=None if _bare(table) else canvas.error_bars(part, scale(metric), style.color),
        mode="lines+markers" if joined else "markers",
        name=name,
        line=canvas.line(style),
        marker=canvas.marker(style),
        hovertext=[_row_text(row, name, told(table)) for row in tuples(part)],
        hoverinfo="text",
    )


def _row_text(row: Any, name: str, about: Mapping[str, Any]) -> str:
    metric, x = about["metric"], about["x"]
    text = (
        f"{words(about['by'])} {name}, {words(x)} {shown(x, row.x)}<br>"
        f"{words(metric)} {canvas.mean_text(row, percent=in_percent(metric))}"
    )
    if row.n_configurations > 1:
        text += f"<br>best of {int(row.n_configurations)} configurations on validation"
    return text


def _add_dense(figure: go.Figure, table: pd.DataFrame, ends: Sequence[float]) -> None:
    metric = table.attrs["metric"]
    for row in tuples(table[table["reference"].astype(bool)]):
        said = canvas.mean_text(row, percent=in_percent(metric))
        figure.add_scatter(
            x=list(ends),
            y=[row.mean * scale(metric)] * 2,
            mode="lines",
            name="dense model",
            line=canvas.line(theme.DENSE),
            hovertext=[f"dense model<br>{words(metric)} {said}"] * 2,
            hoverinfo="text",
        )


def _ends(x: str, levels: Sequence[float]) -> list[float]:
    """The first and last place on the axis, or room on both sides of a single one."""
    place = _dodged(x, levels, 0.0)
    first, last = place(levels[0]), place(levels[-1])
    if len(levels) > 1:
        return [first, last]
    room = ALONE * (abs(first) or 1.0)
    return [first - room, first + room]


def _ticks(x: str, levels: Sequence[float]) -> dict[str, Any]:
    if x == SPARSITY:
        return canvas.sparsity_axis(levels)
    if len(levels) > MANY:
        return {}
    shown_levels = [level * scale(x) for level in levels]
    gaps = [after - before for before, after in pairwise(shown_levels)]
    if gaps and min(gaps) < CROWDED * (shown_levels[-1] - shown_levels[0]):
        return {}
    return {
        "tickmode": "array",
        "tickvals": shown_levels,
        "ticktext": [f"{level:.4g}" for level in shown_levels],
    }

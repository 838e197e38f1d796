"""Means of a metric over one setting, one line per series, with the dense model's line.

What accuracy against sparsity, against budget and against the split of a budget have in common.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, in_percent, label, scale, shown, words
from analysis.columns.names import joined
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.figures.losses import (
    LOSS,
    LOST,
    NOTHING_LOST,
    VALUE,
    require_view,
    set_on_loss_axis,
    with_losses,
)
from analysis.selection.blocks import Block
from analysis.selection.contest import contest, means
from analysis.selection.dense import dense_row, dense_settings
from analysis.selection.reached import REACHED, SLACK
from analysis.selection.series import SPARSITY
from analysis.selection.tabulation import Tabulation

MANY: Final = 12
"""With more levels than this on the axis, points are not joined: they are a search, no grid."""

CROWDED: Final = 0.03
"""Levels closer than this share of the axis have no ticks of their own: these would overlap."""

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
    trials: pd.DataFrame,
    x: str,
    metric: str,
    by: str | None,
    at: Block | None,
    view: str = VALUE,
) -> Tabulation:
    """Return the mean of a metric per value of `by` and of `x`, in one block.

    Columns: series, x, mean, std, n, lo, hi, n_failed, n_diverged, n_configurations, self_chosen,
    reference (True in the row of the dense model, whose x is missing; no such row where the dense
    runs are of several settings). See `contest.means` for stand-ins. A sparsity that falls short of
    its goal stands where it was reached, and `goal` names the goal. In the view `LOSS` means are of
    what each trial lost from its dense model, which has no row. The table's fact is the view.
    """
    require_view(view)
    meet = contest(trials, by, at, free=[x])
    meet = meet.having(x, meet.by)
    beside = {"reached": (REACHED, "mean")} if x == SPARSITY and REACHED in meet.entries else {}
    entries, of_others = meet.entries, ""
    if view == LOSS:
        entries, of_others = with_losses(entries, metric)
        if entries[LOST].isna().all():
            why = f"No trial here has the {words(metric)} of its dense run recorded."
            return meet.tabulation(pd.DataFrame(), why, metric=metric, x=x, facts=view)
    column = LOST if view == LOSS else metric
    table = means(entries, [meet.by, x], column, **beside).assign(reference=False)
    table = _at_reached(table.rename(columns={meet.by: "series", x: "x"}))
    apart = dense_settings(entries, metric) if view == VALUE else []
    dense = pd.DataFrame() if apart or view == LOSS else dense_row(entries, metric)
    table = pd.concat([table, dense], ignore_index=True) if len(dense) else table
    spans = HOVERED if _bare(table) else INTERVALS
    floored = view == LOSS and bool((table["mean"] <= 0).any())
    notes = (
        spans if len(table) else "", NOTHING_LOST if floored else "", of_others, *meet.remarks,
        _mixed_note(apart),
    )  # fmt: skip
    return meet.tabulation(table, *notes, metric=metric, x=x, facts=view)


def _at_reached(table: pd.DataFrame) -> pd.DataFrame:
    """The table with x where a sparsity was reached that falls short of its `goal`."""
    if "reached" not in table:
        return table
    reached = table.pop("reached").astype(float)
    short = (table["x"] - reached) > SLACK * (1 - table["x"])
    return table.assign(goal=table["x"].where(short), x=table["x"].mask(short, reached))


def _mixed_note(apart: Sequence[str]) -> str:
    if not apart:
        return ""
    names = ["length" if c in ("dense.epochs", "dense_epochs") else words(c) for c in apart]
    return f"There is no line of the dense model: dense runs differ in {joined(names)}."


def _bare(table: pd.DataFrame) -> bool:
    """Whether there are too many levels for bars to be told apart."""
    return bool(table["x"].nunique() > MANY_BARS)


def line_figure(table: Tabulation, title: str) -> go.Figure:
    """Return one line per series with intervals and the dense line, or a blank that says why."""
    frame, x = table.frame, table.x
    rows = frame[~frame["reference"].astype(bool)] if len(frame) else frame
    if rows.empty or not rows["n"].any():
        return canvas.blank(title, table.notes if frame.empty else ["No trial here is done."])
    levels = sorted(rows["x"].unique())
    if len(levels) == 1:
        return canvas.blank(title, [_single(x, levels[0])])
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    styles = theme.styles(rows["series"], table.by)
    for order, (name, style) in enumerate(styles.items()):
        part = rows[rows["series"] == name].sort_values("x")
        dodge = order - (len(styles) - 1) / 2 if len(levels) <= MANY else 0.0
        figure.add_trace(_series(part, table, style, _dodged(x, levels, dodge)))
    _add_dense(figure, table, _ends(x, levels))
    figure.update_xaxes(axes.column_axis(x, **_ticks(x, rows["x"].tolist())))
    if table.facts == LOSS:
        set_on_loss_axis(figure, table)
    else:
        figure.update_yaxes(axes.column_axis(table.metric))
    canvas.title_legend(figure, rows["series"], table.by)
    return figure


def _single(x: str, level: float) -> str:
    """Why there is nothing to draw over a single level."""
    return (
        f"All trials here have the same {words(x)}, {shown(x, level)}: nothing to draw across."
        " Tables hold the numbers."
    )


def _dodged(x: str, levels: Sequence[float], dodge: float) -> Callable[[float], float]:
    """Where a level lies on the axis, moved a little so that series' bars do not overlap."""
    if x == SPARSITY:
        return lambda value: axes.compression(value) * 1.012**dodge
    span = (levels[-1] - levels[0]) or abs(levels[0]) or 1.0
    return lambda value: value * scale(x) + 0.006 * dodge * span * scale(x)


def _series(
    part: pd.DataFrame, table: Tabulation, style: theme.Style, where: Callable[[float], float]
) -> go.Scatter | go.Scattergl:
    name, factor = label(part["series"].iloc[0]), scale(table.metric)
    few = table.frame["x"].nunique() <= MANY
    return canvas.scatter(
        len(table.frame),
        name,
        [_row_text(row, name, table) for row in tuples(part)],
        x=[where(value) for value in part["x"]],
        y=part["mean"] * factor,
        error_y=None if _bare(table.frame) else canvas.error_bars(part, factor, style.color),
        mode="lines+markers" if few else "markers",
        line=canvas.line(style),
        marker=canvas.marker(style),
    )


def _row_text(row: Any, name: str, table: Tabulation) -> str:
    lost = " lost from dense" if table.facts == LOSS else ""
    text = (
        f"{words(table.by)} {name}, {words(table.x)} {shown(table.x, row.x)}\n"
        f"{words(table.metric)}{lost} {canvas.mean_text(row, percent=in_percent(table.metric))}"
    )
    if getattr(row, "goal", math.nan) > 0:
        text += f"\ngoal {shown(table.x, row.goal)}, which was not reached"
    if row.n_configurations > 1:
        where = "at these very seeds: too good" if row.self_chosen else "at the other seeds"
        text += f"\nbest of {int(row.n_configurations)} configurations on validation {where}"
    return text


def _add_dense(figure: go.Figure, table: Tabulation, ends: Sequence[float]) -> None:
    metric = table.metric
    for row in tuples(table.frame[table.frame["reference"].astype(bool)]):
        mean = canvas.mean_text(row, percent=in_percent(metric))
        figure.add_trace(
            canvas.scatter(
                2,
                "dense model",
                [f"dense model\n{words(metric)} {mean}"] * 2,
                x=list(ends),
                y=[row.mean * scale(metric)] * 2,
                mode="lines",
                line=canvas.line(theme.DENSE),
            )
        )


def _ends(x: str, levels: Sequence[float]) -> list[float]:
    """Where the axis begins and ends."""
    where = _dodged(x, levels, 0.0)
    return [where(levels[0]), where(levels[-1])]


def _ticks(x: str, places: Sequence[float]) -> dict[str, Any]:
    if x == SPARSITY:
        return axes.sparsity_axis(places)
    levels = sorted(set(places))
    if len(levels) > MANY:
        return {}
    ticks = [level * scale(x) for level in levels]
    gaps = [after - before for before, after in pairwise(ticks)]
    if gaps and min(gaps) < CROWDED * (ticks[-1] - ticks[0]):
        return {}
    return {"tickmode": "array", "tickvals": ticks, "ticktext": [f"{level:.4g}" for level in ticks]}

"""What ALLR's adaptive discount loses to the one tuned for its sparsity and budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, number, scale, shown, words
from analysis.columns.rows import tuples
from analysis.drawing import canvas, theme
from analysis.figures.discount import ADAPTIVE, DISCOUNT, discount_means
from analysis.selection.blocks import inside
from analysis.selection.contest import contest
from analysis.selection.series import SPARSITY, comparable, goal_columns
from analysis.selection.tabulation import Tabulation
from analysis.stats import interval, pairs
from trainables.vocabulary import schema


def regret_table(
    frame: pd.DataFrame, *, metric: str = "test_accuracy", at: Mapping[str, Any] | None = None
) -> Tabulation:
    """Return what the adaptive discount loses to the best fixed one, per block of one task.

    Columns: sparsity, budget, tuned (the fixed d chosen on validation), n_tried (fixed discounts),
    d (mean adaptive d in use), regret (mean over pairs of seeds of the tuned minus the adaptive,
    turned for a metric that is better when lower), lo, hi, n (pairs). A block without an
    adaptive trial, or without a fixed one, keeps its row with regret missing and n 0.
    """
    trials = comparable(frame).dropna(subset=[DISCOUNT])
    goals = list(goal_columns(trials))
    task = {column: value for column, value in (at or {}).items() if column not in goals}
    meet = contest(trials, DISCOUNT, task, free=goals)
    rows = [
        _regret(part, inside(meet.entries, dict(zip(goals, key, strict=True))), metric)
        for key, part in discount_means(meet, metric).groupby(["sparsity", "budget"], sort=True)
    ]
    table = pd.DataFrame(rows)
    lacking = int((table["n"] == 0).sum()) if len(table) else 0
    missing = f"{lacking} of {len(table)} blocks lack an adaptive or a fixed discount."
    notes = (missing if lacking else "", meet.remarks[0], _optimism(table))
    return meet.tabulation(table, *notes, metric=metric)


def _optimism(table: pd.DataFrame) -> str:
    if table.empty or not table["n"].any():
        return ""
    return (
        "The tuned discount is the best of several on validation, so a regret measured on"
        " validation is biased upwards; on test it is not."
    )


def _regret(part: pd.DataFrame, trials: pd.DataFrame, metric: str) -> dict[str, Any]:
    """One block's row; `part` are its means, `trials` the trials behind them."""
    adaptive, tuned = part[part["kind"] == ADAPTIVE], part[part["tuned"]]
    row: dict[str, Any] = {
        "sparsity": part["sparsity"].iloc[0],
        "budget": part["budget"].iloc[0],
        "tuned": tuned["d"].iloc[0] if len(tuned) else np.nan,
        "n_tried": int((part["kind"] == "fixed").sum()),
        "d": adaptive["d"].iloc[0] if len(adaptive) else np.nan,
        "regret": np.nan, "lo": np.nan, "hi": np.nan, "n": 0,
    }  # fmt: skip
    if adaptive.empty or tuned.empty:
        return row
    best = tuned["discount"].iloc[0]
    matched = pairs(trials, metric, best, ADAPTIVE, by=["seed"], column=DISCOUNT).table
    sign = -1.0 if schema.metric(metric).direction == "min" else 1.0
    lost = sign * matched["difference"]
    span = interval(lost)
    return {**row, "regret": lost.mean(), "lo": span.lo, "hi": span.hi, "n": len(lost)}


def regret_figure(table: Tabulation) -> go.Figure:
    """Return one dot and interval per block: the regret of the adaptive discount, zero marked."""
    frame, metric = table.frame, table.metric
    title = "Regret of the adaptive discount"
    if frame.empty or not (frame["n"] > 0).any():
        why = ["No block has both an adaptive and a fixed discount: the regret is missing."]
        return canvas.blank(title, (table.notes if frame.empty else ()) or why)
    rows = tuples(frame)
    height = 190 + 34 * len(rows)
    figure = canvas.canvas(title, height=height, subtitle=block_words(table.at))
    labels = [f"{shown(SPARSITY, r.sparsity)}, {shown(table.budget, r.budget)}" for r in rows]
    axis = [canvas.markup(name) for name in labels]
    style, factor = theme.STYLES["allr"], scale(metric)
    bars = canvas.error_bars(frame.rename(columns={"regret": "mean"}), factor, style.color)
    figure.add_trace(
        canvas.scatter(
            len(rows),
            "adaptive discount",
            [_text(row, name, metric) for row, name in zip(rows, labels, strict=True)],
            x=frame["regret"] * factor,
            y=axis,
            error_x=bars,
            mode="markers",
            marker=canvas.marker(style, 11),
            showlegend=False,
        )
    )
    for row, name in zip(rows, axis, strict=True):
        if row.n == 0:
            figure.add_annotation(x=0, y=name, text="missing", showarrow=False, xanchor="left")
    figure.add_vline(x=0, line={"color": theme.DENSE.color, "dash": "dot", "width": 1.5})
    figure.update_xaxes(canvas.axis(f"{words(metric)} lost ({canvas.difference_unit(metric)})"))
    figure.update_yaxes(canvas.axis("", type="category", autorange="reversed"))
    return figure


def _text(row: Any, name: str, metric: str) -> str:
    if row.n == 0:
        return f"{name}\nno adaptive or no fixed discount here: missing"
    lost = canvas.difference_text(metric, row.regret, row.lo, row.hi, int(row.n))
    return (
        f"{name}\ntuned d = {number(row.tuned, 3)} of {row.n_tried} tried,"
        f" adaptive d = {number(row.d, 3)}\nregret {lost}"
    )

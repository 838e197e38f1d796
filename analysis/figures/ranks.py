"""Mean ranks over blocks with Nemenyi's critical difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import label, number, place, words
from analysis.drawing import canvas, theme
from analysis.selection.blocks import (
    block_columns,
    block_of,
    comparable,
    described,
    fallen_note,
    inside,
    noted,
    notes,
    series_column,
    stand_ins,
    told,
    tuned_note,
)
from analysis.stats import critical_differences


def ranks_table(
    frame: pd.DataFrame,
    *,
    metric: str = "val_accuracy",
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the contestants' mean ranks over the sparsities and budgets of one task.

    A block's value is the mean over the seeds that all contestants have done in it. Columns:
    entrant, mean_rank (1 is best), group (a number for each set that the critical difference does
    not tell apart, as a tuple). The critical difference, Friedman's p and the number of blocks are
    in `attrs`. Raises TestSelectionError on a test metric.
    """
    trials = comparable(frame)
    series = by or series_column(trials)
    columns = block_columns(trials, series)
    task = block_of(trials, [c for c in columns if c.startswith("task")], at)
    chosen = stand_ins(inside(trials, task), series, columns)
    found = critical_differences(chosen, metric, series, [c for c in columns if c not in task])
    table = found.table.copy()
    table["group"] = [
        tuple(place for place, members in enumerate(found.groups) if name in members)
        for name in table["entrant"]
    ]
    described(
        table, metric=metric, by=series, at=task, difference=found.difference,
        n_blocks=found.n_blocks, n_dropped=found.n_dropped, p_friedman=found.p_friedman,
        n_groups=len(found.groups),
    )  # fmt: skip
    fallen = fallen_note(chosen)
    fair = "Ranks are by means over the seeds that all contestants of a block have done."
    return noted(
        table, *_said(told(table)), fallen, fair if fallen else "", tuned_note(chosen, series)
    )


def _said(about: Mapping[str, Any]) -> list[str]:
    sentences = []
    if about["n_dropped"]:
        sentences.append(
            f"{about['n_dropped']} of {about['n_blocks'] + about['n_dropped']} blocks are left out:"
            " no seed is done by every contestant there."
        )
    if not math.isfinite(about["difference"]):
        sentences.append("With fewer than two blocks there is no critical difference.")
    if math.isfinite(about["p_friedman"]):
        sentences.append(
            f"Friedman's test over {about['n_blocks']} blocks:"
            f" p = {number(about['p_friedman'], 2)}. Blocks that share their dense runs are not"
            " independent, so the p is too small."
        )
    return sentences


def ranks_figure(table: pd.DataFrame) -> go.Figure:
    """Return mean ranks, with a bar under each set of contestants that are not told apart."""
    title = "Mean ranks and critical difference"
    if len(table) < 2 or not table.attrs.get("n_blocks"):
        why = (
            notes(table) if table.empty else ["No block has a seed that every contestant has done."]
        )
        return canvas.blank(title, why or ["There is only one contestant."])
    about = told(table)
    figure = canvas.canvas(
        title, height=220 + 26 * len(table) + 12 * about["n_groups"], subtitle=_subtitle(about)
    )
    labels = [label(name) for name in table["entrant"]]
    named = theme.styles(table["entrant"], about["by"])
    figure.add_scatter(
        x=table["mean_rank"],
        y=list(range(len(table))),
        mode="markers+text",
        text=[f"  {rank:.2f}" for rank in table["mean_rank"]],
        textposition="middle right",
        marker={
            "color": [named[name].color for name in table["entrant"]],
            "symbol": [named[name].symbol for name in table["entrant"]],
            "size": 12,
        },
        hovertext=[
            f"{label}<br>mean rank {rank:.2f} over {about['n_blocks']} blocks"
            for label, rank in zip(labels, table["mean_rank"], strict=True)
        ],
        hoverinfo="text",
        showlegend=False,
    )
    for group in range(about["n_groups"]):
        _add_group(figure, table[[group in groups for groups in table["group"]]], group, len(table))
    figure.update_xaxes(
        title="mean rank (1 is best)",
        range=[0.7, len(table) + 1],
        dtick=1,
    )
    figure.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(table))),
        ticktext=labels,
        range=[len(table) - 0.3 + 0.45 * about["n_groups"], -0.6],
        showgrid=False,
    )
    return figure


def _subtitle(about: Mapping[str, Any]) -> str:
    parts = [f"by {words(about['metric'])}", place(about["at"]), f"n = {about['n_blocks']} blocks"]
    if math.isfinite(about["difference"]):
        parts.append(f"critical difference {number(about['difference'], 3)} ranks")
    return ", ".join(part for part in parts if part)


def _add_group(figure: go.Figure, members: pd.DataFrame, group: int, n: int) -> None:
    """A bar under all contestants, from the best to the worst mean rank of one group."""
    listed = ", ".join(label(name) for name in members["entrant"])
    figure.add_scatter(
        x=[members["mean_rank"].min(), members["mean_rank"].max()],
        y=[n - 0.4 + 0.45 * group] * 2,
        mode="lines",
        line={"color": theme.DENSE.color, "width": 5},
        name="not told apart",
        legendgroup="groups",
        showlegend=group == 0,
        hovertext=[f"not told apart: {listed}"] * 2,
        hoverinfo="text",
    )

"""A metric seed by seed: whether the order of the contestants holds in every one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, capital, label, number, scale, shown, words
from analysis.columns.roles import REPORTED, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.selection.blocks import Block
from analysis.selection.contest import contest
from analysis.selection.series import comparable, values
from analysis.selection.tabulation import Tabulation


def paired_seeds_table(
    frame: pd.DataFrame, *, metric: str = REPORTED, by: str | None = None, at: Block | None = None
) -> Tabulation:
    """Return a metric per series and seed in one block: columns series, seed, state, value.

    The value of a trial that is not done is missing.
    """
    metric = named(metric, frame)
    meet = contest(comparable(frame), by, at)
    chosen = meet.entries
    order = {name: rank for rank, name in enumerate(values(chosen, meet.by))}
    table = pd.DataFrame(
        {
            "series": chosen[meet.by],
            "seed": chosen["seed"],
            "state": chosen["state"],
            "value": chosen[metric].where(chosen["state"] == "done").astype(float),
        }
    )
    table = table.sort_values("seed", kind="stable").sort_values(
        "series", key=lambda column: column.map(order), kind="stable", ignore_index=True
    )
    return meet.tabulation(table, *meet.remarks, metric=metric)


def paired_seeds_figure(table: Tabulation) -> go.Figure:
    """Return one grey line per seed across the series, and each series' mean as a bar, with n."""
    frame, metric = table.frame, table.metric or "test_accuracy"
    title = f"{capital(words(metric))} seed by seed"
    done = frame.dropna(subset=["value"]) if len(frame) else frame
    if done.empty:
        return canvas.blank(title, table.notes if frame.empty else ["No trial here is done."])
    if frame["series"].nunique() < 2:
        return canvas.blank(title, [f"Only one {words(table.by)} was tried: there is no order."])
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    styles = theme.styles(frame["series"], table.by)
    axis = {
        name: canvas.markup(f"{label(name)}\nn = {(done['series'] == name).sum()}")
        for name in styles
    }
    for seed, part in done.groupby("seed", sort=True):
        figure.add_trace(
            canvas.scatter(
                len(part),
                f"seed {seed}",
                [
                    f"seed {seed}, {label(row.series)}\n{words(metric)} {shown(metric, row.value)}"
                    for row in tuples(part)
                ],
                x=[axis[name] for name in part["series"]],
                y=part["value"] * scale(metric),
                mode="lines+markers",
                line={"color": theme.DENSE.color, "width": 1},
                marker={
                    "color": [styles[name].color for name in part["series"]],
                    "symbol": [styles[name].symbol for name in part["series"]],
                    "size": 9,
                },
                showlegend=False,
            )
        )
    _add_means(figure, done, axis, metric)
    figure.update_xaxes(
        axes.axis(
            words(table.by), type="category", categoryorder="array",
            categoryarray=list(axis.values()), autotickangles=[0, -45, -90],
        )
    )  # fmt: skip
    figure.update_yaxes(axes.column_axis(metric))
    return figure


def _add_means(figure: go.Figure, done: pd.DataFrame, axis: Mapping[Any, str], metric: str) -> None:
    means = done.groupby("series", sort=False)["value"].agg(["mean", "std", "count"])
    figure.add_trace(
        canvas.scatter(
            len(means),
            "mean over seeds",
            [
                f"{label(name)}\nmean {words(metric)} {shown(metric, row['mean'])}\n"
                f"standard deviation {number(row['std'] * scale(metric), 2)},"
                f" n = {int(row['count'])}"
                for name, row in means.iterrows()
            ],
            x=[axis[name] for name in means.index],
            y=means["mean"] * scale(metric),
            mode="markers",
            marker={
                "symbol": "line-ew", "size": 26, "line": {"width": 3, "color": theme.DENSE.color},
            },
        )
    )  # fmt: skip

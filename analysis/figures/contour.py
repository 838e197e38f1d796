"""How a metric lies over two settings together, one point per configuration."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import axis_title, block_words, capital, scale, shown, words
from analysis.columns.names import require_columns
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.figures.slice import (
    configuration_points,
    held_contest,
    held_note,
    setting_axis,
)
from analysis.selection.blocks import Block
from analysis.selection.contest import fallen_note
from analysis.selection.series import comparable
from analysis.selection.settings import numeric_settings, wide
from analysis.selection.tabulation import Tabulation, nothing

FEWEST_FOR_SURFACE: Final = 8
"""A surface between fewer points would say more than is known."""


def contour_table(
    frame: pd.DataFrame,
    *,
    metric: str = CHOICE,
    x: str | None = None,
    y: str | None = None,
    at: Block | None = None,
) -> Tabulation:
    """Return each configuration's mean of a metric over two settings, others of few values held.

    `x` and `y` are the settings with most values unless given. The block holds every other setting
    that takes few values: a surface over trials that differ in one would be that of none. Columns:
    x, y, series, value, std, n. Configurations that lack one of the two are left out.
    """
    metric = named(metric, frame)
    trials = comparable(frame)
    free = [c for c in numeric_settings(trials) if c not in (x, y)]
    if sum(axis is None for axis in (x, y)) > len(free):
        return nothing(
            "A surface needs two settings of three numbers or more each: there are no two here."
        )
    first = x or free.pop(0)
    second = y or free.pop(0)
    if first == second:
        return nothing("A surface needs two settings, and these are the same.")
    require_columns(trials, [first, second, metric])
    meet = held_contest(trials, (first, second), at)
    table = configuration_points(meet.trials, metric, {"x": first, "y": second}, meet.by)
    table = table.dropna(subset=["x", "y"]).reset_index(drop=True)
    surface = "The surface is interpolated linearly between the points and ends where they do."
    notes = (
        surface if _has_surface(table) else "",
        held_note(meet.trials, meet.at, (first, second)),
        fallen_note(meet.trials),
    )
    return meet.tabulation(
        table, *notes, metric=metric, x=first, y=second, chosen={"x": first, "y": second}
    )


def contour_figure(table: Tabulation) -> go.Figure:
    """Return the points of two settings in the colour of the metric, over a surface between them.

    Without a surface where there are fewer than `FEWEST_FOR_SURFACE` distinct points.
    """
    frame, metric, x, y = table.frame, table.metric, table.x, table.y
    if frame.empty:
        why = table.notes or ["No configuration has both settings."]
        return canvas.blank("Metric over two settings", why)
    title = f"{capital(words(metric))} over two settings"
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    if _has_surface(frame):
        figure.add_trace(_surface(frame, metric, x, y))
    figure.add_trace(
        canvas.scatter(
            len(frame),
            hover=[
                f"{words(table.by)} {shown(table.by, row.series)}\n"
                f"{words(x)} {shown(x, row.x)}\n{words(y)} {shown(y, row.y)}\n"
                f"{words(metric)} {shown(metric, row.value)}\nn = {row.n}"
                for row in tuples(frame)
            ],
            x=frame["x"] * scale(x),
            y=frame["y"] * scale(y),
            mode="markers",
            showlegend=False,
            marker={
                "color": (frame["value"] * scale(metric)).tolist(),
                "coloraxis": "coloraxis",
                "size": 9,
                "line": {"width": 1, "color": theme.DENSE.color},
            },
        )
    )
    figure.update_layout(coloraxis={"colorbar": axes.flat_bar(axis_title(metric))})
    figure.update_xaxes(setting_axis(x, frame["x"]))
    figure.update_yaxes(setting_axis(y, frame["y"]))
    return figure


def _has_surface(table: pd.DataFrame) -> bool:
    """Whether enough distinct points lie on no single line."""
    if table.empty:
        return False
    spots = table[["x", "y"]].drop_duplicates().to_numpy(dtype=float)
    spread = spots - spots.mean(axis=0)
    return len(spots) >= FEWEST_FOR_SURFACE and int(np.linalg.matrix_rank(spread)) == 2


def _surface(table: pd.DataFrame, metric: str, x: str, y: str) -> go.Contour:
    """The mean at each point, interpolated linearly inside the convex hull of the points."""
    from scipy.interpolate import griddata

    means = table.groupby(["x", "y"], sort=True)["value"].mean().reset_index()
    spots = [_on_axis(means[axis]) for axis in ("x", "y")]
    low, span = zip(*((s.min(), np.ptp(s)) for s in spots), strict=True)
    unit_spots = np.column_stack([(s - m) / d for s, m, d in zip(spots, low, span, strict=True)])
    grid = np.linspace(0, 1, 48)
    mesh = np.meshgrid(grid, grid)
    values = griddata(unit_spots, means["value"] * scale(metric), tuple(mesh), method="linear")
    axes = [
        (10**line if wide(table[axis]) else line) * scale(name)
        for line, axis, name in (
            (low[0] + grid * span[0], "x", x),
            (low[1] + grid * span[1], "y", y),
        )
    ]
    return go.Contour(
        x=axes[0], y=axes[1], z=np.round(values, 4), coloraxis="coloraxis", hoverinfo="skip",
        contours={"coloring": "heatmap", "showlines": False}, opacity=0.75,
    )  # fmt: skip


def _on_axis(column: pd.Series[float]) -> Any:
    """Values as they lie on their axis."""
    values = column.to_numpy(dtype=float)
    return np.log10(values) if wide(column) else values

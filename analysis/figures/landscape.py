"""How a metric lies over one setting (slice) and over two (contour), one point a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import axis_title, number, place, scale, shown, words
from analysis.columns.names import require_columns
from analysis.drawing import canvas, theme
from analysis.selection.blocks import (
    SPARSITY,
    block_columns,
    block_of,
    budget_column,
    comparable,
    configurations,
    described,
    fallen_note,
    inside,
    noted,
    notes,
    series_column,
    told,
    tuples,
    varying,
    wide,
    without_synonyms,
)

FEWEST_FOR_SURFACE: Final = 8
"""A surface between fewer points would say more than is known."""


def settings_of(frame: pd.DataFrame) -> list[str]:
    """Return the varying settings that are numbers wherever they are set, most values first."""
    names = without_synonyms(frame, varying(frame))
    counts = {name: _numbers(frame[name]).nunique() for name in names}
    return sorted((name for name, n in counts.items() if n > 2), key=lambda name: -counts[name])


def _numbers(column: pd.Series[Any]) -> pd.Series[float]:
    return pd.to_numeric(column, errors="coerce")


def slice_table(
    frame: pd.DataFrame,
    *,
    metric: str = "val_accuracy",
    x: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return each configuration's mean of a metric over one setting, in one task.

    `x` is the setting with most values unless given. Columns: x, series, value, std, n, block (the
    sparsity and budget in words). Configurations that do not have the setting, or have a word
    there, are left out.
    """
    trials = comparable(frame)
    found = settings_of(trials)
    if x is None and not found:
        return noted(pd.DataFrame(), "No setting takes more than two numbers.")
    column = x or found[0]
    require_columns(trials, [column, metric])
    series = _series(trials, column)
    columns = [c for c in block_columns(trials, series) if c != column]
    task = block_of(trials, [c for c in columns if c.startswith("task")], at)
    here = inside(trials, task)
    table = _points(here, metric, {"x": column}, series)
    keys = [c for c in columns if c not in task]
    table["block"] = [place(dict(zip(keys, key, strict=True))) for key in _keys(here, metric, keys)]
    table = table.dropna(subset=["x"]).sort_values("x", kind="stable", ignore_index=True)
    described(table, metric=metric, x=column, by=series, at=task)
    return noted(table, fallen_note(here))


def _series(trials: pd.DataFrame, *axes: str) -> str:
    """What the points are coloured by: the first of series, sparsity and budget that varies."""
    first = series_column(trials)
    found = [c for c in (first, SPARSITY, budget_column(trials)) if c in trials and c not in axes]
    return next((c for c in found if trials[c].nunique() > 1), found[0])


def _keys(frame: pd.DataFrame, metric: str, keys: list[str]) -> list[tuple[Any, ...]]:
    done = frame[(frame["state"] == "done") & frame[metric].notna()]
    first = done.groupby(configurations(done), sort=False)[keys].first() if keys else None
    n = configurations(done).nunique()
    return [tuple(row) for row in first.to_numpy()] if first is not None else [()] * n


def _points(frame: pd.DataFrame, metric: str, axes: Mapping[str, str], series: str) -> pd.DataFrame:
    done = frame[(frame["state"] == "done") & frame[metric].notna()]
    grouped = done.groupby(configurations(done), sort=False)
    firsts = {name: grouped[column].first() for name, column in axes.items()}
    table = pd.DataFrame({name: _numbers(column) for name, column in firsts.items()})
    table["series"] = grouped[series].first()
    value = grouped[metric]
    table["value"], table["std"], table["n"] = value.mean(), value.std(), value.size()
    return table.reset_index(drop=True)


def slice_figure(table: pd.DataFrame) -> go.Figure:
    """Return points over one setting, in the colour of their series."""
    title = "Metric over one setting"
    if table.empty:
        return canvas.blank(title, notes(table) or ["No configuration has this setting."])
    about = told(table)
    metric, x = about["metric"], about["x"]
    figure = canvas.canvas(
        f"{words(metric).capitalize()} over {words(x)}", subtitle=place(about["at"])
    )
    for name, style in theme.styles(table["series"], about["by"]).items():
        part = table[table["series"] == name]
        figure.add_trace(
            canvas.scatter(
                len(table),
                x=part["x"] * scale(x),
                y=part["value"] * scale(metric),
                mode="markers",
                name=shown(about["by"], name),
                marker={**canvas.marker(style, 7), "opacity": 0.75},
                hovertext=[_text(row, about) for row in tuples(part)],
                hoverinfo="text",
            )
        )
    figure.update_xaxes(title=axis_title(x), **_kind(table["x"]))
    figure.update_yaxes(title=axis_title(metric))
    canvas.brief_legend(figure)
    return figure


def _kind(values: pd.Series[float]) -> dict[str, Any]:
    """What an axis needs to show values: powers of ten where they span several."""
    if not wide(values):
        return {"type": "linear"}
    return {"type": "log", "dtick": 1, "exponentformat": "power"}


def _text(row: Any, about: Mapping[str, Any]) -> str:
    metric = about["metric"]
    spread = f", standard deviation {number(row.std * scale(metric), 2)}" if row.n > 1 else ""
    block = f"<br>{row.block}" if row.block else ""
    return (
        f"{words(about['by'])} {shown(about['by'], row.series)}{block}<br>"
        f"{words(about['x'])} {shown(about['x'], row.x)}<br>"
        f"{words(metric)} {shown(metric, row.value)}<br>n = {row.n}{spread}"
    )


def contour_table(
    frame: pd.DataFrame,
    *,
    metric: str = "val_accuracy",
    x: str | None = None,
    y: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return each configuration's mean of a metric over two settings, in one task and sparsity.

    `x` and `y` are the settings with most values unless given. Columns: x, y, series, value, std,
    n. Configurations that lack one of the two are left out.
    """
    trials = comparable(frame)
    free = [c for c in settings_of(trials) if c not in (x, y)]
    if sum(axis is None for axis in (x, y)) > len(free):
        return noted(pd.DataFrame(), "Fewer than two settings take more than two numbers.")
    first = x or free.pop(0)
    second = y or free.pop(0)
    require_columns(trials, [first, second, metric])
    columns = [c for c in block_columns(trials, "") if c.startswith("task") or c == SPARSITY]
    task = block_of(trials, [c for c in columns if c not in (first, second)], at)
    here = inside(trials, task)
    series = _series(here, first, second)
    table = _points(here, metric, {"x": first, "y": second}, series)
    table = table.dropna(subset=["x", "y"]).reset_index(drop=True)
    described(table, metric=metric, x=first, y=second, by=series, at=task)
    surface = "The surface is interpolated linearly between the points and ends where they do."
    return noted(table, surface if _has_surface(table) else "", fallen_note(here))


def contour_figure(table: pd.DataFrame) -> go.Figure:
    """Return the points of two settings in the colour of the metric, over a surface between them.

    Without a surface where there are fewer than `FEWEST_FOR_SURFACE` distinct places.
    """
    title = "Metric over two settings"
    if table.empty:
        return canvas.blank(title, notes(table) or ["No configuration has both settings."])
    about = told(table)
    metric, x, y = about["metric"], about["x"], about["y"]
    figure = canvas.canvas(
        f"{words(metric).capitalize()} over two settings", subtitle=place(about["at"])
    )
    if _has_surface(table):
        figure.add_trace(_surface(table, metric, x, y))
    figure.add_trace(
        canvas.scatter(
            len(table),
            x=table["x"] * scale(x),
            y=table["y"] * scale(y),
            mode="markers",
            showlegend=False,
            marker={
                "color": (table["value"] * scale(metric)).tolist(),
                "coloraxis": "coloraxis",
                "size": 9,
                "line": {"width": 1, "color": theme.DENSE.color},
            },
            hovertext=[
                f"{words(about['by'])} {shown(about['by'], row.series)}<br>"
                f"{words(x)} {shown(x, row.x)}<br>{words(y)} {shown(y, row.y)}<br>"
                f"{words(metric)} {shown(metric, row.value)}<br>n = {row.n}"
                for row in tuples(table)
            ],
            hoverinfo="text",
        )
    )
    figure.update_layout(coloraxis={"colorbar": canvas.flat_bar(axis_title(metric))})
    figure.update_xaxes(title=axis_title(x), **_kind(table["x"]))
    figure.update_yaxes(title=axis_title(y), **_kind(table["y"]))
    return figure


def _has_surface(table: pd.DataFrame) -> bool:
    """Whether enough distinct places lie on no single line."""
    if table.empty:
        return False
    places = table[["x", "y"]].drop_duplicates().to_numpy(dtype=float)
    spread = places - places.mean(axis=0)
    return len(places) >= FEWEST_FOR_SURFACE and int(np.linalg.matrix_rank(spread)) == 2


def _surface(table: pd.DataFrame, metric: str, x: str, y: str) -> go.Contour:
    """The mean at each place, interpolated linearly inside the convex hull of the places."""
    from scipy.interpolate import griddata

    places = table.groupby(["x", "y"], sort=True)["value"].mean().reset_index()
    spots = [_placed(places[axis]) for axis in ("x", "y")]
    low, span = zip(*((s.min(), np.ptp(s)) for s in spots), strict=True)
    unit_places = np.column_stack([(s - m) / d for s, m, d in zip(spots, low, span, strict=True)])
    grid = np.linspace(0, 1, 48)
    mesh = np.meshgrid(grid, grid)
    values = griddata(unit_places, places["value"] * scale(metric), tuple(mesh), method="linear")
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


def _placed(column: pd.Series[float]) -> Any:
    values = column.to_numpy(dtype=float)
    return np.log10(values) if wide(column) else values

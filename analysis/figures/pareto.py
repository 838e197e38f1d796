"""Configurations that no other beats in every objective, and all configurations side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.columns.labels import (
    axis_title,
    escape,
    label,
    number,
    scale,
    shown,
    sign,
    titled,
    unit,
    words,
)
from analysis.columns.names import is_missing, ordered, require_columns
from analysis.drawing import canvas, theme
from analysis.frames.constraints import beyond_bounds
from analysis.selection.blocks import (
    comparable,
    configurations,
    described,
    fallen_note,
    noted,
    notes,
    records,
    series_column,
    varying,
    wide,
    without_synonyms,
)
from analysis.stats import TestSelectionError
from trainables.vocabulary.schema import METRICS, Direction

OBJECTIVES: Final = ("val_accuracy", "theoretical_speedup")
_SEARCH: Final = ("origin.search", "origin.block")


def directions(objectives: Mapping[str, Direction] | tuple[str, ...]) -> dict[str, Direction]:
    """Return each objective's direction: the one given, else the schema's.

    Raises ValueError for an objective without a direction, and TestSelectionError for one that was
    measured on test: a front is a choice.
    """
    given = dict(objectives) if isinstance(objectives, Mapping) else dict.fromkeys(objectives)
    resolved: dict[str, Direction] = {}
    for name, direction in given.items():
        metric = METRICS.get(name)
        if metric is not None and metric.on_test:
            raise TestSelectionError(f"a front must not be chosen on test, got {name}")
        resolved_direction = direction or (metric.direction if metric else None)
        if resolved_direction is None:
            raise ValueError(f"objective {name} needs a direction, max or min: neither is better")
        resolved[name] = resolved_direction
    return resolved


def non_dominated(losses: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows of losses [n, objectives] no other row dominates; lower is better.

    A row dominates another when it is nowhere worse and somewhere better, so equal rows stay
    together. Rows with a missing value are never on the front.
    """
    whole = np.isfinite(losses.sum(axis=1))
    order = np.lexsort(losses[:, ::-1].T)
    front = np.zeros(len(losses), dtype=bool)
    kept: list[NDArray[np.float64]] = []
    for row in order[whole[order]]:
        point = losses[row]
        if kept:
            others = np.array(kept)
            if bool(((others <= point).all(axis=1) & (others < point).any(axis=1)).any()):
                continue
        kept.append(point)
        front[row] = True
    return front


def pareto_table(
    frame: pd.DataFrame,
    *,
    metric: str = OBJECTIVES[0],
    against: str = OBJECTIVES[1],
    by: str | None = None,
    objectives: Mapping[str, Direction] | tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Return each configuration's mean objectives over its done seeds, and who is on the front.

    A configuration with a trial that is not done is not on the front, nor does it keep another off
    it: a mean over the seeds that survived flatters. Nor is one beyond the bounds of its search,
    where its block has one within. `objectives` (names, or names with directions) replaces
    `metric` and `against`. Columns: series, one per objective, n, front, and the varying
    configuration. Raises as `directions`.
    """
    wanted = directions(objectives if objectives is not None else (metric, against))
    if len(wanted) < 2:
        return noted(pd.DataFrame(), "A front needs two objectives, and these are the same.")
    trials = comparable(frame)
    require_columns(trials, list(wanted))
    series = by or series_column(trials)
    table = _configuration_means(trials, list(wanted), series)
    signs = np.array([-1.0 if d == "max" else 1.0 for d in wanted.values()])
    losses = table[list(wanted)].to_numpy(dtype=float) * signs
    losses[~table.pop("standing").to_numpy(dtype=bool)] = np.nan
    table["front"] = non_dominated(losses)
    described(table, by=series, objectives=dict(wanted))
    return noted(
        table,
        "Every point is one configuration, the mean over its seeds; on the front are those that no"
        " other equals or beats in every objective, all of their trials done.",
        "Accuracies on several tasks do not compare: filter by study."
        if _tasks(trials) > 1
        else "",
        fallen_note(trials),
    )


def _tasks(trials: pd.DataFrame) -> int:
    columns = [c for c in ("task.dataset", "task.model") if c in trials]
    return len(trials[columns].drop_duplicates())


def _configuration_means(trials: pd.DataFrame, metrics: list[str], series: str) -> pd.DataFrame:
    """One row a configuration; `standing` is whether all of its trials have all metrics."""
    whole = (trials["state"] == "done") & trials[metrics].notna().all(axis=1)
    number = configurations(trials)
    standing = whole.groupby(number).transform("all") & ~beyond_bounds(
        trials.assign(_one=number), ["_one"], [c for c in _SEARCH if c in trials]
    )
    done = trials.assign(_number=number, _standing=standing)[whole]
    settings = varying(trials)
    grouped = done.groupby("_number", sort=False)
    table = grouped[metrics].mean()
    table.insert(0, "series", grouped[series].first())
    table["n"] = grouped.size()
    table["standing"] = grouped["_standing"].first()
    for column in settings:
        table[column] = grouped[column].first()
    return table.reset_index(drop=True)


def pareto_figure(table: pd.DataFrame) -> go.Figure:
    """Return a scatter of the first two objectives, a third as colour, the front joined."""
    title = "Pareto front"
    if table.empty:
        return canvas.blank(title, notes(table) or ["No configuration has every objective."])
    wanted: dict[str, Direction] = table.attrs["objectives"]
    y, x, *more = wanted
    figure = canvas.canvas(title, subtitle=f"{words(y)} against {words(x)}")
    for name, style in theme.styles(table["series"], table.attrs["by"]).items():
        part = table[table["series"] == name]
        figure.add_trace(
            canvas.scatter(
                len(table),
                x=part[x] * scale(x),
                y=part[y] * scale(y),
                mode="markers",
                name=label(name),
                marker=_marker(part, style, more),
                hovertext=[_text(row, wanted, table.attrs["by"]) for row in records(part)],
                hoverinfo="text",
                legendgroup=label(name),
                showlegend=False,
            )
        )
        figure.add_trace(_key(name, style))
    _add_front(figure, table, x, y)
    if more:
        bar = canvas.flat_bar(axis_title(more[0]))
        figure.update_layout(coloraxis={"colorbar": bar})
    better = {"max": "more is better", "min": "less is better"}
    for axis, name in ((figure.update_xaxes, x), (figure.update_yaxes, y)):
        axis(title=titled(words(name), f"{unit(name)}, {better[wanted[name]]}"))
        if unit(name) == unit("theoretical_speedup"):
            axis(**canvas.ratio_axis(table[name]))
    return figure


def _key(name: Any, style: theme.Style) -> go.Scatter:
    """A legend's entry in full colour: that of a trace would be as faint as its first point."""
    return go.Scatter(
        x=[None], y=[None], mode="markers", name=label(name), legendgroup=label(name),
        marker=canvas.marker(style), hoverinfo="skip",
    )  # fmt: skip


def _marker(part: pd.DataFrame, style: theme.Style, more: list[str]) -> dict[str, Any]:
    size = [11 if front else 6 for front in part["front"]]
    opacity = [1.0 if front else 0.45 for front in part["front"]]
    color: Any = style.color
    extra: dict[str, Any] = {}
    if more:
        color = (part[more[0]] * scale(more[0])).tolist()
        extra = {"coloraxis": "coloraxis"}
    return {
        "color": color,
        "symbol": style.symbol,
        "size": size,
        "opacity": opacity,
        "line": {"width": 0},
        **extra,
    }


def _text(row: Mapping[str, Any], wanted: Mapping[str, Direction], by: str) -> str:
    head = f"{words(by)} {escape(row['series'])}" + (", on the front" if row["front"] else "")
    lines = [f"{words(name)} {shown(name, row[name])}" for name in wanted]
    settings = [
        f"{escape(key)} = {shown(key, value)}"
        for key, value in row.items()
        if key not in (*wanted, "series", "n", "front", by) and not is_missing(value)
    ]
    return "<br>".join([head, *lines, f"n = {row['n']}", *settings[:8]])


def _add_front(figure: go.Figure, table: pd.DataFrame, x: str, y: str) -> None:
    front = table[table["front"]].sort_values([x, y])
    figure.add_scatter(
        x=front[x] * scale(x),
        y=front[y] * scale(y),
        mode="lines",
        name="front",
        line={
            "color": theme.DENSE.color,
            "width": 1.5,
            "dash": "dot",
            "shape": "vh" if table.attrs["objectives"][x] == "max" else "hv",
        },
        hoverinfo="skip",
    )


MANY_LINES: Final = 2_000
MANY_AXES: Final = 8
MANY_TICKS: Final = 6
ROOM: Final = 80
"""Pixels that an axis needs beside the next; a page lets a narrow window scroll."""


def parallel_table(frame: pd.DataFrame, *, metric: str = "val_accuracy") -> pd.DataFrame:
    """Return one row per configuration: its varying settings, the metric's mean, and n seeds.

    At most `MANY_LINES` configurations, evenly taken over the order of the metric; settings that a
    trial does not have are missing. At most `MANY_AXES` settings, those with most values.
    """
    trials = comparable(frame)
    distinct = without_synonyms(trials, varying(trials))
    most = sorted(distinct, key=lambda column: -trials[column].nunique())[:MANY_AXES]
    kept = [column for column in distinct if column in most]
    table = _configuration_means(trials, [metric], metric).drop(columns=["series", "standing"])
    table = table[[*kept, metric, "n"]].sort_values(metric, kind="stable", ignore_index=True)
    described(table, metric=metric, settings=kept)
    noted(table, fallen_note(trials))
    if len(table) > MANY_LINES:
        take = np.unique(np.linspace(0, len(table) - 1, MANY_LINES).round().astype(int))
        said = f"{len(take)} of {len(table)} configurations are drawn, evenly over the metric."
        table = noted(table.iloc[take].reset_index(drop=True), said)
    return table


def parallel_figure(table: pd.DataFrame) -> go.Figure:
    """Return parallel coordinates, one line a configuration in the colour of its metric."""
    title = "All configurations side by side"
    settings = table.attrs.get("settings", [])
    if table.empty or not settings:
        why = notes(table) if table.empty else ["All configurations are the same: nothing varies."]
        return canvas.blank(title, why)
    metric = table.attrs["metric"]
    said = f"drag along an axis to filter; n = {len(table)} configurations"
    figure = canvas.canvas(title, subtitle=said)
    values = table[metric] * scale(metric)
    axes = [_dimension(table[column], column) for column in settings]
    figure.add_parcoords(
        dimensions=[*axes, {"label": _short_title(metric), "values": values.tolist()}],
        line={"color": values.tolist(), "coloraxis": "coloraxis"},
        labelside="bottom",
        labelangle=-20,
        rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
        unselected={"line": {"opacity": 0.1}},
    )
    figure.update_layout(
        coloraxis={"colorbar": {**canvas.flat_bar(axis_title(metric)), "y": 1.1}},
        margin={"l": 70, "r": 80, "t": 130, "b": 80},
        meta={"min_width": ROOM * (len(axes) + 1)},
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
    labels = ["not set" if is_missing(value) else shown(name, value) for value in column]
    known = [shown(name, value) for value in ordered(column.dropna(), name)]
    found = dict.fromkeys([*known, *labels])
    places = {label: place for place, label in enumerate(found)}
    return {
        "label": words(name),
        "values": [places[label] for label in labels],
        "tickvals": list(places.values()),
        "ticktext": list(places),
    }


def _numbers(column: pd.Series[Any]) -> pd.Series[float]:
    """The numbers of a column, its words and truth values missing."""
    if pd.api.types.is_bool_dtype(column):
        return pd.Series(np.nan, index=column.index)
    return pd.to_numeric(column, errors="coerce").astype(float)


def _many_numbers(numbers: pd.Series[float], column: pd.Series[Any], name: str) -> dict[str, Any]:
    """Many numbers on one axis, by their logarithm where they span much; words below them all."""
    by_power = wide(numbers)
    places = numbers.map(np.log10) if by_power else numbers
    low, high = float(places.min()), float(places.max())
    said = {
        place: "not set" if is_missing(column[place]) else shown(name, column[place])
        for place in column.index[numbers.isna()]
    }
    below = {
        word: low - 0.12 * (high - low) * (i + 1) for i, word in enumerate(sorted({*said.values()}))
    }
    if not by_power and not below:
        return {"values": places.tolist()}
    ticks = np.linspace(low, high, MANY_TICKS).tolist()
    return {
        "values": places.fillna(pd.Series(said, dtype=object).map(below).astype(float)).tolist(),
        "tickvals": [*ticks, *below.values()],
        "ticktext": [*(number(10**v if by_power else v, 3) for v in ticks), *below],
    }


def _short_title(column: str) -> str:
    """Words and only the sign of the unit: axes stand close to each other."""
    return titled(words(column), sign(column))

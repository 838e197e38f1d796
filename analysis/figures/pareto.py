"""Configurations that no other beats in every objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import axis_title, brief, label, scale, shown, titled, unit, words
from analysis.columns.names import is_missing, require_columns
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import records
from analysis.drawing import axes, canvas, theme
from analysis.frames.constraints import beyond_bounds
from analysis.selection.contest import fallen_note
from analysis.selection.series import comparable, series_column
from analysis.selection.settings import configurations, varying
from analysis.selection.tabulation import Tabulation, nothing
from analysis.stats import TestSelectionError, non_dominated
from trainables.vocabulary.schema import METRICS, Direction

OBJECTIVES: Final = (CHOICE, "theoretical_speedup")
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


def pareto_table(
    frame: pd.DataFrame,
    *,
    metric: str = CHOICE,
    against: str = OBJECTIVES[1],
    by: str | None = None,
    objectives: Mapping[str, Direction] | tuple[str, ...] | None = None,
) -> Tabulation:
    """Return each configuration's mean objectives over its done seeds, and who is on the front.

    A configuration with a trial that is not done is not on the front, nor does it keep another off
    it: a mean over the seeds that survived flatters. Nor is one beyond the bounds of its search,
    where its block has one within. `objectives` (names, or names with directions) replaces
    `metric` and `against`. Columns: series, one per objective, n, front, and the varying
    configuration. The table's facts are the objectives' directions. Raises as `directions`.
    """
    metric = named(metric, frame)
    wanted = directions(objectives if objectives is not None else (metric, against))
    if len(wanted) < 2:
        return nothing("A front needs two objectives, and these are the same.")
    trials = comparable(frame)
    require_columns(trials, list(wanted))
    series = by or series_column(trials)
    table = configuration_means(trials, list(wanted), series)
    signs = np.array([-1.0 if d == "max" else 1.0 for d in wanted.values()])
    losses = table[list(wanted)].to_numpy(dtype=float) * signs
    losses[~table.pop("standing").to_numpy(dtype=bool)] = np.nan
    table["front"] = non_dominated(losses)
    points = (
        "Every point is one configuration, the mean over its seeds; on the front are those that no"
        " other equals or beats in every objective, all of their trials done."
    )
    several = "Results on several tasks do not compare: filter by study."
    notes = (points, several if _tasks(trials) > 1 else "", fallen_note(trials))
    return Tabulation(table, notes, by=series, facts=dict(wanted))


def _tasks(trials: pd.DataFrame) -> int:
    columns = [c for c in ("task.dataset", "task.model", "task.use") if c in trials]
    return len(trials[columns].drop_duplicates())


def configuration_means(trials: pd.DataFrame, metrics: list[str], series: str) -> pd.DataFrame:
    """Return one row per configuration: series, means, n, standing, and its varying settings.

    `standing` is whether all of its trials have all metrics, and none lies beyond the bounds of
    its search where another of its block is within.
    """
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


def pareto_figure(table: Tabulation) -> go.Figure:
    """Return a scatter of the first two objectives, a third as colour, the front joined."""
    frame, title = table.frame, "Pareto front"
    if frame.empty:
        return canvas.blank(title, table.notes or ["No configuration has every objective."])
    wanted: dict[str, Direction] = table.facts
    y, x, *more = wanted
    figure = canvas.canvas(title, subtitle=f"{words(y)} against {words(x)}")
    for name, style in theme.styles(frame["series"], table.by).items():
        part = frame[frame["series"] == name]
        figure.add_trace(
            canvas.scatter(
                len(frame),
                label(name),
                [_text(row, wanted, table.by) for row in records(part)],
                label(name),
                x=part[x] * scale(x),
                y=part[y] * scale(y),
                mode="markers",
                marker=_marker(part, style, more),
                showlegend=False,
            )
        )
        # The legend's entry in full colour: a trace's own would be as faint as its first point.
        key = canvas.marker(style)
        figure.add_trace(
            canvas.scatter(
                1, label(name), group=label(name), x=[None], y=[None], mode="markers", marker=key
            )
        )
    figure.add_trace(_front(frame[frame["front"]], x, y, wanted[x]))
    if more:
        bar = axes.flat_bar(axis_title(more[0]))
        figure.update_layout(coloraxis={"colorbar": bar})
    for update, name in ((figure.update_xaxes, x), (figure.update_yaxes, y)):
        better = "more is better" if wanted[name] == "max" else "less is better"
        update(axes.axis(titled(words(name), f"{unit(name)}, {better}")))
        if unit(name) == unit("theoretical_speedup"):
            update(**axes.ratio_axis(frame[name]))
    return figure


def _marker(part: pd.DataFrame, style: theme.Style, more: list[str]) -> dict[str, Any]:
    values = (part[more[0]] * scale(more[0])).tolist() if more else []
    return {
        "symbol": style.symbol,
        "size": [11 if front else 6 for front in part["front"]],
        "opacity": [1.0 if front else 0.45 for front in part["front"]],
        "line": {"width": 0},
        **({"color": values, "coloraxis": "coloraxis"} if more else {"color": style.color}),
    }


def _text(row: Mapping[str, Any], wanted: Mapping[str, Direction], by: str) -> str:
    head = f"{words(by)} {brief(row['series'])}" + (", on the front" if row["front"] else "")
    lines = [f"{words(name)} {shown(name, row[name])}" for name in wanted]
    settings = [
        f"{brief(key)} = {shown(key, value)}"
        for key, value in row.items()
        if key not in (*wanted, "series", "n", "front", by) and not is_missing(value)
    ]
    return "\n".join([head, *lines, f"n = {row['n']}", *settings[:8]])


def _front(front: pd.DataFrame, x: str, y: str, direction: Direction) -> go.Scatter | go.Scattergl:
    joined = front.sort_values([x, y])
    shape = "vh" if direction == "max" else "hv"
    return canvas.scatter(
        len(front),
        "front",
        x=joined[x] * scale(x),
        y=joined[y] * scale(y),
        mode="lines",
        line={"color": theme.DENSE.color, "width": 1.5, "dash": "dot", "shape": shape},
    )

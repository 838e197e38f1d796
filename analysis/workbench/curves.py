"""Learning curves of single trials on one pair of axes: the dense run left, retraining right."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import capital, number, scale, shown, words
from analysis.columns.names import KEYS, ordered
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import tuples
from analysis.courses import drops
from analysis.courses.course import with_places
from analysis.drawing import axes, canvas, theme
from analysis.figures.record import Figure
from analysis.selection.tabulation import Tabulation
from analysis.workbench.naming import with_names


def side_curves_table(frame: pd.DataFrame, *, metric: str = CHOICE) -> Tabulation:
    """Return one row per trial and epoch, and one right after each prune that was measured there.

    `frame` is the epochs frame of some trials, with their configuration. Columns: study,
    fingerprint, trial (its name), cycle, trained (epochs), event (of `courses.drops`), value.
    Epochs at which the metric was not measured are left out.
    """
    metric = named(metric, frame)
    rows = with_names(frame).dropna(subset=["total_epoch"]).rename(columns={metric: "value"})
    measured = {"value": f"pruned_{metric}"}
    parts = [
        drops.with_drops(with_places(own), measured).assign(
            **{name: str(own[name].iloc[0]) for name in (*KEYS, "trial")}
        )
        for _, own in rows.groupby([*KEYS, "trial"], sort=False)
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    return Tabulation(
        table.dropna(subset=["value"])[COLUMNS].reset_index(drop=True), metric=metric, by="trial"
    )


COLUMNS: Final = [*KEYS, "trial", "cycle", "trained", "event", "value"]


def side_curves_figure(table: Tabulation) -> go.Figure:
    """Return one line per trial, its retraining to the right of the dense run.

    Retraining begins where the dense run ended, and falls to what was left after the prune.
    """
    frame, metric = table.frame, table.metric or "val_accuracy"
    title = f"{capital(words(metric))} while training"
    if frame.empty:
        return canvas.blank(title, table.notes or ["No trial here has a curve of this metric."])
    figure = canvas.canvas(title, height=480)
    later = frame[frame["cycle"] > 0]
    for index, trial in enumerate(ordered(frame["trial"])):
        part = frame[frame["trial"] == trial]
        dense, rest = part[part["cycle"] == 0], part[part["cycle"] > 0]
        if len(rest):
            whole = pd.concat([dense.tail(1), rest])
            _add(figure, whole, metric, theme.name_style(index), "2", named=True)
        _add(figure, dense, metric, theme.name_style(index), "", named=not len(rest))
    if (frame["event"] == drops.DROP).any():
        canvas.add_key(figure, drops.KEY, drops.RING)
    figure.update_layout(**_axes(later, metric))
    return figure


def _add(
    figure: go.Figure, part: pd.DataFrame, metric: str, style: theme.Style, axis: str, *,
    named: bool,
) -> None:  # fmt: skip
    if part.empty:
        return
    texts = [
        f"{row.trial}\nafter {number(row.trained)} epochs, {_phase(row)}\n"
        f"{words(metric)} {shown(metric, row.value)}"
        for row in tuples(part)
    ]
    trial = part["trial"].iloc[0]
    figure.add_trace(
        canvas.scatter(
            len(part),
            trial,
            texts,
            trial,
            x=part["trained"],
            y=part["value"] * scale(metric),
            xaxis=f"x{axis}",
            yaxis=f"y{axis}",
            mode="lines+markers" if len(part) < 40 else "lines",
            line=canvas.line(style),
            marker=canvas.marker(style, 6.0),
            showlegend=named,
        )
    )
    if (part["event"] == drops.DROP).any():
        figure.add_trace(drops.rings(part, "value", metric, style, axis, trial))


def _phase(row: Any) -> str:
    if row.event == drops.DROP:
        return f"right after the prune of cycle {row.cycle}"
    return f"cycle {row.cycle}" if row.cycle else "dense run"


def _axes(later: pd.DataFrame, metric: str) -> dict[str, Any]:
    if later.empty:
        return {
            "xaxis": axes.column_axis("total_epoch"),
            "yaxis": axes.column_axis(metric),
        }
    panels = axes.dense_and_retraining(drops.first_trained(later), later["trained"].max())
    panels["yaxis"] = axes.column_axis(metric)
    panels["yaxis2"] = {"anchor": "x2", "matches": "y"}
    return panels


SIDE_CURVES = Figure(
    "side_curves", "Learning curves side by side",
    "Where do these trials part, in the dense run and after each prune?",
    "trials", "epochs", ("total_epoch", CHOICE), ("metric",),
    side_curves_table, side_curves_figure, "all", CHOICE,
)  # fmt: skip

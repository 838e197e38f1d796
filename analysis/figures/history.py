"""The course of a search: every configuration in the order asked for, and the best so far."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis import theme
from analysis.figures import drawing
from analysis.figures.blocks import comparable, described, fallen_note, noted, notes, tuples
from analysis.figures.labels import axis_title, escape, number, scale, shown, words
from analysis.stats import losses, require_choosable

NUMBER: Final = "origin.number"
BLOCK: Final = "origin.block"


def history_table(frame: pd.DataFrame, *, metric: str = "val_accuracy") -> pd.DataFrame:
    """Return each searched configuration's mean in the order asked for, with the best so far.

    Columns: block (the search's own, in words), number (counted from 0 within it), value (mean over
    the done seeds; missing when none is), n, n_fallen (trials failed, diverged or stopped), best
    (of the block up to here; a configuration with a fallen seed does not count, as for the
    search). Raises TestSelectionError on a test metric.
    """
    require_choosable(metric)
    searched = comparable(frame).dropna(subset=[NUMBER])
    searched = searched.assign(block=searched[BLOCK].fillna("") if BLOCK in searched else "")
    done = searched["state"] == "done"
    grouped = searched.assign(
        value=searched[metric].where(done), fallen=~done
    ).groupby(["block", NUMBER], sort=True)  # fmt: skip
    table = grouped.agg(value=("value", "mean"), n=("value", "count"), n_fallen=("fallen", "sum"))
    table = table.reset_index().rename(columns={NUMBER: "number"})
    table["number"] = table["number"].astype(int)
    whole = table["value"].where(table["n_fallen"] == 0)
    loss = losses(whole.to_frame(metric), metric)
    sign = -1.0 if loss.equals(-whole) else 1.0
    table["best"] = sign * loss.groupby(table["block"]).cummin().groupby(table["block"]).ffill()
    described(table, metric=metric)
    return noted(table, fallen_note(searched))


def history_figure(table: pd.DataFrame) -> go.Figure:
    """Return points over the order asked for and steps of the best so far, one colour a block."""
    title = "Course of the search"
    if table.empty or table["value"].isna().all():
        return drawing.blank(title, notes(table) or ["No searched configuration is done."])
    metric = table.attrs["metric"]
    figure = drawing.canvas(title, subtitle=f"{words(metric)}, mean over seeds")
    for place, (block, part) in enumerate(table.groupby("block", sort=False)):
        style = theme.SLOTS[place % len(theme.SLOTS)]
        name = escape(block) or "one search"
        figure.add_trace(
            drawing.scatter(
                len(table),
                x=part["number"],
                y=part["value"] * scale(metric),
                mode="markers",
                name=name,
                legendgroup=name,
                marker={**drawing.marker(style, 7), "opacity": 0.6},
                hovertext=[_text(row, name, metric) for row in tuples(part)],
                hoverinfo="text",
            )
        )
        figure.add_trace(
            drawing.scatter(
                len(table),
                x=part["number"],
                y=part["best"] * scale(metric),
                mode="lines",
                line={"color": style.color, "width": 2, "shape": "hv"},
                name=f"{name}: best so far",
                legendgroup=name,
                showlegend=False,
                hovertext=[f"{name}<br>best so far {shown(metric, v)}" for v in part["best"]],
                hoverinfo="text",
            )
        )
    figure.update_xaxes(title="configuration asked for (count, from 0)", rangemode="tozero")
    figure.update_yaxes(title=axis_title(metric))
    return figure


def _text(row: Any, name: str, metric: str) -> str:
    fallen = f", {int(row.n_fallen)} fallen" if row.n_fallen else ""
    return (
        f"{name}<br>configuration {row.number}<br>{words(metric)} {shown(metric, row.value)}"
        f"<br>n = {number(row.n)}{fallen}"
    )

"""The course of a search: every configuration in the order asked for, and the best so far."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, brief, number, scale, shown, words
from analysis.columns.names import or_none
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.frames.constraints import BEYOND
from analysis.selection.contest import fallen_note
from analysis.selection.series import comparable, goal_columns
from analysis.selection.tabulation import Tabulation
from analysis.stats import losses, require_choosable

NUMBER: Final = "origin.number"
BLOCK: Final = "origin.block"
SEARCH: Final = "origin.search"
MANY: Final = 10
"""More searches than this have no legend: their names stand in the hover text."""


def history_table(frame: pd.DataFrame, *, metric: str = CHOICE) -> Tabulation:
    """Return each searched configuration's mean in the order asked for, with the best so far.

    Columns: block (the search's own, in words, with what else tells searches apart), sparsity and
    budget (where the search has one), number
    (counted from 0 within it), value (mean over the done seeds; missing when none is), n, n_fallen
    (trials failed, diverged or stopped), best (of the block up to here; a configuration with a
    fallen seed does not count, as for the search, nor one beyond the search's bounds where another
    of the block is within). Raises TestSelectionError on a test metric.
    """
    metric = named(metric, frame)
    require_choosable(metric)
    searched = comparable(frame).dropna(subset=[NUMBER])
    searched = searched.assign(block=_names(searched))
    done = searched["state"] == "done"
    grouped = searched.assign(
        value=searched[metric].where(done),
        fallen=~done,
        beyond=searched[BEYOND] > 0 if BEYOND in searched else False,
    ).groupby(["block", NUMBER], sort=True)  # fmt: skip
    table = grouped.agg(
        value=("value", "mean"),
        n=("value", "count"),
        n_fallen=("fallen", "sum"),
        beyond=("beyond", "any"),
    )
    table = table.reset_index().rename(columns={NUMBER: "number"})
    table = _with_goals(table, searched)
    table["number"] = table["number"].astype(int)
    whole = table["value"].where(table["n_fallen"] == 0)
    beyond = table.pop("beyond")
    fits = (~beyond & whole.notna()).groupby(table["block"]).transform("any")
    whole = whole.mask(beyond & fits)
    loss = losses(whole.to_frame(metric), metric)
    sign = -1.0 if loss.equals(-whole) else 1.0
    table["best"] = sign * loss.groupby(table["block"]).cummin().groupby(table["block"]).ffill()
    n = table["block"].nunique()
    many = f"The names of the {n} searches stand in the hover text." if n > MANY else ""
    bounds = "A configuration beyond the search's bounds does not count where another is within."
    notes = (many, bounds if (beyond & fits).any() else "", fallen_note(searched))
    return Tabulation(table, notes, metric=metric)


def _with_goals(table: pd.DataFrame, searched: pd.DataFrame) -> pd.DataFrame:
    """The table with the sparsity and the budget of each search, missing where it varies them."""
    names = dict(zip(goal_columns(searched), ("sparsity", "budget"), strict=True))
    here = {column: name for column, name in names.items() if column in searched}
    grouped = searched.groupby("block")[list(here)]
    goals = grouped.first().where(grouped.nunique() == 1).rename(columns=here)
    return table.join(goals.reindex(columns=list(names.values())), on="block")


def _block_words(text: str) -> str:
    """A search's own block in words: `90 % sparse, 3 epochs of retraining`; as it is if unclear."""
    parts = [part.partition("=") for part in text.split(", ")]
    if not all(column and equals for column, equals, _ in parts):
        return text
    return block_words({column: _value(value) for column, _, value in parts})


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _names(searched: pd.DataFrame) -> pd.Series[str]:
    """Each trial's search in words: its block, and what else it takes to tell searches apart.

    A study of several spaces searches each of them at the same sparsities.
    """
    empty = pd.Series("", index=searched.index)
    raw = searched[BLOCK].fillna("").astype(str) if BLOCK in searched else empty
    names = raw.map({text: _block_words(text) for text in raw.unique()})
    names = names if names.nunique() == raw.nunique() else raw
    keys = searched[SEARCH].fillna(names) if SEARCH in searched else names
    for column in ("method", "retrain.schedule", "study"):
        if not (keys.groupby(names).nunique() > 1).any():
            break
        if column in searched and (searched.groupby(keys)[column].nunique() <= 1).all():
            longer = (searched[column].fillna("").astype(str) + ", " + names).str.strip(", ")
            names = longer if longer.nunique() > names.nunique() else names
    if (keys.groupby(names).nunique() > 1).any():
        order = {search: rank for rank, search in enumerate(keys.unique(), start=1)}
        names = names + keys.map(order).map(" (search {})".format)
    return names


def history_figure(table: Tabulation) -> go.Figure:
    """Return points over the order asked for and steps of the best so far, one colour per block."""
    frame, metric = table.frame, table.metric
    title = "Course of the search"
    if frame.empty or frame["value"].isna().all():
        return canvas.blank(title, table.notes or ["No searched configuration is done."])
    figure = canvas.canvas(title, subtitle=f"{words(metric)}, mean over seeds")
    few = frame["block"].nunique() <= MANY
    styles = _styles(frame)
    for block, part in frame.groupby("block", sort=False):
        style, name = styles[block], brief(block) or "one search"
        best = [f"{name}\nbest so far {shown(metric, value)}" for value in part["best"]]
        figure.add_trace(
            canvas.scatter(
                len(frame),
                name,
                [_text(row, name, metric) for row in tuples(part)],
                name,
                x=part["number"],
                y=part["value"] * scale(metric),
                mode="markers",
                showlegend=few,
                marker={**canvas.marker(style, 7), "opacity": 0.6},
            )
        )
        figure.add_trace(
            canvas.scatter(
                len(frame),
                f"{name}: best so far",
                best,
                name,
                x=part["number"],
                y=part["best"] * scale(metric),
                mode="lines",
                line={**canvas.line(style), "shape": "hv"},
                showlegend=False,
            )
        )
    best_key = {"color": theme.DENSE.color, "width": 2, "shape": "hv"}
    figure.add_trace(
        canvas.scatter(1, "best so far", x=[None], y=[None], mode="lines", line=best_key)
    )
    figure.update_xaxes(axes.axis("configuration asked for (count, from 0)", rangemode="tozero"))
    figure.update_yaxes(axes.column_axis(metric))
    return figure


def _styles(frame: pd.DataFrame) -> dict[Any, theme.Style]:
    """A style for each search: by its sparsity and budget where these tell searches apart."""
    ones = frame.drop_duplicates("block")
    places = [(or_none(row.sparsity), or_none(row.budget)) for row in tuples(ones)]
    return dict(zip(ones["block"], theme.place_styles(places), strict=True))


def _text(row: Any, name: str, metric: str) -> str:
    fallen = f", {int(row.n_fallen)} fallen" if row.n_fallen else ""
    return (
        f"{name}\nconfiguration {row.number}\n{words(metric)} {shown(metric, row.value)}"
        f"\nn = {number(row.n)}{fallen}"
    )

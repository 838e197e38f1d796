"""Accuracy over ALLR's discount, the fixed ones and the adaptive one."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    block_words,
    brief,
    capital,
    in_percent,
    number,
    scale,
    shown,
    words,
)
from analysis.columns.roles import CHOICE, choice, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.figures.lines import HOVERED, INTERVALS, MANY
from analysis.selection.blocks import Block
from analysis.selection.contest import Contest, contest, means
from analysis.selection.series import SPARSITY, comparable
from analysis.selection.settings import numbers_of
from analysis.selection.tabulation import Tabulation
from analysis.stats import snapped
from analysis.stats.candidates import sign_of

ALONE: Final = (
    "No fixed discount was tried: the adaptive one stands alone, with nothing to compare it with."
)
DISCOUNT: Final = "retrain.discount"
ADAPTIVE: Final = "adaptive"


def discount_table(
    frame: pd.DataFrame, *, metric: str = CHOICE, at: Block | None = None
) -> Tabulation:
    """Return the means of a metric per discount and sparsity, in one block of task and budget.

    Columns: sparsity, budget, discount (a number, or a word such as adaptive), kind (fixed, or that
    word), d (the number, or the mean of the d in use), mean, std, n, lo, hi, n_failed, n_diverged,
    n_configurations, self_chosen, tuned (the fixed discounts best on validation in their block).
    """
    metric = named(metric, frame)
    trials = comparable(frame).dropna(subset=[DISCOUNT])
    meet = contest(trials, DISCOUNT, at, free=[SPARSITY])
    table = discount_means(meet, metric)
    spans = HOVERED if _bare(table) else INTERVALS
    return meet.tabulation(table, spans, *meet.remarks, metric=metric)


def discount_means(meet: Contest, metric: str) -> pd.DataFrame:
    """Return the columns of `discount_table` for every sparsity and budget of a contest."""
    chosen_by = choice(meet.entries)
    score = sign_of(chosen_by) * meet.entries[chosen_by].where(meet.entries["state"] == "done")
    table = means(
        meet.entries.assign(_score=score),
        [SPARSITY, meet.budget, DISCOUNT],
        metric,
        used=("d", "mean"),
        score=("_score", "mean"),
        n_scored=("_score", "count"),
    )
    fixed = numbers_of(table[DISCOUNT])
    table["kind"] = table[DISCOUNT].where(fixed.isna(), "fixed")
    table["d"] = fixed.fillna(table.pop("used"))
    names = {SPARSITY: "sparsity", meet.budget: "budget", DISCOUNT: "discount"}
    table = _tuned(table.rename(columns=names))
    return table.sort_values(["sparsity", "budget", "d"], kind="stable", ignore_index=True)


def _tuned(table: pd.DataFrame) -> pd.DataFrame:
    """Mark, instead of the scores, the fixed discounts with the best score of each block.

    Discounts with fewest trials that fell out go first; all that tie are marked.
    """
    scored = table[(table["kind"] == "fixed") & table["score"].notna()]
    scored = scored.assign(score=snapped(scored["score"]))
    ranked = scored.sort_values(["n_scored", "score"], ascending=False, kind="stable")
    best = ranked.groupby(["sparsity", "budget"])[["n_scored", "score"]].transform("first")
    tied = (ranked[["n_scored", "score"]] == best).all(axis=1)
    tuned = table.index.isin(ranked.index[tied])
    return table.drop(columns=["score", "n_scored"]).assign(tuned=tuned)


def discount_figure(table: Tabulation) -> go.Figure:
    """Return a metric over the discount, one line per sparsity, the adaptive ones as stars."""
    frame, metric = table.frame, table.metric or "val_accuracy"
    title = f"{capital(words(metric))} over the discount"
    if frame.empty or not frame["n"].any():
        return canvas.blank(title, table.notes or ["No trial with a discount is done."])
    if not (frame["kind"] == "fixed").any():
        return canvas.blank(title, [ALONE])
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    styles = theme.styles(frame["sparsity"], SPARSITY)
    for sparsity, part in frame.groupby("sparsity", sort=True):
        style, name = styles[sparsity], f"{shown(SPARSITY, sparsity)} sparse"
        fixed = part[part["kind"] == "fixed"]
        if len(fixed):
            figure.add_trace(_fixed(fixed, table, name, style))
        for row in tuples(part[part["kind"] != "fixed"]):
            mark = part[part.index == row.Index]
            figure.add_trace(_mark(row, mark, table, name, style, legend=fixed.empty))
    figure.update_xaxes(axes.column_axis(DISCOUNT, range=[0.0, 1.03]))
    figure.update_yaxes(axes.column_axis(metric))
    canvas.brief_legend(figure)
    _add_keys(figure, frame)
    return figure


TUNED_SIZE: Final = 13
STAR_SIZE: Final = 17


def _add_keys(figure: go.Figure, frame: pd.DataFrame) -> None:
    """What the marks mean, in the legend."""
    if frame["tuned"].any():
        canvas.add_key(figure, "best fixed d on validation", "circle", TUNED_SIZE)
    for kind in dict.fromkeys(frame["kind"]):
        if kind != "fixed":
            canvas.add_key(figure, f"{brief(kind)} d, on average", _symbol(kind), STAR_SIZE)


def _symbol(kind: str) -> str:
    return "star" if kind == ADAPTIVE else "diamond-tall"


def _fixed(
    part: pd.DataFrame, table: Tabulation, name: str, style: theme.Style
) -> go.Scatter | go.Scattergl:
    return canvas.scatter(
        len(table.frame),
        name,
        [_text(row, name, table.metric) for row in tuples(part)],
        name,
        x=part["d"],
        y=part["mean"] * scale(table.metric),
        error_y=_bars(part, table, style),
        mode="lines+markers" if len(part) <= MANY else "markers",
        line=canvas.line(style),
        marker={
            "color": style.color,
            "symbol": "circle",
            "size": [TUNED_SIZE if tuned else 7 for tuned in part["tuned"]],
            "line": {"width": 0},
        },
    )


def _mark(
    row: Any, part: pd.DataFrame, table: Tabulation, name: str, style: theme.Style, *, legend: bool
) -> go.Scatter | go.Scattergl:
    return canvas.scatter(
        1,
        f"{name}, {brief(row.kind)}",
        [_text(row, name, table.metric)],
        name,
        x=[row.d],
        y=[row.mean * scale(table.metric)],
        error_y=_bars(part, table, style),
        mode="markers",
        marker={
            "color": style.color,
            "symbol": _symbol(row.kind),
            "size": STAR_SIZE,
            "line": {"width": 1.5, "color": theme.DENSE.color},
        },
        showlegend=legend,
    )


def _bars(part: pd.DataFrame, table: Tabulation, style: theme.Style) -> dict[str, Any] | None:
    if _bare(table.frame):
        return None
    return canvas.error_bars(part, scale(table.metric), style.color)


def _bare(table: pd.DataFrame) -> bool:
    """Whether there are too many sparsities for bars to be told apart."""
    return bool(table["sparsity"].nunique() > len(theme.SLOTS))


def _text(row: Any, name: str, metric: str) -> str:
    mean = canvas.mean_text(row, percent=in_percent(metric))
    kind = "fixed" if row.kind == "fixed" else f"{brief(row.kind)}, on average"
    tuned = "\nbest fixed d on validation" if row.tuned else ""
    return f"{name}\nd = {number(row.d, 3)} ({kind})\n{words(metric)} {mean}{tuned}"

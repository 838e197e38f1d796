"""What ALLR's adaptive discount loses to the one tuned for its sparsity and budget."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, number, scale, shown, words
from analysis.columns.names import config_columns, differing, is_missing
from analysis.columns.roles import REPORTED, choice, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.figures.discount import ADAPTIVE, DISCOUNT, discount_means
from analysis.selection.blocks import Block
from analysis.selection.contest import contest
from analysis.selection.series import SPARSITY, comparable, goal_columns
from analysis.selection.settings import numbers_of
from analysis.selection.tabulation import Tabulation
from analysis.stats import NOBODY, SEARCHED, CrossFit, candidates_by, gap, pooled, too_few
from trainables.vocabulary.wording import counted, part_counted

CHOSEN: Final = (
    "The tuned discount is chosen on validation at all seeds but one and scored at that one, so no"
    " seed's luck counts twice. The intervals (95 %, Student's t) allow for the choices that seeds"
    " share."
)


def regret_table(
    frame: pd.DataFrame, *, metric: str = REPORTED, at: Block | None = None
) -> Tabulation:
    """Return what the adaptive discount loses to the best fixed one, per block of one task.

    Columns: sparsity, budget, tuned (the fixed d chosen on validation at all seeds, the least of
    those that tie), n_tied (others that tie with it), n_tried (fixed discounts),
    d (mean adaptive d in use), regret (mean over seeds of the tuned minus the adaptive, each tuned
    on the other seeds; turned for a metric that is better when lower), lo, hi, n (seeds that all
    have done). A block without an adaptive trial, or without a fixed one, keeps its row with regret
    missing and n 0; with one or two seeds the regret of a choice is missing too. The facts are the
    `CrossFit` of the mean over the blocks whose regret is known.
    """
    metric = named(metric, frame)
    trials = comparable(frame).dropna(subset=[DISCOUNT])
    goals = list(goal_columns(trials))
    task = {column: value for column, value in (at or {}).items() if column not in goals}
    meet = contest(trials, DISCOUNT, task, free=goals)
    fits = _fits(meet.trials, goals, metric)
    places = [
        (part, fits[key])
        for key, part in discount_means(meet, metric).groupby(["sparsity", "budget"], sort=True)
    ]
    table = pd.DataFrame([_row(part, fit) for part, fit in places])
    lacking = int((table["n"] == 0).sum()) if len(table) else 0
    where = part_counted(lacking, len(table), "setting")
    missing = f"No adaptive or no fixed discount was done in {where}."
    known = [fit for _, fit in places if fit.unknown is None]
    notes = (missing if lacking else "", meet.remarks[0], *_notes(trials, [f for _, f in places]))
    return meet.tabulation(table, *notes, metric=metric, facts=pooled(known))


def _notes(trials: pd.DataFrame, fits: list[CrossFit]) -> list[str]:
    """How the discounts were tuned, and where too few seeds leave the regret unknown."""
    whys = dict.fromkeys(fit.unknown for fit in fits if fit.unknown and fit.seeds)
    notes = [f"The regret is missing where, {why}." for why in whys]
    if any(fit.unknown is None for fit in fits):
        notes.append(CHOSEN)
    searched = "origin.number" in trials and trials["origin.number"].notna().any()
    return [*notes, SEARCHED] if searched else notes


def _fits(trials: pd.DataFrame, goals: list[str], metric: str) -> dict[Any, CrossFit]:
    """The regret by block, from all of its trials."""
    fixed, adaptive = numbers_of(trials[DISCOUNT]).notna(), trials[DISCOUNT] == ADAPTIVE
    among = [c for c in differing(trials, config_columns(trials)) if c not in goals]
    tuned, reference = (
        candidates_by(trials[kind], goals, among or [DISCOUNT], choice(trials), metric)
        for kind in (fixed, adaptive)
    )
    places = {*tuned, *reference}
    return {key: gap(tuned.get(key, NOBODY), reference.get(key, NOBODY)) for key in places}


def _row(part: pd.DataFrame, fit: CrossFit) -> dict[str, Any]:
    """One block's row; `part` are its means by discount."""
    adaptive, tuned = part[part["kind"] == ADAPTIVE], part[part["tuned"]]
    return {
        "sparsity": part["sparsity"].iloc[0],
        "budget": part["budget"].iloc[0],
        "tuned": tuned["d"].iloc[0] if len(tuned) else np.nan,
        "n_tied": max(len(tuned) - 1, 0),
        "n_tried": int((part["kind"] == "fixed").sum()),
        "d": adaptive["d"].iloc[0] if len(adaptive) else np.nan,
        "regret": fit.mean,
        "lo": fit.interval.lo,
        "hi": fit.interval.hi,
        "n": len(fit.seeds),
    }


def regret_figure(table: Tabulation) -> go.Figure:
    """Return one dot and interval per block: the regret of the adaptive discount, zero marked."""
    frame, metric = table.frame, table.metric
    title = "Regret of the adaptive discount"
    if frame.empty or frame["regret"].isna().all():
        why = ["No setting has both an adaptive and a fixed discount: the regret is missing."]
        few = frame.empty or (frame["n"] > 0).any()
        return canvas.blank(title, (table.notes if few else ()) or why)
    rows = tuples(frame)
    height = 190 + 34 * len(rows)
    figure = canvas.canvas(title, height=height, subtitle=block_words(table.at))
    labels = [f"{shown(SPARSITY, r.sparsity)}, {shown(table.budget, r.budget)}" for r in rows]
    axis = [canvas.markup(name) for name in labels]
    style, factor = theme.STYLES["allr"], scale(metric)
    bars = canvas.error_bars(frame.rename(columns={"regret": "mean"}), factor, style.color)
    figure.add_trace(
        canvas.scatter(
            len(rows),
            "adaptive discount",
            [_text(row, name, metric) for row, name in zip(rows, labels, strict=True)],
            x=frame["regret"] * factor,
            y=axis,
            error_x=bars,
            mode="markers",
            marker=canvas.marker(style, 11),
            showlegend=False,
        )
    )
    for row, name in zip(rows, axis, strict=True):
        if is_missing(row.regret):
            figure.add_annotation(x=0, y=name, text="missing", showarrow=False, xanchor="left")
    figure.add_vline(x=0, line={"color": theme.DENSE.color, "dash": "dot", "width": 1.5})
    figure.update_xaxes(axes.axis(canvas.difference_title(f"{words(metric)} lost", metric)))
    figure.update_yaxes(axes.axis("", type="category", autorange="reversed"))
    return figure


def _text(row: Any, name: str, metric: str) -> str:
    if row.n == 0:
        return f"{name}\nno adaptive or no fixed discount here: missing"
    if is_missing(row.regret):
        return f"{name}\n{too_few(row.n)}"
    lost = canvas.difference_text(metric, row.regret, row.lo, row.hi, int(row.n))
    tied = f" (a tie with {counted(row.n_tied, 'other')})" if row.n_tied else ""
    return (
        f"{name}\ntuned d = {number(row.tuned, 3)}{tied} of {row.n_tried} tried,"
        f" adaptive d = {number(row.d, 3)}\nregret {lost}"
    )

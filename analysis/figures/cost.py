"""Accuracy against what the training cost, each dense run counted for every trial or shared."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    block_words,
    capital,
    in_percent,
    label,
    number,
    scale,
    shown,
    words,
)
from analysis.columns.roles import REPORTED, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.figures.lines import MANY
from analysis.selection.blocks import Block
from analysis.selection.contest import contest, means
from analysis.selection.series import budget_column, comparable
from analysis.selection.tabulation import Tabulation
from analysis.stats.closeness import reach

Cost = Literal["epochs", "epochs, shared", "seconds", "seconds, shared"]


def costs(trials: pd.DataFrame) -> pd.DataFrame:
    """Return each trial's cost under the four accounts of `Cost`; missing where not recorded.

    Alone, a trial pays its dense run whole. Shared, the trials that start from one dense run
    split it in equal parts, failed ones not counted: so the sum is what was really spent.
    """
    users = _users(trials)
    dense_epochs = trials["dense_epochs"].fillna(0.0)
    dense_s = trials["dense_train_s"].fillna(0.0) if "dense_train_s" in trials else 0.0
    table = pd.DataFrame(index=trials.index)
    table["epochs"] = trials["epochs"]
    table["epochs, shared"] = trials["epochs"] - dense_epochs + dense_epochs / users
    train_s = trials["train_s"] if "train_s" in trials else pd.Series(float("nan"), trials.index)
    table["seconds"] = train_s + dense_s
    table["seconds, shared"] = train_s + dense_s / users
    return table


def _users(trials: pd.DataFrame) -> pd.Series[float]:
    """How many trials that have a cost started from each trial's dense run; 1 without one."""
    if "dense_stage" not in trials:
        return pd.Series(1.0, trials.index)
    paying = trials["epochs"].notna() & trials["dense_stage"].notna()
    size = trials[paying].groupby("dense_stage").size()
    return trials["dense_stage"].map(size).fillna(1).astype(float)


def cost_table(
    frame: pd.DataFrame,
    *,
    metric: str = REPORTED,
    cost: Cost = "epochs",
    by: str | None = None,
    at: Block | None = None,
) -> Tabulation:
    """Return the means of a metric and of the cost, per series and budget, in one block.

    The block fixes task and sparsity. Columns: series, budget, cost (mean per trial), mean, std, n,
    lo, hi, n_failed, n_diverged. `cost` names the account, see `costs`; it is the table's fact.
    """
    metric = named(metric, frame)
    trials = comparable(frame)
    budget = budget_column(trials)
    spent = costs(trials)[cost].where(trials["state"] == "done")
    meet = contest(trials.assign(_cost=spent), by, at, free=[budget])
    table = means(meet.entries, [meet.by, budget], metric, cost=("_cost", "mean"))
    table = table.rename(columns={meet.by: "series", budget: "budget"})
    table = table.dropna(subset=["cost"]).reset_index(drop=True)
    return meet.tabulation(table, _account(cost), *meet.remarks, metric=metric, facts=cost)


def _account(cost: str) -> str:
    if cost.endswith("shared"):
        return "A dense run that several trials start from is split evenly over them."
    return "Every trial pays for its dense run, as if it had been trained for it alone."


def cost_figure(table: Tabulation) -> go.Figure:
    """Return mean accuracy over mean cost, one line per series over the budgets.

    Series are moved apart a little, as those of one budget cost the same.
    """
    frame, metric = table.frame, table.metric or "test_accuracy"
    title = f"{capital(words(metric))} against the cost of training"
    if frame.empty or not frame["n"].any():
        return canvas.blank(title, table.notes or ["No trial with a recorded cost is done."])
    currency, _, shared = table.facts.partition(", ")
    span = float(np.ptp(frame["cost"]))
    if not span > reach(frame["cost"]):
        same = f"All trials here cost the same, {number(frame['cost'].iloc[0])} {currency}"
        return canvas.blank(title, [f"{same}: there is nothing to draw across."])
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    styles = theme.styles(frame["series"], table.by)
    for order, (name, style) in enumerate(styles.items()):
        part = frame[frame["series"] == name].sort_values("cost")
        dodge = 0.004 * span * (order - (len(styles) - 1) / 2)
        figure.add_trace(
            canvas.scatter(
                len(frame),
                label(name),
                [
                    f"{words(table.by)} {label(name)}, "
                    f"{words(table.budget)} {shown(table.budget, row.budget)}\n"
                    f"cost {number(row.cost)} {currency}\n{words(metric)} "
                    f"{canvas.mean_text(row, percent=in_percent(metric))}"
                    for row in tuples(part)
                ],
                x=part["cost"] + dodge,
                y=part["mean"] * scale(metric),
                error_y=canvas.error_bars(part, scale(metric), style.color),
                mode="lines+markers" if len(part) <= MANY else "markers",
                line=canvas.line(style, 1.5),
                marker=canvas.marker(style),
            )
        )
    what = "training per trial, dense run shared" if shared else "training per trial"
    figure.update_xaxes(axes.axis(f"{what} ({currency})"))
    figure.update_yaxes(axes.column_axis(metric))
    canvas.title_legend(figure, frame["series"], table.by)
    return figure

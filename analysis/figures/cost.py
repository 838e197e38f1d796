"""Accuracy against what the training cost, each dense run counted for every trial or shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    axis_title,
    in_percent,
    label,
    number,
    place,
    scale,
    shown,
    words,
)
from analysis.drawing import canvas, theme
from analysis.figures.lines import ALONE, MANY
from analysis.selection.blocks import (
    block_columns,
    block_of,
    budget_column,
    comparable,
    described,
    fallen_note,
    inside,
    means,
    noted,
    notes,
    series_column,
    stand_ins,
    tuned_note,
    tuples,
)

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
    own = trials["train_s"] if "train_s" in trials else pd.Series(float("nan"), trials.index)
    table["seconds"] = own + dense_s
    table["seconds, shared"] = own + dense_s / users
    return table


def _users(trials: pd.DataFrame) -> pd.Series[float]:
    """How many trials that have a cost started from each trial's dense run; 1 without one."""
    if "dense_stage" not in trials:
        return pd.Series(1.0, trials.index)
    counted = trials["epochs"].notna() & trials["dense_stage"].notna()
    size = trials[counted].groupby("dense_stage").size()
    return trials["dense_stage"].map(size).fillna(1).astype(float)


def cost_table(
    frame: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    cost: Cost = "epochs",
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the means of a metric and of the cost, per series and budget, in one block.

    The block fixes task and sparsity. Columns: series, budget, cost (mean per trial), mean, std, n,
    lo, hi, n_failed, n_diverged. `cost` names the account, see `costs`.
    """
    trials = comparable(frame)
    series = by or series_column(trials)
    budget = budget_column(trials)
    block = block_of(trials, [c for c in block_columns(trials, series) if c != budget], at)
    here = inside(trials.assign(_cost=costs(trials)[cost]), block)
    chosen = stand_ins(here, series, [budget])
    table = means(chosen, [series, budget], metric)
    done = chosen[chosen["state"] == "done"]
    spent = done.groupby([series, budget], dropna=False, sort=False)["_cost"].mean().reset_index()
    table = table.merge(spent, on=[series, budget], how="left")
    table = table.rename(columns={series: "series", budget: "budget", "_cost": "cost"})
    table = table.dropna(subset=["cost"]).reset_index(drop=True)
    described(table, metric=metric, by=series, cost=cost, at=block, budget=budget)
    return noted(table, _account(cost), fallen_note(chosen), tuned_note(chosen, series))


def _account(cost: str) -> str:
    if cost.endswith("shared"):
        return "A dense run that several trials start from is split evenly over them."
    return "Every trial pays for its dense run, as if it had been trained for it alone."


def cost_figure(table: pd.DataFrame) -> go.Figure:
    """Return mean accuracy over mean cost, one line a series over the budgets.

    Series are moved apart a little, as those of one budget cost the same.
    """
    metric = table.attrs.get("metric", "test_accuracy")
    title = f"{words(metric).capitalize()} against the cost of training"
    if table.empty or not table["n"].any():
        return canvas.blank(title, notes(table) or ["No trial with a recorded cost is done."])
    about = table.attrs
    figure = canvas.canvas(title, subtitle=place(about["at"]))
    named = theme.styles(table["series"], about["by"])
    span = float(np.ptp(table["cost"])) or float(table["cost"].max())
    for order, (name, style) in enumerate(named.items()):
        part = table[table["series"] == name].sort_values("cost")
        dodge = 0.004 * span * (order - (len(named) - 1) / 2)
        figure.add_trace(
            canvas.scatter(
                len(table),
                x=part["cost"] + dodge,
                y=part["mean"] * scale(metric),
                error_y=canvas.error_bars(part, scale(metric), style.color),
                mode="lines+markers" if len(part) <= MANY else "markers",
                name=label(name),
                line=canvas.line(style, 1.5),
                marker=canvas.marker(style),
                hovertext=[
                    f"{words(about['by'])} {label(name)}, "
                    f"{words(about['budget'])} {shown(about['budget'], row.budget)}<br>"
                    f"cost {number(row.cost)} {about['cost'].split(',')[0]}<br>{words(metric)} "
                    f"{canvas.mean_text(row, percent=in_percent(metric))}"
                    for row in tuples(part)
                ],
                hoverinfo="text",
            )
        )
    currency, _, shared = about["cost"].partition(", ")
    what = "training per trial, dense run shared" if shared else "training per trial"
    figure.update_xaxes(title=f"{what} ({currency})")
    if not np.ptp(table["cost"]):
        figure.update_xaxes(range=[(1 - ALONE) * span, (1 + ALONE) * span])
    figure.update_yaxes(title=axis_title(metric))
    return figure

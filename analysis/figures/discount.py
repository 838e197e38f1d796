"""The study of ALLR's discount: accuracy over d, and what the adaptive d loses to the tuned one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    axis_title,
    escape,
    in_percent,
    number,
    place,
    scale,
    shown,
    unit,
    words,
)
from analysis.drawing import canvas, theme
from analysis.figures.lines import HOVERED, INTERVALS, MANY
from analysis.selection.blocks import (
    CHOICE,
    SPARSITY,
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
    stand_ins,
    tuned_note,
    tuples,
)
from analysis.stats import interval, pairs
from trainables.vocabulary import schema

DISCOUNT: Final = "retrain.discount"
ADAPTIVE: Final = "adaptive"


def discount_table(
    frame: pd.DataFrame, *, metric: str = "val_accuracy", at: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return the means of a metric per discount and sparsity, in one block of task and budget.

    Columns: sparsity, budget, discount (a number, or a word such as adaptive), kind (fixed, or that
    word), d (the number, or the mean of the d in use), mean, std, n, lo, hi, n_failed, n_diverged,
    n_configurations, tuned (the fixed discount that is best on validation in its block).
    """
    trials = comparable(frame).dropna(subset=[DISCOUNT])
    budget = budget_column(trials)
    block = block_of(trials, [*_task_columns(trials), budget], at)
    chosen = stand_ins(inside(trials, block), DISCOUNT, [SPARSITY, budget])
    table = _means_by_discount(chosen, metric, budget)
    described(table, metric=metric, at=block, budget=budget)
    spans = HOVERED if _bare(table) else INTERVALS
    return noted(table, spans, fallen_note(chosen), tuned_note(chosen, DISCOUNT))


def _means_by_discount(chosen: pd.DataFrame, metric: str, budget: str) -> pd.DataFrame:
    """The columns of `discount_table` for every sparsity and budget."""
    keys = [SPARSITY, budget, DISCOUNT]
    table = means(chosen, keys, metric)
    extra = chosen.groupby(keys, dropna=False, sort=False).agg(
        used=("d", "mean"), n_configurations=("n_configurations", "first")
    )
    table = table.merge(extra.reset_index(), on=keys, how="left")
    fixed = pd.to_numeric(table[DISCOUNT], errors="coerce")
    table["kind"] = table[DISCOUNT].where(fixed.isna(), "fixed")
    table["d"] = fixed.fillna(table["used"])
    table["tuned"] = _is_tuned(table, chosen, [SPARSITY, budget])
    table = table.drop(columns="used")
    table = table.rename(columns={SPARSITY: "sparsity", budget: "budget", DISCOUNT: "discount"})
    return table.sort_values(["sparsity", "budget", "d"], kind="stable", ignore_index=True)


def _task_columns(trials: pd.DataFrame) -> list[str]:
    return [c for c in block_columns(trials, DISCOUNT) if c.startswith("task")]


def _is_tuned(table: pd.DataFrame, chosen: pd.DataFrame, block: list[str]) -> pd.Series[bool]:
    """Which rows are the fixed discount with the best validation mean in their block.

    Discounts with fewest trials that fell out go first; of equal means the smaller d.
    """
    done = chosen[chosen["state"] == "done"]
    scored = done.groupby([*block, DISCOUNT], dropna=False, sort=False)[CHOICE].agg(
        ["mean", "count"]
    )
    rows = table.merge(
        scored.rename(columns={"mean": "_score", "count": "_n"}).reset_index(),
        on=[*block, DISCOUNT],
        how="left",
    )
    fixed = rows[(rows["kind"] == "fixed") & rows["_score"].notna()]
    ranked = fixed.sort_values(["_n", "_score", "d"], ascending=[False, False, True], kind="stable")
    best = ranked.drop_duplicates(block).index
    return pd.Series(rows.index.isin(best), index=table.index)


def discount_figure(table: pd.DataFrame) -> go.Figure:
    """Return accuracy over the discount, one line a sparsity, the adaptive ones as stars."""
    metric = table.attrs.get("metric", "val_accuracy")
    title = f"{words(metric).capitalize()} over the discount"
    if table.empty or not table["n"].any():
        return canvas.blank(title, notes(table) or ["No trial with a discount is done."])
    figure = canvas.canvas(title, subtitle=place(table.attrs["at"]))
    named = theme.styles(table["sparsity"])
    for sparsity, part in table.groupby("sparsity", sort=True):
        style = named[sparsity]
        name = f"{shown(SPARSITY, sparsity)} sparse"
        fixed = part[part["kind"] == "fixed"]
        _add_fixed(figure, fixed, table, name, style)
        _add_marks(figure, part[part["kind"] != "fixed"], table, name, style, legend=fixed.empty)
    figure.update_xaxes(title=axis_title(DISCOUNT), range=[0.0, 1.03])
    figure.update_yaxes(title=axis_title(metric))
    canvas.brief_legend(figure)
    return figure


def _block_name(key: Any, budget: str) -> str:
    return f"{shown(SPARSITY, key[0])}, {shown(budget, key[1])}"


def _add_fixed(
    figure: go.Figure, part: pd.DataFrame, table: pd.DataFrame, name: str, style: theme.Style
) -> None:
    if part.empty:
        return
    metric = table.attrs["metric"]
    figure.add_trace(
        canvas.scatter(
            len(table),
            x=part["d"],
            y=part["mean"] * scale(metric),
            error_y=_bars(part, table, style),
            mode="lines+markers" if len(part) <= MANY else "markers",
            line=canvas.line(style),
            marker={
                "color": style.color,
                "symbol": "circle",
                "size": [13 if tuned else 7 for tuned in part["tuned"]],
                "line": {"width": 0},
            },
            name=name,
            legendgroup=name,
            hovertext=[_text(row, name, metric) for row in tuples(part)],
            hoverinfo="text",
        )
    )


def _add_marks(
    figure: go.Figure, part: pd.DataFrame, table: pd.DataFrame, name: str, style: theme.Style, *,
    legend: bool,
) -> None:  # fmt: skip
    metric = table.attrs["metric"]
    for row in tuples(part):
        figure.add_scatter(
            x=[row.d],
            y=[row.mean * scale(metric)],
            error_y=_bars(part[part.index == row.Index], table, style),
            mode="markers",
            marker={
                "color": style.color,
                "symbol": "star" if row.kind == ADAPTIVE else "diamond-tall",
                "size": 17,
                "line": {"width": 1.5, "color": theme.DENSE.color},
            },
            name=f"{name}, {escape(row.kind)}",
            legendgroup=name,
            showlegend=legend,
            hovertext=[_text(row, name, metric)],
            hoverinfo="text",
        )


def _bars(part: pd.DataFrame, table: pd.DataFrame, style: theme.Style) -> dict[str, Any] | None:
    if _bare(table):
        return None
    return canvas.error_bars(part, scale(table.attrs["metric"]), style.color)


def _bare(table: pd.DataFrame) -> bool:
    """Whether there are too many sparsities for bars to be told apart."""
    return bool(table["sparsity"].nunique() > len(theme.SLOTS))


def _text(row: Any, name: str, metric: str) -> str:
    said = canvas.mean_text(row, percent=in_percent(metric))
    kind = "fixed" if row.kind == "fixed" else f"{escape(row.kind)}, on average"
    tuned = "<br>best fixed d on validation" if row.tuned else ""
    return f"{name}<br>d = {number(row.d, 3)} ({kind})<br>{words(metric)} {said}{tuned}"


def regret_table(
    frame: pd.DataFrame, *, metric: str = "test_accuracy", at: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return what the adaptive discount loses to the best fixed one, per block of one task.

    Columns: sparsity, budget, tuned (the fixed d chosen on validation), n_tried (fixed discounts),
    d (mean adaptive d in use), regret (mean over pairs of seeds of the tuned minus the adaptive,
    turned for a metric that is better when lower), lo, hi, n (pairs). A block without an
    adaptive trial, or without a fixed one, keeps its row with regret missing and n 0.
    """
    trials = comparable(frame).dropna(subset=[DISCOUNT])
    budget = budget_column(trials)
    task = block_of(trials, _task_columns(trials), {})
    task |= {c: v for c, v in (at or {}).items() if c in task}
    chosen = stand_ins(inside(trials, task), DISCOUNT, [SPARSITY, budget])
    rows = [
        _regret(part, inside(chosen, {SPARSITY: key[0], budget: key[1]}), metric)
        for key, part in _means_by_discount(chosen, metric, budget).groupby(
            ["sparsity", "budget"], sort=True
        )
    ]
    table = described(pd.DataFrame(rows), metric=metric, at=task, budget=budget)
    lacking = int((table["n"] == 0).sum()) if len(table) else 0
    missing = f"{lacking} of {len(table)} blocks lack an adaptive or a fixed discount."
    return noted(table, missing if lacking else "", fallen_note(chosen), _optimism(table))


def _optimism(table: pd.DataFrame) -> str:
    if table.empty or not table["n"].any():
        return ""
    return (
        "The tuned discount is the best of several on validation, so a regret measured on"
        " validation is biased upwards; on test it is not."
    )


def _regret(part: pd.DataFrame, trials: pd.DataFrame, metric: str) -> dict[str, Any]:
    """One block's row; `part` are its means, `trials` the trials behind them."""
    adaptive, tuned = part[part["kind"] == ADAPTIVE], part[part["tuned"]]
    row: dict[str, Any] = {
        "sparsity": part["sparsity"].iloc[0],
        "budget": part["budget"].iloc[0],
        "tuned": tuned["d"].iloc[0] if len(tuned) else np.nan,
        "n_tried": int((part["kind"] == "fixed").sum()),
        "d": adaptive["d"].iloc[0] if len(adaptive) else np.nan,
        "regret": np.nan, "lo": np.nan, "hi": np.nan, "n": 0,
    }  # fmt: skip
    if adaptive.empty or tuned.empty:
        return row
    best = tuned["discount"].iloc[0]
    matched = pairs(trials, metric, best, ADAPTIVE, by=["seed"], column=DISCOUNT).table
    sign = -1.0 if schema.metric(metric).direction == "min" else 1.0
    lost = sign * matched["difference"]
    span = interval(lost)
    return {**row, "regret": lost.mean(), "lo": span.lo, "hi": span.hi, "n": len(lost)}


def regret_figure(table: pd.DataFrame) -> go.Figure:
    """Return one dot and interval a block: the regret of the adaptive discount, zero marked."""
    title = "Regret of the adaptive discount"
    known = table[table["n"] > 0] if len(table) else table
    if known.empty:
        why = ["No block has both an adaptive and a fixed discount: the regret is missing."]
        return canvas.blank(title, (notes(table) if table.empty else []) or why)
    metric = table.attrs["metric"]
    figure = canvas.canvas(title, height=190 + 34 * len(table), subtitle=place(table.attrs["at"]))
    budget = table.attrs["budget"]
    labels = [_block_name((row.sparsity, row.budget), budget) for row in tuples(table)]
    style = theme.STYLES["allr"]
    bars = canvas.error_bars(table.rename(columns={"regret": "mean"}), scale(metric), style.color)
    figure.add_scatter(
        x=table["regret"] * scale(metric),
        y=labels,
        error_x=bars,
        mode="markers",
        marker=canvas.marker(style, 11),
        name="adaptive discount",
        hovertext=[_regret_text(row, name, metric) for row, name in
                   zip(tuples(table), labels, strict=True)],
        hoverinfo="text",
        showlegend=False,
    )  # fmt: skip
    for row, name in zip(tuples(table), labels, strict=True):
        if row.n == 0:
            figure.add_annotation(x=0, y=name, text="missing", showarrow=False, xanchor="left")
    figure.add_vline(x=0, line={"color": theme.DENSE.color, "dash": "dot", "width": 1.5})
    of = "points of %" if in_percent(metric) else unit(metric)
    figure.update_xaxes(title=f"{words(metric)} lost ({of})")
    figure.update_yaxes(title="", type="category", autorange="reversed")
    return figure


def _regret_text(row: Any, name: str, metric: str) -> str:
    if row.n == 0:
        return f"{name}<br>no adaptive or no fixed discount here: missing"
    lost = (
        canvas.difference_text(row.regret, row.lo, row.hi, int(row.n))
        if in_percent(metric)
        else f"{number(row.regret)} {unit(metric)}, n = {int(row.n)}"
    )
    return (
        f"{name}<br>tuned d = {number(row.tuned, 3)} of {row.n_tried} tried,"
        f" adaptive d = {number(row.d, 3)}<br>regret {lost}"
    )

"""Where a global prune takes its weights: sparsity layer by layer, weights against filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import escape, label, number, place, words
from analysis.columns.names import codes, distinct_trials
from analysis.drawing import canvas, theme
from analysis.selection.blocks import (
    CHOICE,
    SPARSITY,
    comparable,
    described,
    fallen_note,
    inside,
    noted,
    notes,
    series_column,
    stand_ins,
    tuned_note,
    tuples,
    values,
    varying,
)

TALLEST: Final = 1400
"""Height in pixels that layers share at most."""

STRUCTURE: Final = "prune.structure"
SHARE: Final = "layer_sparsity"


def layers_table(
    frame: pd.DataFrame, *, by: str | None = None, at: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return the mean sparsity of every layer, per series, over the done seeds of one block.

    `frame` holds one row a layer and trial: `layer`, `layer_sparsity` (a ratio), configuration,
    seed, state and validation accuracy, by which one of a series' configurations stands for it.
    Columns: series, layer, mean, std, n, in natural order of the layers' names. Compared are
    structures, or what the study compares where all trials have the same structure. A block fixes
    task and sparsity alone: which weights go does not hang on the budget.
    """
    trials = comparable(frame.drop_duplicates(["study", "fingerprint"]))
    series = by or (STRUCTURE if trials[STRUCTURE].nunique() > 1 else series_column(trials))
    task = [c for c in varying(frame) if c.startswith("task")]
    block = _block(trials, [*task, SPARSITY], series, at)
    known = trials if CHOICE in trials else trials.assign(**{CHOICE: float("nan")})
    here = inside(known, block).dropna(subset=[series])
    chosen = stand_ins(here, series, []) if len(here) else here.assign(n_configurations=1)
    done = chosen[chosen["state"] == "done"]
    rows = distinct_trials(frame[frame["fingerprint"].isin(done["fingerprint"])])
    rows = rows.drop_duplicates(["fingerprint", "layer"])
    table = rows.groupby([series, "layer"], sort=False)[SHARE].agg(["mean", "std", "count"])
    table = table.reset_index().rename(columns={series: "series", "count": "n"})
    order = {name: place for place, name in enumerate(sorted(set(table["layer"]), key=_natural))}
    table = table.sort_values("layer", key=lambda names: names.map(order), kind="stable")
    table = table.sort_values("series", kind="stable", ignore_index=True, key=codes)
    described(table, by=series, at=block)
    alone = f"Only one {words(series)} was tried here." if table["series"].nunique() == 1 else ""
    spread = "Whiskers are one standard deviation over seeds."
    return noted(table, spread, alone, fallen_note(chosen), tuned_note(chosen, series))


def _block(
    trials: pd.DataFrame, columns: list[str], series: str, at: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The block asked for, else the highest sparsity at which most values of the series met."""
    block = {c: (at or {})[c] for c in columns if c in (at or {})}
    for column in (c for c in columns if c not in block):
        rest = inside(trials, block)
        met = rest.groupby(column)[series].nunique()
        block[column] = max(values(rest, column), key=lambda v: (met[v], _rank(v)), default=None)
    return block


def _rank(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key by which `layer2` comes before `layer10`."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def layers_figure(table: pd.DataFrame) -> go.Figure:
    """Return the sparsity of each layer, one row a layer, one marker a series."""
    title = "Sparsity layer by layer"
    if table.empty:
        return canvas.blank(title, notes(table) or ["No trial here has its layers recorded."])
    n = table["layer"].nunique()
    height = 190 + min(24 * n, TALLEST)
    figure = canvas.canvas(title, height=height, subtitle=place(table.attrs["at"]))
    for name, style in theme.styles(table["series"], table.attrs["by"]).items():
        part = table[table["series"] == name]
        spread = part.assign(lo=part["mean"] - part["std"], hi=part["mean"] + part["std"])
        figure.add_trace(
            canvas.scatter(
                len(table),
                x=part["mean"] * 100,
                y=[escape(layer) for layer in part["layer"]],
                error_x=canvas.error_bars(spread, 100.0, style.color),
                mode="markers",
                name=label(name),
                showlegend=True,
                marker=canvas.marker(style),
                hovertext=[
                    f"{escape(row.layer)}<br>{words(table.attrs['by'])} {label(name)}<br>"
                    f"sparsity {number(row.mean * 100)} %<br>n = {row.n} trials"
                    for row in tuples(part)
                ],
                hoverinfo="text",
            )
        )
    figure.update_xaxes(title="sparsity of the layer (%)", range=[-2, 102])
    names = [escape(layer) for layer in dict.fromkeys(table["layer"])]
    figure.update_yaxes(
        title="", type="category", categoryorder="array", categoryarray=names, autorange="reversed"
    )
    return figure

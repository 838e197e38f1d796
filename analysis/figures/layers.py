"""Where a global prune takes its weights: sparsity layer by layer, weights against filters."""

from __future__ import annotations

import re
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, brief, label, number, words
from analysis.columns.names import codes, distinct_trials
from analysis.columns.roles import choice
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.selection.blocks import Block, inside, task_columns
from analysis.selection.contest import Contest, fallen_note, favourite_note
from analysis.selection.series import SPARSITY, budget_column, comparable, series_column, values
from analysis.selection.tabulation import Tabulation
from trainables.vocabulary.wording import counted

TALLEST: Final = 1400
"""Height in pixels that layers share at most."""

STRUCTURE: Final = "prune.structure"
SHARE: Final = "layer_sparsity"


def layers_table(
    frame: pd.DataFrame, *, by: str | None = None, at: Block | None = None
) -> Tabulation:
    """Return the mean sparsity of every layer, per series, over the done seeds of one block.

    `frame` holds one row per layer and trial: `layer`, `layer_sparsity` (a ratio), configuration,
    seed, state and validation accuracy, by which one of a series' configurations stands for it.
    Columns: series, layer, mean, std, n, in natural order of the layers' names. Compared are
    structures, or what the study compares where all trials have the same structure. A block fixes
    task and sparsity alone: which weights go does not hang on the budget.
    """
    meet = _contest(frame, by, at)
    chosen = meet.favourites
    done = chosen[chosen["state"] == "done"]
    rows = distinct_trials(frame[frame["fingerprint"].isin(done["fingerprint"])])
    rows = rows.drop_duplicates(["fingerprint", "layer"])
    table = rows.groupby([meet.by, "layer"], sort=False)[SHARE].agg(["mean", "std", "count"])
    table = table.reset_index().rename(columns={meet.by: "series", "count": "n"})
    order = {name: rank for rank, name in enumerate(sorted(set(table["layer"]), key=_natural))}
    table = table.sort_values("layer", key=lambda names: names.map(order), kind="stable")
    table = table.sort_values("series", kind="stable", ignore_index=True, key=codes)
    single = table["series"].nunique() == 1
    alone = f"Only one {words(meet.by)} was tried here." if single else ""
    spread = "Whiskers are one standard deviation over seeds."
    remarks = fallen_note(chosen), favourite_note(chosen, meet.by)
    return meet.tabulation(table, spread, alone, *remarks)


def _contest(frame: pd.DataFrame, by: str | None, at: Block | None) -> Contest:
    """One block's contest, among the trials that have the series at all."""
    trials = comparable(frame.drop_duplicates(["study", "fingerprint"]))
    series = by or (STRUCTURE if trials[STRUCTURE].nunique() > 1 else series_column(trials))
    block = _block(trials, [*task_columns(frame), SPARSITY], series, at)
    chosen = choice(trials)
    known = trials if chosen in trials else trials.assign(**{chosen: float("nan")})
    return Contest(inside(known, block), series, block, (), budget_column(trials)).having(series)


def _block(
    trials: pd.DataFrame, columns: list[str], series: str, at: Block | None
) -> dict[str, Any]:
    """The block asked for, else the highest sparsity at which most values of the series met."""
    block = {c: (at or {})[c] for c in columns if c in (at or {})}
    for column in (c for c in columns if c not in block):
        rest = inside(trials, block)
        met = rest.groupby(column)[series].nunique()
        ranks = {v: (met[v], v if isinstance(v, int | float) else 0) for v in values(rest, column)}
        block[column] = max(ranks, key=lambda value: ranks[value], default=None)
    return block


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key by which `layer2` comes before `layer10`."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def layers_figure(table: Tabulation) -> go.Figure:
    """Return the sparsity of each layer, one row per layer, one marker per series."""
    frame, title = table.frame, "Sparsity layer by layer"
    if frame.empty:
        return canvas.blank(title, table.notes or ["No trial here has its layers recorded."])
    height = 190 + min(24 * frame["layer"].nunique(), TALLEST)
    figure = canvas.canvas(title, height=height, subtitle=block_words(table.at))
    axis = {layer: canvas.markup(brief(layer)) for layer in dict.fromkeys(frame["layer"])}
    for name, style in theme.styles(frame["series"], table.by).items():
        part = frame[frame["series"] == name]
        spread = part.assign(lo=part["mean"] - part["std"], hi=part["mean"] + part["std"])
        figure.add_trace(
            canvas.scatter(
                len(frame),
                label(name),
                [
                    f"{brief(row.layer)}\n{words(table.by)} {label(name)}\n"
                    f"sparsity {number(row.mean * 100)} %\nn = {counted(row.n, 'trial')}"
                    for row in tuples(part)
                ],
                x=part["mean"] * 100,
                y=[axis[layer] for layer in part["layer"]],
                error_x=canvas.error_bars(spread, 100.0, style.color),
                mode="markers",
                showlegend=True,
                marker=canvas.marker(style),
            )
        )
    canvas.title_legend(figure, frame["series"], table.by)
    figure.update_xaxes(axes.axis("sparsity of the layer (%)", range=[-2, 102]))
    figure.update_yaxes(
        axes.axis(
            "", type="category", categoryorder="array", categoryarray=list(axis.values()),
            autorange="reversed",
        )
    )  # fmt: skip
    return figure

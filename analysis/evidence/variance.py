"""Where the variance of a result lies: in dense runs, in retrainings of one, in the images."""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, difference_unit, number, scale, words
from analysis.columns.names import RETRAIN_SEED, config_columns, differing
from analysis.columns.roles import REPORTED, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.selection.blocks import Block, blocks, inside
from analysis.selection.contest import contest
from analysis.selection.series import each_once, goal_columns, values
from analysis.selection.tabulation import Tabulation
from analysis.stats import Components, components
from trainables.config.datasets import known
from trainables.vocabulary.wording import counted

SOURCES: Final = {
    "dense": "dense runs",
    "retraining": "retrainings of one dense run",
    "evaluation": "draw of the images",
}
MERGED: Final = "dense run and retraining together"
"""The first source where each dense run was retrained once."""

_NOTES: Final = (
    "Variance between trials that differ in their seeds alone, pooled over the settings there"
    " (method of moments on the nested design). That of the images is at most the binomial one: all"
    " trials see the same images.",
    "Each dense run was retrained once, so its share cannot be told from that of retraining:"
    " several retrainings of each would tell them apart.",
)


def variance_table(
    frame: pd.DataFrame, *, metric: str = REPORTED, at: Block | None = None
) -> Tabulation:
    """Return how the variance within settings splits, per sparsity and budget of one task.

    Columns: block (in words), source (of `SOURCES`, in words), variance (in the metric's unit
    squared), std (its root), share (of the block's total), total_std, n_seeds, n_trials,
    n_settings. A source whose estimate is below zero is 0; one that is not known has no row. A
    block whose settings were run at one seed each has none. More than `MANY_PLACES` sparsities and
    budgets are pooled.
    """
    metric = named(metric, frame)
    trials = each_once(frame)  # retrainings of one dense run are told apart here
    meet = contest(trials, "", at, free=goal_columns(trials))
    rows = [
        row
        for place in _places(meet.trials, list(meet.keys))
        for row in _rows(inside(meet.trials, place), place, metric)
    ]
    columns = ["block", "source", "variance", "std", "share", "total_std", "n_seeds", "n_trials",
               "n_settings"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    few = "No setting was run at two seeds: where variance lies is not known."
    merged = bool(len(table)) and MERGED in set(table["source"])
    notes = (few,) if table.empty else (_NOTES[0], _NOTES[1] if merged else "")
    return meet.tabulation(table, *notes, metric=metric)


MANY_PLACES: Final = 24
"""Over more sparsities and budgets than this, a search's, variance is pooled."""


def _places(trials: pd.DataFrame, keys: list[str]) -> list[dict[str, Any]]:
    """The sparsities and budgets that stand apart; one empty place where they are too many."""
    places = blocks(trials, keys)
    return places if len(places) <= MANY_PLACES else [{}]


def _rows(part: pd.DataFrame, place: Block, metric: str) -> list[dict[str, Any]]:
    settings = differing(part, config_columns(part))
    several = RETRAIN_SEED in part and part[RETRAIN_SEED].nunique() > 1
    retraining = RETRAIN_SEED if several else None
    found = components(part, metric, settings, retraining, images_of(part, metric))
    if found is None:
        return []
    return [
        {"block": block_words(place) or "all trials", "source": source, "variance": variance,
         "std": math.sqrt(variance), "share": share, "total_std": math.sqrt(found.total),
         "n_seeds": found.n_seeds, "n_trials": found.n_trials, "n_settings": found.n_settings}
        for source, variance, share in _split(found)
    ]  # fmt: skip


def _split(found: Components) -> list[tuple[str, float, float]]:
    """The known sources in words, each with its variance and share; shares of nothing are 0."""
    parts = {name: getattr(found, name) for name in SOURCES}
    first = MERGED if math.isnan(found.retraining) else SOURCES["dense"]
    return [
        (first if name == "dense" else SOURCES[name], part, found.shares.get(name, 0.0))
        for name, part in parts.items()
        if not math.isnan(part)
    ]


def images_of(trials: pd.DataFrame, metric: str) -> int | None:
    """Return how many images an accuracy is measured on, where the data set is known."""
    names = values(trials, "task.dataset")
    dataset = known(names[0]) if len(names) == 1 else None
    if dataset is None or metric not in ("val_accuracy", "test_accuracy"):
        return None
    sizes = [int(n) for n in values(trials, "task.dataset.n_val")]
    return dataset.n_test if metric.startswith("test_") else min([dataset.n_val, *sizes])


def variance_figure(table: Tabulation) -> go.Figure:
    """Return one stacked bar per sparsity and budget: the share of each source."""
    frame, metric, title = table.frame, table.metric, "Where variance comes from"
    if frame.empty:
        return canvas.blank(title, table.notes)
    factor = scale(metric)
    places = list(dict.fromkeys(frame["block"]))
    totals = dict(zip(frame["block"], frame["total_std"], strict=True))
    unit = difference_unit(metric)
    names = {
        place: canvas.markup(f"{place}\nin all {number(totals[place] * factor, 2)} {unit}".rstrip())
        for place in places
    }
    height = 190 + 46 * len(places)
    figure = canvas.canvas(title, height=height, subtitle=f"of {words(metric)}, seed to seed")
    looks = [*theme.NAMES[: len(SOURCES) - 1], theme.DENSE]  # the images are nobody's doing
    shades = dict(zip(SOURCES.values(), looks, strict=True))
    shades[MERGED] = shades[SOURCES["dense"]]
    for source in [MERGED, *SOURCES.values()]:
        part = frame[frame["source"] == source]
        if part.empty:
            continue
        figure.add_bar(
            y=[names[place] for place in part["block"]],
            x=100 * part["share"],
            orientation="h",
            name=canvas.markup(source),
            marker={"color": shades[source].color},
            hovertext=[canvas.markup(_text(row, factor, unit)) for row in tuples(part)],
            hoverinfo="text",
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(axes.axis("share of the variance (%)", range=[0, 101]))
    figure.update_yaxes(axes.axis("", type="category", autorange="reversed"))
    return figure


def _text(row: Any, factor: float, unit: str) -> str:
    return (
        f"{row.block}\n{row.source}: {number(100 * row.share, 3)} %\nstandard deviation"
        f" {number(row.std * factor, 2)} {unit}".rstrip()
        + f"\n{counted(int(row.n_seeds), 'seed')}, {counted(int(row.n_trials), 'trial')} of"
        f" {counted(int(row.n_settings), 'setting')}"
    )

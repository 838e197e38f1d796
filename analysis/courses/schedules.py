"""Learning rates: the dense run, and every retraining schedule behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, label, number, words
from analysis.columns.names import config_columns, differing, is_missing, joined
from analysis.columns.roles import choice
from analysis.courses.rates import rates_of_dense, warmup_steps
from analysis.drawing import axes, canvas, theme
from analysis.drawing.thin import kept_points
from analysis.selection.blocks import Block, inside
from analysis.selection.contest import Contest, contest
from analysis.selection.series import comparable, values
from analysis.selection.tabulation import Tabulation, nothing
from analysis.stats.candidates import sign_of
from trainables.config.datasets import known
from trainables.formulas.schedules import RETRAIN_SCHEDULES, retrain_rates, retrain_refusal
from trainables.formulas.sparsity import epochs_to_steps, split_steps

SCHEDULE: Final = "retrain.schedule"


def rates_table(
    dense: Sequence[float],
    retrain: Mapping[str, Sequence[float]],
    *,
    steps_per_epoch: int,
    discounts: Mapping[str, float] | None = None,
) -> Tabulation:
    """Return learning rates as points to draw, thinned without losing a jump.

    `dense` and each of `retrain` hold one rate per step. Columns: series (`dense` or a schedule),
    epoch (from the start of the dense run, where retraining begins at its end), lr, d (the
    discount in use, missing where there is none).
    """
    given = discounts or {}
    parts = [_points("dense", dense, 0, steps_per_epoch, float("nan"))]
    parts += [
        _points(name, rates, len(dense), steps_per_epoch, given.get(name, float("nan")))
        for name, rates in retrain.items()
    ]
    return Tabulation(pd.concat(parts, ignore_index=True))


def _points(
    name: str, rates: Sequence[float], first: int, steps_per_epoch: int, discount: float
) -> pd.DataFrame:
    """The points of one series; the last rate is held to the end of its step."""
    held = np.append(np.asarray(rates, dtype=float), rates[-1:])
    kept = kept_points(held)
    return pd.DataFrame(
        {"series": name, "epoch": (first + kept) / steps_per_epoch, "lr": held[kept], "d": discount}
    )


def schedules_table(frame: pd.DataFrame, *, at: Block | None = None) -> Tabulation:
    """Return the rates of the dense run of one block and of every schedule behind it.

    Schedules without parameters of their own are all shown, tried or not; ALLR with the mean
    adaptive discount measured in the block; a tunable one where the block tried it, with its
    commonest parameters. Of several cycles the last is shown. Columns as in `rates_table`.
    """
    trials = comparable(frame).dropna(subset=[SCHEDULE, "dense.epochs"])
    meet = contest(trials, SCHEDULE, at)
    if meet.trials.empty:
        return nothing(f"No trial retrains at {block_words(meet.at)}.")
    here, several = _alike(meet)
    row = here.iloc[0]
    per_epoch = _steps_per_epoch(row)
    if per_epoch is None:
        return nothing("The number of steps in an epoch is not known for this data.")
    warmup = warmup_steps(row, per_epoch)
    dense = rates_of_dense(row, epochs_to_steps(float(row["dense.epochs"]), per_epoch), per_epoch)
    steps = split_steps(row["retrain.epochs"], int(row["prune.cycles"]), per_epoch)[-1]
    arguments = _arguments(here)
    rates = {
        name: retrain_rates(name, steps=steps, dense=dense, dense_warmup_steps=warmup, **given)
        for name, given in arguments.items()
        if retrain_refusal(name, steps=steps, dense_steps=len(dense)) is None
    }
    discounts = {name: g["discount"] for name, g in arguments.items() if "discount" in g}
    table = rates_table(dense, rates, steps_per_epoch=per_epoch, discounts=discounts)
    remarks = _remarks(row, arguments, rates, len(here))
    return meet.tabulation(table.frame, *remarks, several)


def _alike(meet: Contest) -> tuple[pd.DataFrame, str]:
    """The trials of one dense run and one split, the best on validation, and a note on others."""
    here = meet.trials
    split = ("prune.cycles", "retrain.epochs")
    mixed = differing(
        here, [c for c in config_columns(here) if c.startswith("dense.") or c in split]
    )
    if not mixed:
        return here, ""
    favourites = meet.favourites
    chosen_by = choice(favourites)
    means = sign_of(chosen_by) * favourites.groupby(SCHEDULE, sort=False)[chosen_by].mean()
    means = means.dropna()
    best = favourites[favourites[SCHEDULE] == means.idxmax()] if len(means) else favourites
    one = inside(here, {column: best.iloc[0][column] for column in mixed})
    names = joined([words(column) for column in mixed])
    return one, f"Trials here differ in {names}; drawn is the best on validation."


def _remarks(
    row: pd.Series[Any], arguments: Mapping[str, Any], rates: Mapping[str, Any], n: int
) -> list[str]:
    cycles = int(row["prune.cycles"])
    absent = [name for name in arguments if name not in rates]
    allr = arguments.get("allr")
    return [
        f"Of {cycles} cycles the last is shown." if cycles > 1 else "",
        f"{', '.join(absent)} cannot retrain for longer than the dense run." if absent else "",
        f"ALLR's discount is the mean adaptive d of {_of_trials(n)} here." if allr else
        "No adaptive discount was recorded here, so ALLR is not shown.",
    ]  # fmt: skip


def _of_trials(n: int) -> str:
    return "the one trial" if n == 1 else f"the {n} trials"


def _steps_per_epoch(row: pd.Series[Any]) -> int | None:
    """Optimiser steps per epoch: from the data set's counts, or as a retraining recorded them."""
    name = row.get("task.dataset")
    dataset = None if is_missing(name) else known(name)
    if dataset is not None:
        size = row.get("task.dataset.n_train")
        n_train = dataset.n_train({"n_train": size} if not is_missing(size) else {})
        return -(-n_train // int(row["dense.batch_size"]))
    steps, epochs = row.get("retrain_steps"), row.get("retrain_epochs")
    if is_missing(steps) or is_missing(epochs) or not epochs:
        return None
    per_epoch: float = steps / epochs
    return max(1, round(per_epoch))


def _arguments(here: pd.DataFrame) -> dict[str, dict[str, float]]:
    """For each schedule to show, what it needs besides the dense run."""
    arguments: dict[str, dict[str, float]] = {}
    tried = values(here, SCHEDULE)
    for name, schedule in RETRAIN_SCHEDULES.items():
        if "discount" in schedule.uses:
            discount = here["d_adaptive"].mean() if "d_adaptive" in here else float("nan")
            if not is_missing(discount):
                arguments[name] = {"discount": float(discount)}
        elif not schedule.uses:
            arguments[name] = {}
        elif name in tried:
            trials = here[here[SCHEDULE] == name]
            arguments[name] = {
                key: float(trials[f"retrain.{key}"].mode().iloc[0])
                for key in schedule.uses
                if trials[f"retrain.{key}"].notna().any()
            }
    return arguments


def schedules_figure(table: Tabulation) -> go.Figure:
    """Return the dense run's learning rate and, behind it, one line per retraining schedule."""
    frame, title = table.frame, "Learning-rate schedules"
    if frame.empty:
        return canvas.blank(title, table.notes)
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    dense, rest = frame[frame["series"] == "dense"], frame[frame["series"] != "dense"]
    figure.add_trace(_line(dense, theme.DENSE, "dense run", "x"))
    for name, style in theme.styles(rest["series"], SCHEDULE).items():
        part = rest[rest["series"] == name]
        d = part["d"].iloc[0]
        named = label(name) if is_missing(d) else f"{label(name)}, d = {number(d, 3)}"
        figure.add_trace(_line(part, style, named, "x2"))
    end = dense["epoch"].max()
    last = rest["epoch"].max() if len(rest) else end + 1
    figure.update_layout(
        **axes.dense_and_retraining(end, last), yaxis=axes.column_axis("lr", rangemode="tozero")
    )
    return figure


def _line(part: pd.DataFrame, style: theme.Style, name: str, axis: str) -> go.Scatter:
    text = canvas.markup(name)
    return go.Scatter(
        x=part["epoch"],
        y=part["lr"],
        xaxis=axis,
        yaxis="y",
        mode="lines",
        name=text,
        line=canvas.line(style),
        hovertemplate=f"{text}<br>epoch %{{x:.3~f}}<br>learning rate %{{y:.3~g}}<extra></extra>",
    )

"""What a whole study cost, its trials one by one and with their shared dense runs counted once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from analysis.columns.labels import number
from analysis.figures.cost import costs
from analysis.selection.networks import trained_here
from analysis.selection.series import each_once
from trainables.vocabulary.wording import counted, duration


@dataclass(frozen=True)
class Spending:
    """Training of a whole study, in epochs and seconds: asked for one by one, and done shared."""

    epochs_asked: float
    epochs_done: float
    seconds_asked: float
    seconds_done: float
    n_dense: int


def spending(frame: pd.DataFrame) -> Spending:
    """Return what the trials cost alone and what they cost with their dense runs shared."""
    trials = each_once(frame)
    if "epochs" not in trials or "dense_epochs" not in trials:
        return Spending(math.nan, math.nan, math.nan, math.nan, 0)
    trials = trained_here(trials)
    spent = costs(trials).sum(min_count=1)
    n_dense = trials["dense_stage"].nunique() if "dense_stage" in trials else 0
    return Spending(
        spent["epochs"],
        spent["epochs, shared"],
        spent["seconds"],
        spent["seconds, shared"],
        n_dense,
    )


def sharing(frame: pd.DataFrame) -> str:
    """Return what the sharing of dense runs saved, in words; "" where nothing is known."""
    spent = spending(frame)
    if not math.isfinite(spent.epochs_asked) or spent.epochs_asked <= 0:
        return ""
    saved = 1 - spent.epochs_done / spent.epochs_asked
    alone, shared = (number(round(epochs, 0)) for epochs in (spent.epochs_asked, spent.epochs_done))
    text = (
        f"The trials ask for {alone} epochs of training; with their"
        f" {counted(spent.n_dense, 'dense run')} shared they took {shared},"
        f" {number(100 * saved, 2)} % less"
    )
    if not spent.n_dense:
        text = f"The trials took {shared} epochs of training; there was no dense run to share"
    elif math.isfinite(spent.seconds_done):
        text += (
            f"; {duration(spent.seconds_done)} of training instead of"
            f" {duration(spent.seconds_asked)}"
        )
    lost = int((frame["state"] == "failed").sum()) if len(frame) else 0
    return f"{text}." + (f" {counted(lost, 'failed trial')} not counted." if lost else "")

"""Accuracy against sparsity, against budget, and against the split of BIMP's budget."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import capital, words
from analysis.columns.roles import CHOICE, REPORTED, named
from analysis.figures.lines import line_figure, line_table
from analysis.figures.losses import LOSS, VALUE
from analysis.selection.blocks import Block
from analysis.selection.series import SPARSITY, budget_column, comparable
from analysis.selection.tabulation import Tabulation


def accuracy_by_sparsity_table(
    frame: pd.DataFrame,
    *,
    metric: str = REPORTED,
    by: str | None = None,
    at: Block | None = None,
    view: str = VALUE,
) -> Tabulation:
    """Return the means of a metric per series and sparsity, in one block of task and budget.

    Columns as in `line_table`, x being the sparsity asked for, a ratio.
    """
    metric = named(metric, frame)
    return line_table(comparable(frame), SPARSITY, metric, by, at, view)


def accuracy_by_sparsity_figure(table: Tabulation) -> go.Figure:
    """Return one line per series over sparsity, which is spaced by compression."""
    return line_figure(table, f"{_subject(table)} against sparsity")


def accuracy_by_budget_table(
    frame: pd.DataFrame,
    *,
    metric: str = REPORTED,
    by: str | None = None,
    at: Block | None = None,
    view: str = VALUE,
) -> Tabulation:
    """Return the means of a metric per series and budget, in one block of task and sparsity.

    Columns as in `line_table`, x being the epochs of retraining, or of all training where the
    study holds methods that have one budget.
    """
    metric = named(metric, frame)
    trials = comparable(frame)
    return line_table(trials, budget_column(trials), metric, by, at, view)


def accuracy_by_budget_figure(table: Tabulation) -> go.Figure:
    """Return one line per series over the budget in epochs."""
    return line_figure(table, f"{_subject(table)} against budget")


def _subject(table: Tabulation) -> str:
    lost = " lost from dense" if table.facts == LOSS else ""
    return f"{capital(words(table.metric or 'test_accuracy'))}{lost}"


def budget_split_table(
    frame: pd.DataFrame, *, metric: str = CHOICE, at: Block | None = None
) -> Tabulation:
    """Return the means of a metric per number of cycles and dense share T0/T, in one block.

    Columns as in `line_table`: series is `prune.cycles`, x `budget.dense_fraction`, a ratio.
    """
    metric = named(metric, frame)
    return line_table(comparable(frame), "budget.dense_fraction", metric, "prune.cycles", at)


def budget_split_figure(table: Tabulation) -> go.Figure:
    """Return one line per number of cycles over the dense run's share of the budget."""
    return line_figure(table, "Split of the budget between dense run and retraining")

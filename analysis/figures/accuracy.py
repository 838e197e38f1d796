"""Accuracy against sparsity and against budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import words
from analysis.figures.lines import line_figure, line_table
from analysis.selection.blocks import SPARSITY, budget_column, comparable, series_column


def accuracy_by_sparsity_table(
    frame: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the means of a metric per series and sparsity, in one block of task and budget.

    Columns as in `line_table`, x being the sparsity asked for, a ratio.
    """
    trials = comparable(frame)
    return line_table(trials, SPARSITY, metric, by or series_column(trials), at)


def accuracy_by_sparsity_figure(table: pd.DataFrame) -> go.Figure:
    """Return one line a series over sparsity, which is spaced by compression."""
    return line_figure(table, f"{_subject(table)} against sparsity")


def accuracy_by_budget_table(
    frame: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the means of a metric per series and budget, in one block of task and sparsity.

    Columns as in `line_table`, x being the epochs of retraining, or of all training where the
    study holds methods that have one budget.
    """
    trials = comparable(frame)
    return line_table(trials, budget_column(trials), metric, by or series_column(trials), at)


def accuracy_by_budget_figure(table: pd.DataFrame) -> go.Figure:
    """Return one line a series over the budget in epochs."""
    return line_figure(table, f"{_subject(table)} against budget")


def _subject(table: pd.DataFrame) -> str:
    return words(table.attrs.get("metric", "test_accuracy")).capitalize()

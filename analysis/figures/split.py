"""How BIMP's budget is best spent: the dense run's share, and the number of cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis.figures.lines import line_figure, line_table
from analysis.selection.blocks import comparable


def budget_split_table(
    frame: pd.DataFrame, *, metric: str = "val_accuracy", at: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Return the means of a metric per number of cycles and dense share T0/T, in one block.

    Columns as in `line_table`: series is `prune.cycles`, x `budget.dense_fraction`, a ratio.
    """
    trials = comparable(frame)
    return line_table(trials, "budget.dense_fraction", metric, "prune.cycles", at)


def budget_split_figure(table: pd.DataFrame) -> go.Figure:
    """Return one line a number of cycles over the dense run's share of the budget."""
    return line_figure(table, "Split of the budget between dense run and retraining")

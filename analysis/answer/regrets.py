"""What ALLR's adaptive discount loses to the one tuned for its sparsity and budget."""

from __future__ import annotations

import pandas as pd

from analysis.answer.statements import Place, Regret
from analysis.columns.rows import records
from analysis.figures.discount import DISCOUNT
from analysis.figures.regret import regret_table
from analysis.selection.blocks import blocks, task_columns
from analysis.selection.series import SPARSITY
from analysis.selection.settings import numbers_of
from analysis.stats import CrossFit, too_few


def regrets(trials: pd.DataFrame) -> list[Regret]:
    """Return the regret of the adaptive discount in each task; nothing where none was tuned."""
    if DISCOUNT not in trials or not trials[DISCOUNT].notna().any():
        return []
    tuned = trials.dropna(subset=[DISCOUNT])
    if numbers_of(tuned[DISCOUNT]).nunique() < 2:
        return []
    found = (_regret(trials, task) for task in blocks(tuned, task_columns(tuned)))
    return [one for one in found if one is not None]


def _regret(trials: pd.DataFrame, task: Place) -> Regret | None:
    result = regret_table(trials, at=task)
    table = result.frame
    if table.empty or not (table["n_tried"] > 1).any():
        return None
    known = table[table["regret"].notna()]
    mean: CrossFit = result.facts
    worst = records(known.sort_values("regret", kind="stable"))[-1] if len(known) else {}
    missing = float("nan")
    return Regret(
        task,
        result.metric,
        mean.mean,
        mean.interval.lo,
        mean.interval.hi,
        mean.interval.n,
        len(known),
        int(table["n_tried"].max()),
        worst.get("regret", missing),
        _place(worst, result.budget, table["budget"].nunique()),
        worst.get("tuned", missing),
        worst.get("d", missing),
        _why(table, known),
    )


def _place(row: Place, budget: str, n_budgets: int) -> Place:
    """The place of a row of regrets; its budget where there are several."""
    if not row:
        return {}
    at = {SPARSITY: row["sparsity"]}
    return {**at, budget: row["budget"]} if n_budgets > 1 else at


def _why(table: pd.DataFrame, known: pd.DataFrame) -> str | None:
    if len(known):
        return None
    n = int(table["n"].max())
    return too_few(n) if n else "no adaptive discount was tried beside the tuned ones"

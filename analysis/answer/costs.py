"""What each step of sparsity costs, from the dense model on, at one budget."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final, TypeAlias

import pandas as pd

from analysis.answer.basis import Basis
from analysis.answer.statements import SparsityCost, Step
from analysis.selection.blocks import Block, block_rows, inside
from analysis.selection.dense import dense_settings
from analysis.selection.series import SPARSITY
from analysis.stats import interval
from analysis.stats.candidates import SEED
from analysis.stats.intervals import BY_CHOICES

MANY_STEPS: Final = 10
"""With more sparsities than this they were sampled, and there are no steps."""


def costs(basis: Basis, name: Any, task: Block | None = None) -> list[SparsityCost]:
    """Return the cost of each step of sparsity with one contestant, for each budget of a task."""
    gains = basis.results.gains
    if SPARSITY not in basis.places or gains.empty or name not in gains:
        return []
    rows = inside(gains[name].dropna().rename("value").reset_index(), task or {})
    if rows.empty or rows[SPARSITY].nunique() > MANY_STEPS:
        return []
    others = [column for column in basis.places if column != SPARSITY]
    if not others:
        return [_cost(basis, name, {}, rows)]
    return [_cost(basis, name, at, rows.iloc[here]) for at, here in block_rows(rows[others])]


def _cost(basis: Basis, name: Any, at: dict[str, Any], part: pd.DataFrame) -> SparsityCost:
    table = part.pivot(index=SEED, columns=SPARSITY, values="value").sort_index(axis=1)
    choices = int(name in basis.results.tuned)
    columns = [(float(sparsity), table[sparsity].dropna(), choices) for sparsity in table.columns]
    dense = dense_by_seed(basis, at)
    start_at, start, _ = first = (None, dense, 0) if len(dense) else columns[0]
    chain = [first, *(columns if len(dense) else columns[1:])]
    steps = tuple(_step(basis.sign, *pair) for pair in pairwise(chain))
    n = max((step.n for step in steps), default=len(start))
    mean = basis.sign * float(start.mean())
    return SparsityCost(at, basis.by, name, basis.metric, start_at, mean, n, steps, bool(choices))


Level: TypeAlias = "tuple[float | None, pd.Series[float], int]"
"""A sparsity, the gains there by seed, and how many choices of other seeds are in each."""


def _step(sign: float, before: Level, after: Level) -> Step:
    lost = (before[1] - after[1]).dropna()
    span = interval(lost, kind=BY_CHOICES[before[2] + after[2]])
    mean = float(lost.mean()) if len(lost) else math.nan
    end = after[0] if after[0] is not None else math.nan
    return Step(end, sign * float(after[1].mean()), mean, span.lo, span.hi, span.n)


def dense_by_seed(basis: Basis, at: Block) -> pd.Series[float]:
    """Return what the dense model reaches by seed, turned so that more is better.

    Nothing where the dense runs differ in more than the seed: their mean is that of no model.
    """
    column = f"dense_{basis.metric}"
    none = pd.Series(dtype=float)
    here = inside(basis.trials, {c: v for c, v in at.items() if c.startswith("task.")})
    if column not in here or dense_settings(here, basis.metric):
        return none
    done = here[(here["state"] == "done") & here[column].notna()]
    by_seed: pd.Series[float] = basis.sign * done.groupby(SEED)[column].first()
    return by_seed

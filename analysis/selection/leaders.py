"""Who leads on validation in each block, over seeds that make it a fair comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.columns.roles import choice, reported
from analysis.selection.blocks import block_columns, blocks, inside, stand_ins
from analysis.selection.series import series_column
from analysis.stats import pairs, snapped, summary
from analysis.stats.candidates import sign_of


@dataclass(frozen=True)
class Leader:
    """The best series of one block on validation, and how far the next is behind.

    `block` maps columns to values. `val` and `test` are (mean, std, n) over all seeds that the
    leader has done; it leads by its mean over the `n_shared` seeds that every contestant has done.
    Where that is none, only those with most done seeds are ranked. `behind` is the mean paired
    difference to the runner-up on validation; None without a runner-up or a seed that all have
    done. `n_lost` counts the leader's trials that are not done. `chosen_by` and
    `reported` are the metrics of `val` and `test`; `behind` is positive whichever way is better.
    """

    block: dict[str, Any]
    name: Any
    val: tuple[float, float, int]
    test: tuple[float, float, int]
    runner_up: Any
    behind: float | None
    n_shared: int
    n_lost: int
    chosen_by: str = "val_accuracy"
    reported: str = "test_accuracy"


def leaders(trials: pd.DataFrame) -> list[Leader]:
    """Return the leader of every block that has at least two series, in order of blocks."""
    by = series_column(trials)
    columns = block_columns(trials, by)
    chosen = stand_ins(trials, by, columns)
    if chosen[by].nunique() < 2:
        return []
    led = [_leader(inside(chosen, block), block, by) for block in blocks(chosen, columns)]
    return [leader for leader in led if leader is not None]


def _leader(part: pd.DataFrame, block: dict[str, Any], by: str) -> Leader | None:
    chosen_by, told = choice(part), reported(part)
    done = part[(part["state"] == "done") & part[chosen_by].notna()]
    standing, n_shared = _on_equal_seeds(done, by)
    means = sign_of(chosen_by) * standing.groupby(by, sort=False)[chosen_by].mean()
    level = pd.Series(snapped(means), index=means.index)
    ranked = level.sort_values(ascending=False, kind="stable")
    if ranked.empty:
        return None
    first = ranked.index[0]
    entries = done[done[by] == first]
    second = ranked.index[1] if len(ranked) > 1 else None
    behind = None
    if n_shared and second is not None:
        matched = pairs(standing, chosen_by, first, second, by=["seed"], column=by).table
        behind = sign_of(chosen_by) * float(matched["difference"].mean()) if len(matched) else None
    return Leader(
        block,
        first,
        _summary(entries[chosen_by]),
        _summary(entries[told]) if told in entries else (math.nan, math.nan, 0),
        second,
        behind,
        n_shared,
        int((part.loc[part[by] == first, "state"] != "done").sum()),
        chosen_by,
        told,
    )


def _on_equal_seeds(done: pd.DataFrame, by: str) -> tuple[pd.DataFrame, int]:
    """The trials by which one block's contestants are ranked, and how many seeds all have done.

    A contestant whose hard seeds failed must not lead by its easy ones. Without a shared seed only
    those with most done seeds are left. A contestant that is not done at all has no say.
    """
    met = done.groupby("seed")[by].transform("nunique")
    shared = done[met == done[by].nunique()]
    if len(shared):
        return shared, shared["seed"].nunique()
    n_done = done.groupby(by, sort=False)["seed"].transform("nunique")
    return done[n_done == n_done.max()], 0


def _summary(column: pd.Series[float]) -> tuple[float, float, int]:
    result = summary(column)
    return result.mean, result.std, result.n

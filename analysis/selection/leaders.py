"""Who leads on validation in each block, over seeds that make it a fair comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.columns.names import config_columns, differing
from analysis.columns.roles import choice, reported
from analysis.selection.blocks import block_columns, blocks, inside
from analysis.selection.contest import Contest
from analysis.selection.series import series_column, values
from analysis.selection.stand_ins import SELF_CHOSEN, candidates_of, stand_ins
from analysis.selection.tries import tries
from analysis.stats import (
    NOBODY,
    Candidates,
    CrossFit,
    candidates,
    nested_advantage,
    nested_optimum,
    pairs,
    snapped,
    summary,
)
from analysis.stats.candidates import sign_of


@dataclass(frozen=True)
class Leader:
    """The best series of one block on validation, and how far the next is behind.

    `block` maps columns to values. `val` and `test` are (mean, std, n) over all seeds that the
    leader has done; it leads by its mean over the `n_shared` seeds that every contestant has done.
    Where that is none, only those with most done seeds are ranked. `behind` is the mean paired
    difference to the runner-up on validation; None without a runner-up or a seed that all have
    done. `ties` are the others that reach the same mean: then it is first by its name alone.
    `n_lost` counts the leader's trials that are not done. `chosen_by` and `reported` are the
    metrics of `val` and `test`; `behind` is positive whichever way is better.

    A leader is ahead partly by luck. `chosen_val` and `chosen_test` are what comes of a choice
    that the other seeds make, `ahead` by how much it beats the second of the other seeds on
    validation. `self_chosen` says that the leader is the best of several settings at the very
    seeds that chose it, `tries` how many settings each series was tried with.
    """

    block: dict[str, Any]
    name: Any
    val: tuple[float, float, int]
    test: tuple[float, float, int]
    runner_up: Any
    behind: float | None
    n_shared: int
    n_lost: int
    chosen_val: CrossFit
    chosen_test: CrossFit
    ahead: CrossFit
    ties: tuple[Any, ...] = ()
    chosen_by: str = "val_accuracy"
    reported: str = "test_accuracy"
    self_chosen: bool = False
    tries: dict[Any, int] = field(default_factory=dict)


def leaders(trials: pd.DataFrame) -> list[Leader]:
    """Return the leader of every block that has at least two series, in order of blocks."""
    by = series_column(trials)
    columns = block_columns(trials, by)
    chosen = stand_ins(trials, by, columns)
    if chosen[by].nunique() < 2:
        return []
    allowed = candidates_of(trials, by, columns)
    met = [(block, inside(chosen, block)) for block in blocks(chosen, columns)]
    led = [
        _leader(part, inside(allowed, block), block, by)
        for block, part in met
        if part[by].nunique() > 1
    ]
    return [leader for leader in led if leader is not None]


def overall_leader(meet: Contest) -> Any:
    """Return the contestant that is best on validation over all places of a contest.

    By its mean over those places and seeds that all contestants have done; without one, over
    those that most have done. Of equal ones the first by name. None where nobody is done.
    """
    entries = meet.entries
    chosen_by = choice(entries)
    done = entries[(entries["state"] == "done") & entries[chosen_by].notna()]
    if done.empty:
        return None
    met = done.groupby([*meet.keys, "seed"], dropna=False, sort=False)[meet.by].transform("nunique")
    shared = done[met == met.max()]
    means = sign_of(chosen_by) * shared.groupby(meet.by, sort=False)[chosen_by].mean()
    level = pd.Series(snapped(means), index=means.index)
    best = level.index[level == level.max()]
    return next(name for name in values(entries, meet.by) if name in best)


def _leader(
    part: pd.DataFrame, allowed: pd.DataFrame, block: dict[str, Any], by: str
) -> Leader | None:
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
    among, groups = _candidates(allowed, by, chosen_by, chosen_by)
    scored, _ = _candidates(allowed, by, chosen_by, told) if told in part else (NOBODY, [])
    return Leader(
        block,
        first,
        _summary(entries[chosen_by]),
        _summary(entries[told]) if told in entries else (math.nan, math.nan, 0),
        second,
        behind,
        n_shared,
        int((part.loc[part[by] == first, "state"] != "done").sum()),
        nested_optimum(among, groups),
        nested_optimum(scored, groups if len(scored.names) else []),
        nested_advantage(among, groups),
        tuple(name for name in ranked.index[1:] if ranked[name] == ranked[first]),
        chosen_by,
        told,
        bool(entries[SELF_CHOSEN].any()),
        tries(part, by),
    )


def _candidates(
    allowed: pd.DataFrame, by: str, chosen_by: str, score_by: str
) -> tuple[Candidates, list[Any]]:
    """All settings of all series at the seeds that all have done, and the series of each."""
    done = allowed[
        (allowed["state"] == "done") & allowed[[chosen_by, score_by]].notna().all(axis=1)
    ]
    among = [c for c in differing(done, config_columns(done)) if c != by]
    one = done.groupby([by, *among], dropna=False, sort=False).ngroup()
    met = one.groupby(done["seed"]).transform("nunique")
    shared = done[met == one.nunique()]
    if shared.empty:
        return NOBODY, []
    found = candidates(shared, [by, *among], chosen_by, score_by)
    series = [name[0] if among and isinstance(name, tuple) else name for name in found.names]
    return found, series


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

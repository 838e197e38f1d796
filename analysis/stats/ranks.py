"""Entrants ranked over blocks, critical differences, and the choice of one setting per block.

Everything here ranks or chooses, so everything refuses a metric measured on test data.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from analysis.columns.names import codes, distinct_trials, ordered, require_columns
from analysis.stats.closeness import snapped
from analysis.stats.pairs import SCHEDULE, pairing_keys
from analysis.stats.spread import COUNTED, losses, require_choosable, row_groups, summaries


@dataclass(frozen=True)
class Blocks:
    """A metric of every entrant in every block that is complete.

    `values`: one row a block (the keys of `by` as index), one column an entrant, the mean over the
    seeds that every entrant has done there: a mean over the seeds that survived flatters.
    `n_dropped` counts the blocks left out because no seed is done by all.
    """

    metric: str
    column: str
    by: tuple[str, ...]
    values: pd.DataFrame
    n_dropped: int

    @property
    def entrants(self) -> list[Any]:
        return list(self.values.columns)


def blocks(
    frame: pd.DataFrame, metric: str, column: str = SCHEDULE, by: Sequence[str] | None = None
) -> Blocks:
    """Return the metric by block and entrant (the values of `column`).

    A block is one value of the keys `by`, by default of all that the entrants share, the seed
    included; leave the seed out to rank means over seeds. Raises TestSelectionError on a test
    metric.
    """
    require_choosable(metric)
    require_columns(frame, [column, "state", metric, *(by or ())])
    once = distinct_trials(frame)
    entrants = ordered(once[column].dropna(), column)
    keys = pairing_keys(once, column, entrants) if by is None else list(by)
    done = once[(once["state"] == COUNTED) & once[metric].notna() & once[column].notna()]
    done = _under_shared_seeds(done, column, keys, len(entrants))
    places = once.groupby(keys, dropna=False, sort=False) if keys else None
    n_blocks = places.ngroups if places is not None else int(len(once) > 0)
    index = [done[key] for key in keys] if keys else [pd.Series(0, done.index, name="block")]
    means = done[metric].groupby([*index, done[column]], dropna=False, sort=False).mean()
    table = means.unstack(column).reindex(
        columns=pd.Index(entrants, name=column, tupleize_cols=False)
    )
    complete = table.dropna()
    return Blocks(metric, column, tuple(keys), complete, n_blocks - len(complete))


def _under_shared_seeds(
    done: pd.DataFrame, column: str, keys: Sequence[str], n_entrants: int
) -> pd.DataFrame:
    """The trials of each block under those seeds that all entrants have done in it."""
    if "seed" not in done or done.empty:
        return done
    places = done.groupby(list(dict.fromkeys([*keys, "seed"])), dropna=False, sort=False)
    return done[places[column].transform("nunique") == n_entrants]


def ranks(found: Blocks) -> pd.DataFrame:
    """Return each entrant's rank in each block: 1 is best, ties share their mean rank."""
    values = found.values
    level = pd.DataFrame(snapped(values), index=values.index, columns=values.columns)
    return losses_of(level, found.metric).rank(axis=1, method="average")


def mean_ranks(found: Blocks) -> pd.Series[float]:
    """Return each entrant's mean rank over the blocks, the lowest first; missing without any."""
    means: pd.Series[float] = ranks(found).mean().sort_values(kind="stable")
    return means


def losses_of(values: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a table of one metric's values such that lower is better."""
    return values.apply(lambda column: losses(column.to_frame(metric), metric))


@dataclass(frozen=True)
class CriticalDifferences:
    """Mean ranks, and how far apart two must be (Demsar 2006).

    `table`: entrant, mean_rank (1 best), sorted. `difference` is Nemenyi's critical difference at
    `level`: two entrants whose mean ranks are nearer than it are not told apart; `groups` lists
    the widest sets of neighbours among whom no two are. A low `p_friedman` says that not all
    entrants rank alike. Missing where undefined (fewer than two blocks, or of three entrants).
    """

    table: pd.DataFrame
    difference: float
    groups: tuple[tuple[Any, ...], ...]
    p_friedman: float
    n_blocks: int
    n_dropped: int
    level: float


def critical_differences(
    frame: pd.DataFrame,
    metric: str,
    column: str = SCHEDULE,
    by: Sequence[str] | None = None,
    level: float = 0.05,
) -> CriticalDifferences:
    """Return mean ranks of a column's values with Friedman's test and Nemenyi's difference.

    Blocks should be independent: leave the seed out of `by` where blocks of one seed share a dense
    run. Raises TestSelectionError on a test metric.
    """
    found = blocks(frame, metric, column, by)
    means = mean_ranks(found)
    n = len(found.values)
    reach = nemenyi_difference(len(means), n, level)
    table = pd.DataFrame({"entrant": means.index, "mean_rank": means.to_numpy()})
    return CriticalDifferences(
        table, reach, _cliques(list(means.items()), reach), friedman_p(found), n,
        found.n_dropped, level,
    )  # fmt: skip


@cache
def nemenyi_difference(n_entrants: int, n_blocks: int, level: float = 0.05) -> float:
    """Return q sqrt(k (k + 1) / (6 N)), q the studentized range's upper quantile over sqrt(2)."""
    if n_entrants < 2 or n_blocks < 2:
        return math.nan
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - level, n_entrants, math.inf)) / math.sqrt(2)
    return q * math.sqrt(n_entrants * (n_entrants + 1) / (6 * n_blocks))


def friedman_p(found: Blocks) -> float:
    """Return Friedman's p over the blocks; missing when every block ties all its entrants."""
    if len(found.values) < 2 or len(found.entrants) < 3:
        return math.nan
    from scipy.stats import friedmanchisquare

    table = ranks(found)
    if (table.nunique(axis=1) == 1).all():
        return math.nan
    return float(friedmanchisquare(*(table[entrant] for entrant in table.columns)).pvalue)


def _cliques(means: Sequence[tuple[Any, float]], reach: float) -> tuple[tuple[Any, ...], ...]:
    """The longest runs of at least two entrants, by mean rank, that span less than `reach`."""
    runs: list[tuple[int, int]] = []
    for start, (_, lowest) in enumerate(means):
        end = max(place for place, (_, rank) in enumerate(means) if not rank - lowest >= reach)
        if end > start and (not runs or end > runs[-1][1]):
            runs.append((start, end))
    return tuple(tuple(name for name, _ in means[start : end + 1]) for start, end in runs)


def choose(
    frame: pd.DataFrame, metric: str, among: Sequence[str], by: Sequence[str]
) -> pd.DataFrame:
    """Return, for each value of the keys `by`, the setting of the columns `among` that is best.

    Columns: by, among, mean, std and the counts `COUNTS` (of the one chosen, over its seeds),
    n_settings (how many stood for choice) and n_tied (how many reach that very mean,
    of which the first in reading order is returned). Settings with fewer trials done than others
    of their block do not stand for choice: a mean over the seeds that survived flatters. Raises
    TestSelectionError on a test metric.
    """
    require_choosable(metric)
    require_columns(frame, [*among, *by])
    table = summaries(frame, [*by, *among], [metric], bounds=False)
    table = table[table["n"] > 0].reset_index(drop=True)
    loss = losses(table.rename(columns={"mean": metric}), metric)
    loss = pd.Series(snapped(loss), index=loss.index)
    picks = [_best(part, loss, among) for _, part in row_groups(table, by)]
    chosen = table.loc[[place for place, _, _ in picks]].reset_index(drop=True)
    chosen["n_settings"] = [n_settings for _, n_settings, _ in picks]
    chosen["n_tied"] = [n_tied for _, _, n_tied in picks]
    return chosen.drop(columns=["metric", "lo", "hi"])


def _best(
    part: pd.DataFrame, loss: pd.Series[float], among: Sequence[str]
) -> tuple[Hashable, int, int]:
    """Row of the best setting of one block, how many stood for choice, how many tie with it."""
    standing = part[part["n"] == part["n"].max()]
    least = loss[standing.index]
    tied = standing[least == least.min()]
    first = tied.sort_values(list(among), key=codes, kind="stable") if among else tied
    return first.index[0], len(standing), len(tied)

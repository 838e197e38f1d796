"""From trials to what one may choose among: settings by seeds, and the seeds that took no part."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.names import codes, distinct_trials, require_columns
from analysis.stats.crossfit import Candidates, CrossFit, gap
from analysis.stats.intervals import Floats
from analysis.stats.pairs import require_single
from analysis.stats.spread import COUNTED, require_choosable, row_groups
from trainables.vocabulary import schema

SEED: Final = "seed"


@dataclass(frozen=True)
class Grid:
    """Metrics of settings by seed: `values` [K, n] by metric, in the metrics' own units.

    Of the settings only those done at most seeds are here, of the seeds only those that all of
    these have done; `n_dropped` counts the other settings.
    """

    names: tuple[Hashable, ...]
    seeds: tuple[Hashable, ...]
    values: dict[str, Floats]
    n_dropped: int


def grid_of(frame: pd.DataFrame, among: Sequence[str], metrics: Sequence[str]) -> Grid:
    """Return metrics of the settings (of the columns `among`) that trials of one place have.

    Names are the values of `among`, tuples where these are several columns, in reading order.
    Raises ValueError where several trials share their setting and seed.
    """
    done = _done(frame, metrics, among)
    number = _settings(done, among)
    n_done = number.map(number.value_counts())
    standing = done[n_done == n_done.max()]
    first = standing[~number[standing.index].duplicated()]
    first = first.sort_values(list(among), key=codes, kind="stable") if among else first
    places = [number[standing.index], standing[SEED]]
    tables = {
        metric: standing[metric].astype(float).groupby(places).first().unstack()
        for metric in metrics
    }
    whole = tables[metrics[0]].notna().all()
    seeds = tuple(whole.index[whole])
    return Grid(
        tuple(_name(row) for row in first[list(among)].to_numpy(dtype=object)),
        seeds,
        {m: np.asarray(t.loc[number[first.index], list(seeds)]) for m, t in tables.items()},
        number.nunique() - len(first),
    )


def candidates(
    frame: pd.DataFrame, among: Sequence[str], choose_by: str, score_by: str
) -> Candidates:
    """Return the settings that one may choose among, as `grid_of`.

    A setting done at fewer seeds than others does not stand for choice: a mean over the seeds that
    survived flatters. Raises TestSelectionError when `choose_by` is measured on test.
    """
    require_choosable(choose_by)
    grid = grid_of(frame, among, list(dict.fromkeys([choose_by, score_by])))
    loss = -sign_of(choose_by) * grid.values[choose_by]
    score = grid.values[score_by]
    return Candidates(grid.names, grid.seeds, loss, score, sign_of(score_by), grid.n_dropped)


def _done(frame: pd.DataFrame, metrics: Sequence[str], among: Sequence[str]) -> pd.DataFrame:
    """The trials that are done and have the metrics, each once, under an index of their own."""
    require_columns(frame, [*among, SEED, "state", *metrics])
    once = distinct_trials(frame)
    done = once[(once["state"] == COUNTED) & once[list(metrics)].notna().all(axis=1)]
    require_single(done, [*among, SEED], "one setting")
    return done.reset_index(drop=True)


def _settings(done: pd.DataFrame, among: Sequence[str]) -> pd.Series[int]:
    """A number for each trial, equal for those of one setting."""
    if not among:
        return pd.Series(0, index=done.index)
    return done.groupby(list(among), dropna=False, sort=False).ngroup()


def _name(setting: Iterable[Any]) -> Hashable:
    values = tuple(None if pd.isna(value) else value for value in setting)
    return values[0] if len(values) == 1 else values


def sign_of(metric: str) -> float:
    """Return 1.0, or -1.0 for a metric of which less is better."""
    known = schema.METRICS.get(metric)
    return -1.0 if known is not None and known.direction == "min" else 1.0


def regret_of(
    tuned: pd.DataFrame,
    reference: pd.DataFrame,
    among: Sequence[str],
    choose_by: str,
    score_by: str,
) -> CrossFit:
    """Return by how much the best setting of `tuned` beats that of the reference, seed by seed.

    Both are trials of one place; a reference of a single setting takes no choice. Raises as
    `candidates`.
    """
    return gap(
        candidates(tuned, among, choose_by, score_by),
        candidates(reference, among, choose_by, score_by),
    )


def fresh(frame: pd.DataFrame, among: Sequence[str], by: Sequence[str]) -> pd.DataFrame:
    """Return the trials of the settings that a search confirmed, at seeds that did not choose them.

    A search that confirms its winners runs every setting at its first seeds, and the best ones of a
    place (equal `by`) at the others too. Those first seeds chose the winner, so its mean over all
    seeds is too good; here they are left out. Where all settings of a place were tried at the same
    seeds nothing was confirmed, and its trials are returned as they are: see `crossfit` for these.
    """
    require_columns(frame, [*among, *by, SEED])
    parts = [_fresh(part, among) for _, part in row_groups(distinct_trials(frame), by)]
    return pd.concat(parts) if parts else frame


def _fresh(part: pd.DataFrame, among: Sequence[str]) -> pd.DataFrame:
    """One place's trials without the seeds at which a choice was made."""
    number = _settings(part, among)
    n_seeds = part.groupby(number)[SEED].transform("nunique")
    confirmed = n_seeds == n_seeds.max()
    chosen_at = part.loc[~confirmed, SEED].unique()
    kept: pd.DataFrame = part[confirmed & ~part[SEED].isin(chosen_at)]
    return kept

"""From trials to what one may choose among: settings by seeds, and the seeds that took no part."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.names import codes, distinct_trials, require_columns
from analysis.stats.crossfit import Candidates
from analysis.stats.intervals import Floats
from analysis.stats.pairs import require_single
from analysis.stats.spread import COUNTED, require_choosable
from trainables.vocabulary import schema

Integers = NDArray[np.int64]

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


def grids(
    frame: pd.DataFrame, by: Sequence[str], among: Sequence[str], metrics: Sequence[str]
) -> dict[tuple[Hashable, ...], Grid]:
    """Return metrics of the settings (of the columns `among`) by place, a value of the keys `by`.

    Names are the values of `among`, tuples where these are several columns, in reading order. A
    place without a trial that is done has an empty grid. Raises ValueError where several trials
    share their place, setting and seed.
    """
    once = distinct_trials(frame)
    require_columns(once, [*by, *among, SEED, "state", *metrics])
    done = (once["state"] == COUNTED) & once[list(metrics)].notna().all(axis=1)
    require_single(once[done], [*by, *among, SEED], "one setting")
    setting, names = _in_order(once, among)
    seed, seeds = _in_order(once, [SEED])
    values = {metric: once[metric].to_numpy(dtype=float) for metric in metrics}
    return {
        key: _grid(rows[done.to_numpy()[rows]], setting, names, seed, seeds, values)
        for key, rows in _rows_by(once, by)
    }


def _grid(
    rows: Integers,
    setting: Integers,
    names: Sequence[Hashable],
    seed: Integers,
    seeds: Sequence[Hashable],
    values: dict[str, Floats],
) -> Grid:
    """One place's grid from the rows of its trials that are done."""
    here, line = np.unique(setting[rows], return_inverse=True)
    met, column = np.unique(seed[rows], return_inverse=True)
    held = np.zeros((len(here), len(met)), dtype=bool)
    held[line, column] = True
    n_done = held.sum(axis=1)
    standing = n_done == n_done.max(initial=0)
    whole = held[standing].all(axis=0)
    tables = {}
    for metric, numbers in values.items():
        table = np.full(held.shape, np.nan)
        table[line, column] = numbers[rows]
        tables[metric] = table[standing][:, whole]
    return Grid(
        tuple(names[place] for place in here[standing]),
        tuple(seeds[place] for place in met[whole]),
        tables,
        int((~standing).sum()),
    )


def _in_order(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[Integers, list[Hashable]]:
    """Each row's combination of the columns' values as a number in reading order, and their names.

    The name is the value, a tuple of several columns' values.
    """
    if not columns:
        return np.zeros(len(frame), dtype=np.int64), [()]
    number = frame.groupby(list(columns), dropna=False, sort=False).ngroup().to_numpy()
    first = frame[list(columns)][~pd.Series(number).duplicated().to_numpy()]
    ordered = first.reset_index(drop=True).sort_values(list(columns), key=codes, kind="stable")
    rank = np.empty(len(first), dtype=np.int64)
    rank[ordered.index] = np.arange(len(first))
    return rank[number], [_name(row) for row in ordered.to_numpy(dtype=object)]


def _rows_by(frame: pd.DataFrame, by: Sequence[str]) -> list[tuple[tuple[Hashable, ...], Integers]]:
    """The row numbers of each place, places in order of appearance."""
    if not by:
        return [((), np.arange(len(frame)))]
    grouped = frame.groupby(list(by), dropna=False, sort=False, observed=True)
    keys = grouped.size().index
    places = [(key,) for key in keys] if len(by) == 1 else list(keys)  # a list is a tuple itself
    number = grouped.ngroup().to_numpy()
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number, minlength=len(places)))[:-1]
    parts = np.split(order, ends)[: len(places)]  # one even of nothing
    return list(zip(places, parts, strict=True))


def _name(setting: Iterable[Any]) -> Hashable:
    values = tuple(None if pd.isna(value) else value for value in setting)
    return values[0] if len(values) == 1 else values


def candidates(
    frame: pd.DataFrame, among: Sequence[str], choose_by: str, score_by: str
) -> Candidates:
    """Return the settings that one may choose among in one place, see `candidates_by`."""
    return candidates_by(frame, [], among, choose_by, score_by)[()]


def candidates_by(
    frame: pd.DataFrame,
    by: Sequence[str],
    among: Sequence[str],
    choose_by: str,
    score_by: str,
) -> dict[tuple[Hashable, ...], Candidates]:
    """Return the settings that one may choose among, by place, as `grids`.

    A setting done at fewer seeds than others does not stand for choice: a mean over the seeds that
    survived flatters. Raises TestSelectionError when `choose_by` is measured on test.
    """
    require_choosable(choose_by)
    turned = -sign_of(choose_by)
    found = grids(frame, by, among, list(dict.fromkeys([choose_by, score_by])))
    return {
        key: Candidates(
            grid.names,
            grid.seeds,
            turned * grid.values[choose_by],
            grid.values[score_by],
            sign_of(score_by),
            grid.n_dropped,
        )
        for key, grid in found.items()
    }


def sign_of(metric: str) -> float:
    """Return 1.0, or -1.0 for a metric of which less is better."""
    known = schema.METRICS.get(metric)
    return -1.0 if known is not None and known.direction == "min" else 1.0


def fresh(frame: pd.DataFrame, among: Sequence[str], by: Sequence[str]) -> pd.DataFrame:
    """Return the trials of the settings that a search confirmed, at seeds that did not choose them.

    A search that confirms its winners runs every setting at its first seeds, and the best ones of a
    place (equal `by`) at the others too. Those first seeds chose the winner, so its mean over all
    seeds is too good; here they are left out. Where all settings of a place were tried at the same
    seeds nothing was confirmed, and its trials are returned as they are: see `crossfit` for these.
    """
    confirmed, chose = confirmations(frame, among, by)
    kept: pd.DataFrame = frame[confirmed & ~chose]
    return distinct_trials(kept)


def confirmations(
    frame: pd.DataFrame, among: Sequence[str], by: Sequence[str]
) -> tuple[pd.Series[bool], pd.Series[bool]]:
    """Return which trials are of a setting tried at most seeds of its place, and which chose it.

    Those at a seed at which other settings of the place were tried too chose the setting; none did
    where all settings were tried at the same seeds.
    """
    require_columns(frame, [*among, *by, SEED])
    place, own = _number(frame, by), _number(frame, [*by, *among])
    n_seeds = frame[SEED].groupby(own).transform("nunique")
    confirmed = n_seeds == n_seeds.groupby(place).transform("max")
    chose = ~confirmed.groupby(_number(frame, [*by, SEED])).transform("all")
    return confirmed, chose


def _number(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Series[int]:
    """A number for each row, equal where all keys are, a missing one matching a missing one."""
    if not keys:
        return pd.Series(0, index=frame.index)
    return frame.groupby(list(keys), dropna=False, sort=False).ngroup()

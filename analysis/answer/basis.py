"""What all statements stand on: who meets where, and what each reaches there, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.answer.statements import Place, Reach
from analysis.columns.names import config_columns, differing, or_none
from analysis.columns.roles import choice, has_test, reported
from analysis.columns.rows import records
from analysis.frames.constraints import beyond_bounds
from analysis.selection.blocks import block_columns, block_rows, task_columns
from analysis.selection.series import SPARSITY, series_column, values
from analysis.selection.stand_ins import stand_ins
from analysis.stats import Entrants, Interval, entrants, interval
from analysis.stats.candidates import sign_of
from analysis.stats.intervals import Kind


@dataclass(frozen=True)
class Entry:
    """The mean of what stands for a contestant in a place, over `n` trials, and what fell out."""

    mean: float
    n: int
    lost: int
    collapsed: int
    tried: int


NOTHING: Final = np.empty(0)
UNKNOWN: Final = Interval(math.nan, math.nan, "t", 0)

NO_ENTRY: Final = Entry(math.nan, 0, 0, 0, 0)


@dataclass(frozen=True)
class Basis:
    """The trials of a study, such as `comparable` gives, and their places and contestants.

    `by` is the column whose values are compared, `places` the columns of task, sparsity and budget.
    Something is chosen by `chosen_by` and reported by `metric`.
    """

    trials: pd.DataFrame
    by: str
    places: tuple[str, ...]
    metric: str
    chosen_by: str

    @property
    def sign(self) -> float:
        """1.0, or -1.0 where less of the metric is better."""
        return sign_of(self.metric)

    @cached_property
    def names(self) -> list[Any]:
        """The contestants, in the order of legends."""
        return values(self.trials, self.by)

    @cached_property
    def standing(self) -> pd.DataFrame:
        """The trials without settings beyond their search's bounds, where others are within."""
        taken = (self.by, *self.places)
        among = [c for c in differing(self.trials, config_columns(self.trials)) if c not in taken]
        late = beyond_bounds(self.trials, among, [self.by, *self.places])
        kept: pd.DataFrame = self.trials[~late]
        return kept

    @cached_property
    def results(self) -> Entrants:
        """What is reported of everyone by place and seed; more is better."""
        return entrants(self.standing, self.metric, self.by, self.places, self.chosen_by)

    @cached_property
    def choices(self) -> Entrants:
        """The same on validation, by which one is first."""
        return entrants(self.standing, self.chosen_by, self.by, self.places, self.chosen_by)

    def cells(self, found: Entrants) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
        """Yield each place in reading order, with its rows of a table by place and seed."""
        gains = found.gains
        if gains.empty:
            return
        if not self.places:
            yield {}, gains
            return
        for place, rows in block_rows(gains.index.to_frame(index=False)[list(self.places)]):
            yield place, gains.iloc[rows]

    @cached_property
    def entries(self) -> dict[tuple[Any, ...], Entry]:
        """What stands for each contestant in each place, by its name and the place's values."""
        keys = [self.by, *self.places]
        chosen = stand_ins(self.trials, self.by, self.places)
        done = chosen["state"] == "done"
        counted = pd.DataFrame(
            {
                "mean": chosen[self.metric].where(done),
                "n": done & chosen[self.metric].notna(),
                "lost": ~done,
                "collapsed": done & (chosen["collapsed_layers"] > 0)
                if "collapsed_layers" in chosen
                else False,
                "tried": chosen["n_configurations"],
            }
        )
        grouped = counted.groupby([chosen[key] for key in keys], dropna=False, sort=False)
        table = grouped.agg(
            {"mean": "mean", "n": "sum", "lost": "sum", "collapsed": "sum", "tried": "max"}
        )
        return {
            tuple(map(or_none, key if isinstance(key, tuple) else (key,))): Entry(
                row["mean"], int(row["n"]), int(row["lost"]), int(row["collapsed"]),
                int(row["tried"]),
            )
            for key, row in zip(table.index, records(table), strict=True)
        }  # fmt: skip

    def reach(self, name: Any, at: Place, part: pd.DataFrame | None) -> Reach:
        """Return what a contestant reaches in a place, whose rows of `results` are given."""
        entry = self.entries.get((name, *at.values()), NO_ENTRY)
        found = self.sign * part[name].to_numpy() if part is not None and name in part else NOTHING
        found = found[~np.isnan(found)]
        mean, n, span = entry.mean, entry.n, UNKNOWN
        if len(found):
            kind: Kind = "corrected t" if name in self.results.tuned else "t"
            mean, n, span = float(found.mean()), len(found), interval(found, kind=kind)
        fair = bool(len(found)) or entry.tried <= 1
        return Reach(
            name, mean, span.lo, span.hi, n, entry.tried, entry.lost, entry.collapsed, fair
        )


def basis(trials: pd.DataFrame, by: str | None = None) -> Basis | None:
    """Return what statements on trials stand on; None where none is done with a result.

    `by` is what the study compares unless given.
    """
    done = trials[trials["state"] == "done"] if len(trials) else trials
    if done.empty:
        return None
    chosen_by = choice(done)
    metric = reported(done) if has_test(done) else chosen_by
    if any(c not in done or not done[c].notna().any() for c in (chosen_by, metric)):
        return None
    series = by or series_column(trials)
    return Basis(trials, series, tuple(place_columns(trials, series)), metric, chosen_by)


def place_columns(trials: pd.DataFrame, by: str) -> list[str]:
    """Return the columns of a block that tell places apart: sparsity, and others that vary."""
    task = task_columns(trials)
    columns = block_columns(trials, by)
    return [c for c in columns if c == SPARSITY or c in task or trials[c].nunique() > 1]

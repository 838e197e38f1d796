"""Contestants that may be compared: the trials of one block, one configuration for each series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.labels import words
from analysis.frames.constraints import BEYOND
from analysis.frames.query import group
from analysis.selection.blocks import Block, block_columns, block_of, inside
from analysis.selection.reached import missed_note
from analysis.selection.series import budget_column, series_column
from analysis.selection.stand_ins import (
    CHOSEN_ELSEWHERE,
    SELF_CHOSEN,
    TRIED,
    best_configurations,
    stand_ins,
)
from analysis.selection.tabulation import Tabulation
from analysis.selection.tries import tries, unequal_tries
from analysis.stats import FEWEST_SEEDS, interval
from analysis.stats.intervals import BY_CHOICES
from analysis.stats.spread import possible_means
from trainables.vocabulary.wording import counted


@dataclass(frozen=True)
class Contest:
    """The series `by`, met in the block `at`, or in each of several blocks that `keys` tell apart.

    `trials` are all trials there, `budget` is the column that says how long they may train.
    """

    trials: pd.DataFrame
    by: str
    at: Block
    keys: tuple[str, ...]
    budget: str

    @cached_property
    def entries(self) -> pd.DataFrame:
        """The trials that stand for each series in each block, see `stand_ins`."""
        return stand_ins(self.trials, self.by, self.keys)

    @cached_property
    def favourites(self) -> pd.DataFrame:
        """All trials of each series' best configuration in each block, see `best_configurations`.

        For what is shown of them, such as their curves: as results they are too good.
        """
        return best_configurations(self.trials, self.by, self.keys)

    @property
    def remarks(self) -> tuple[str, str, str]:
        """What the reader of a mean must know: trials left out, who stands in, goals missed."""
        entries = self.entries
        return fallen_note(entries), tuned_note(entries, self.by), missed_note(entries)

    def having(self, *columns: str) -> Contest:
        """Return the contest among those trials that have a value in all of the columns."""
        return replace(self, trials=self.trials.dropna(subset=list(columns)))

    def tabulation(self, frame: pd.DataFrame, *notes: str, **about: Any) -> Tabulation:
        """Return numbers of this contest as a figure's, with notes and what else they are about."""
        settled = {"by": self.by, "at": self.at, "keys": self.keys, "budget": self.budget}
        return Tabulation(frame, notes, **{**settled, **about})


def contest(
    trials: pd.DataFrame,
    by: str | None = None,
    at: Block | None = None,
    *,
    free: Sequence[str] = (),
) -> Contest:
    """Return the contest of one block: the one given in `at`, else the one with most trials.

    `trials` are such as `comparable` gives. `by` is what the study compares unless told otherwise.
    The columns `free` are left open, so that the contest is held at every value of them.
    """
    series = series_column(trials) if by is None else by
    fixed = [c for c in block_columns(trials, series) if c not in free]
    block = block_of(trials, fixed, at)
    keys = tuple(c for c in free if c in trials and c != series and c not in block)
    return Contest(inside(trials, block), series, block, keys, budget_column(trials))


def means(
    frame: pd.DataFrame, keys: Sequence[str], metric: str, **beside: tuple[str, str]
) -> pd.DataFrame:
    """Return one row per key: mean, std, n, lo, hi of a metric, and counts of what fell out.

    `beside` are further columns, each a column of the trials and how pandas aggregates it. Of
    stand-ins there are `n_configurations`, `chosen_elsewhere` and `self_chosen` too: an interval
    allows for the choices of other seeds, and where the seeds chose for themselves there is none.
    """
    if frame.empty:
        stood = STOOD if SELF_CHOSEN in frame else ()
        counts = ["n_failed", "n_diverged", *stood, *beside]
        columns = [*keys, "mean", "std", "n", "lo", "hi", *counts]
        return pd.DataFrame(columns=columns)
    table = group(frame, list(keys), [metric]).drop(columns="metric")
    if SELF_CHOSEN in frame:
        beside = {**{name: (name, "max") for name in STOOD}, **beside}
    if not beside:
        return table
    extra = frame.groupby(list(keys), dropna=False, sort=False).agg(**beside).reset_index()
    # A key that some trials lack is of mixed type in the one, and numeric in the other.
    extra = extra.astype(table.dtypes[list(keys)].to_dict())
    table = table.merge(extra, on=list(keys), how="left")
    return _with_honest_intervals(table, frame, keys, metric) if SELF_CHOSEN in table else table


STOOD: Final = (TRIED, CHOSEN_ELSEWHERE, SELF_CHOSEN)


def _with_honest_intervals(
    table: pd.DataFrame, frame: pd.DataFrame, keys: Sequence[str], metric: str
) -> pd.DataFrame:
    """The table with intervals that allow for choices: none of those at seeds that chose."""
    table[["lo", "hi"]] = table[["lo", "hi"]].mask(table[SELF_CHOSEN].astype(bool))
    for place in table.index[table[CHOSEN_ELSEWHERE].astype(bool)]:
        part = inside(frame, {key: table.at[place, key] for key in keys})
        span = interval(part.loc[part["state"] == "done", metric], kind=BY_CHOICES[1])
        table.loc[place, ["lo", "hi"]] = np.clip([span.lo, span.hi], *possible_means(metric))
    return table


def fallen_note(frame: pd.DataFrame) -> str:
    """Return a sentence that counts the trials that a mean leaves out; "" when there are none."""
    counts = frame["state"].value_counts()
    fallen = [f"{counts[s]} {s}" for s in ("failed", "diverged", "stopped") if counts.get(s, 0)]
    if not fallen:
        return ""
    return f"Means leave out {', '.join(fallen)} of {counted(len(frame), 'trial')}."


def tuned_note(entries: pd.DataFrame, by: str) -> str:
    """Return sentences on stand-ins; "" when every series has one configuration in each block."""
    most = entries[TRIED].max() if len(entries) else 1
    if not most > 1:
        return ""
    bounded = BEYOND in entries and entries[BEYOND].notna().any()
    within = ", of those within the search's bounds where there are any" if bounded else ""
    clause = unequal_tries(tries(entries, by), by)
    sentences = [
        f"Where a {words(by)} has several configurations in one place (up to {int(most)}), the one"
        f" that is best on validation at the other seeds stands for it at each seed{within}.",
        f"Tries are unequal: {clause}." if clause else "",
        SELF_CHOSEN_NOTE if entries[SELF_CHOSEN].any() else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def favourite_note(favourites: pd.DataFrame, by: str) -> str:
    """Return a sentence on what is shown of tuned series; "" where each has one configuration."""
    most = favourites[TRIED].max() if len(favourites) else 1
    if not most > 1:
        return ""
    return (
        f"Of a {words(by)} with several configurations (up to {int(most)}) the best on validation"
        " is shown, at the seeds that chose it too."
    )


SELF_CHOSEN_NOTE: Final = (
    f"With fewer than {FEWEST_SEEDS} seeds it cannot be known what the best of several is worth:"
    " such a mean is of the very seeds that chose it, too good, and has no interval."
)

"""Contestants that may be compared: the trials of one block, one configuration for each series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.columns.labels import words
from analysis.frames.constraints import BEYOND
from analysis.frames.query import group
from analysis.selection.blocks import Block, block_columns, block_of, inside, stand_ins
from analysis.selection.series import budget_column, series_column
from analysis.selection.tabulation import Tabulation
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
        """The trials that stand for each series in each block, with `n_configurations`."""
        return stand_ins(self.trials, self.by, self.keys)

    @property
    def remarks(self) -> tuple[str, str]:
        """What the reader of a mean must know: trials that it leaves out, and who stands in."""
        return fallen_note(self.entries), tuned_note(self.entries, self.by)

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

    `beside` are further columns, each a column of the trials and how pandas aggregates it.
    """
    if frame.empty:
        columns = [*keys, "mean", "std", "n", "lo", "hi", "n_failed", "n_diverged", *beside]
        return pd.DataFrame(columns=columns)
    table = group(frame, list(keys), [metric]).drop(columns="metric")
    if not beside:
        return table
    extra = frame.groupby(list(keys), dropna=False, sort=False).agg(**beside).reset_index()
    # A key that some trials lack is of mixed type in the one, and numeric in the other.
    return table.merge(extra.astype(table.dtypes[list(keys)].to_dict()), on=list(keys), how="left")


def fallen_note(frame: pd.DataFrame) -> str:
    """Return a sentence that counts the trials that a mean leaves out; "" when there are none."""
    counts = frame["state"].value_counts()
    fallen = [f"{counts[s]} {s}" for s in ("failed", "diverged", "stopped") if counts.get(s, 0)]
    if not fallen:
        return ""
    return f"Means leave out {', '.join(fallen)} of {counted(len(frame), 'trial')}."


def tuned_note(entries: pd.DataFrame, by: str) -> str:
    """Return a sentence on stand-ins; "" when every series has one configuration in each block."""
    most = entries["n_configurations"].max() if len(entries) else 1
    if not most > 1:
        return ""
    bounded = BEYOND in entries and entries[BEYOND].notna().any()
    within = ", of those within the search's bounds where there are any" if bounded else ""
    return (
        f"Where a {words(by)} has several configurations in a block (up to {int(most)}),"
        f" the one with the best mean on validation stands for it{within}."
    )

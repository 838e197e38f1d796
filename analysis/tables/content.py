"""The two comparison tables as cells: mean, spread, count, failures and rank, still unformatted.

Test results are reported here and their best means highlighted; nothing is chosen by them. Where
one setting of several must be chosen, validation at the other seeds chooses, see
`selection.stand_ins`; what stands at seeds that chose it is neither ranked nor highlighted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.labels import shown, words
from analysis.columns.names import (
    config_columns,
    differing,
    distinct_trials,
    joined,
    or_none,
    ordered,
    require_columns,
)
from analysis.columns.roles import CHOICE, PACE, REPORTED, named
from analysis.frames.constraints import BEYOND
from analysis.selection.contest import tuned_note
from analysis.selection.networks import N_RETRAININGS, seeds_note
from analysis.selection.stand_ins import CHOSEN_ELSEWHERE, SELF_CHOSEN, stand_ins
from analysis.stats.closeness import snapped
from analysis.stats.spread import COUNTED, COUNTS, require_choosable, row_groups, summaries
from analysis.tables.dense_row import with_dense
from trainables.vocabulary.schema import METRICS
from trainables.vocabulary.wording import counted

METHOD_METRICS: Final = (
    REPORTED, "theoretical_speedup", "sparsity", PACE,
)  # fmt: skip
SEARCH_METRICS: Final = ("search_trials", "search_train_s")
"""Cost of a search, all its trials together: their number, and seconds of training."""

if TYPE_CHECKING:
    pass

Booleans = NDArray[np.bool_]

_LOST: Final = ("failed", "diverged", "stopped")


@dataclass(frozen=True)
class Table:
    """A table of means.

    `cells` has one row per cell: the keys of its row and column, `metric`, mean, std, the counts of
    `stats.COUNTS`, `self_chosen` (whether the mean is of seeds that chose what it is of, and too
    good), `rank` (1 best, ties share it; missing where neither direction is better or the mean is
    too good) and `marked`. A cell without trials is there, with n = 0. `notes` are sentences to
    stand below.
    """

    title: str
    row_keys: tuple[str, ...]
    column_keys: tuple[str, ...]
    cells: pd.DataFrame
    notes: tuple[str, ...]


def comparison_table(
    frame: pd.DataFrame,
    rows: str = "retrain.schedule",
    columns: Sequence[str] = ("prune.sparsity", "retrain.epochs"),
    metric: str = REPORTED,
    mark: int = 3,
) -> Table:
    """Return a metric's mean over seeds by two settings, the `mark` best of each column marked.

    Marked are at most all rows but one. Rows are the values of `rows`, by data set and model too
    where these differ; columns those combinations of `columns` that occur. Raises ValueError for
    an unknown column.
    """
    metric = named(metric, frame)
    require_columns(frame, [rows, *columns, metric, "state"])
    frame = distinct_trials(frame)
    kept = frame[frame[rows].notna()]
    row_keys = (*_tasks(kept), rows)
    cells = _grid(kept, row_keys, columns, [metric])
    mark = min(mark, max(1, len(cells.drop_duplicates(list(row_keys))) - 1))
    cells = _ranked(cells, row_keys, columns, mark)
    cells = with_dense(cells, kept, row_keys, columns, [metric])
    notes = (
        "Mean ± sample standard deviation over seeds of the trials that are done.",
        *_count_notes(cells),
        *_mark_notes(cells, [metric], mark),
        *_pooled_notes(kept, [*row_keys, *columns]),
        *_left_out_notes(len(frame) - len(kept), rows),
        *_sentences(seeds_note(kept)),
    )
    title = f"{METRICS[metric].meaning if metric in METRICS else metric} by {words(rows)}"
    return Table(title[0].upper() + title[1:], row_keys, tuple(columns), cells, notes)


def methods_table(
    frame: pd.DataFrame,
    metrics: Sequence[str] = METHOD_METRICS,
    choose_by: str = CHOICE,
    goal: str = "prune.sparsity",
    mark: int = 1,
) -> Table:
    """Return each method's accuracy, speedup, sparsity reached and throughput per goal sparsity.

    Of a method's settings the one that `choose_by` chooses at the other seeds stands for it at each
    goal; that must be a validation metric (TestSelectionError otherwise). Where a search made the
    trials, the number of all its trials and their seconds of training, shared dense runs once, are
    added.
    """
    choose_by = named(choose_by, frame)
    metrics = [named(metric, frame) for metric in metrics]
    require_columns(frame, ["method", goal, choose_by, "state", *metrics])
    require_choosable(choose_by)
    frame = distinct_trials(frame)
    row_keys = (*_tasks(frame), "method")
    keys = [*row_keys, goal]
    chosen = stand_ins(frame, "method", [key for key in keys if key != "method"], choose_by)
    cells = _ranked(_grid(chosen, row_keys, [goal], metrics), row_keys, [goal], mark)
    cells = with_dense(cells, frame, row_keys, [goal], metrics)
    searched = "origin.number" in frame and frame["origin.number"].notna().any()
    if searched:
        cells = pd.concat([cells, _search_cells(frame, keys)], ignore_index=True)
    notes = (
        "Mean ± sample standard deviation over seeds of the trials that are done.",
        *_count_notes(cells[~cells["metric"].isin(SEARCH_METRICS)]),
        *_sentences(tuned_note(chosen, "method")),
        *_confirmed_notes(frame, keys),
        *_beyond_notes(chosen),
        *_mark_notes(cells, metrics, mark),
        *_pooled_notes(chosen, keys),
        *_sentences(seeds_note(frame)),
        *(["Search: all trials of a method at that goal, dense runs they share once."]
          if searched else []),
    )  # fmt: skip
    return Table("Methods at each goal sparsity", row_keys, (goal,), cells, notes)


def _sentences(*notes: str) -> list[str]:
    return [note for note in notes if note]


def _tasks(frame: pd.DataFrame) -> list[str]:
    return differing(frame, [c for c in config_columns(frame) if c.startswith("task.")])


def _grid(
    frame: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], metrics: Sequence[str]
) -> pd.DataFrame:
    """Summaries of every (row, column, metric), cells without trials included, in reading order."""
    means = summaries(frame, [*rows, *columns], metrics, bounds=False).drop(columns=["lo", "hi"])
    cell_keys = [
        [*row, *column, metric]
        for row, column, metric in product(
            _combinations(frame, rows), _combinations(frame, columns), metrics
        )
    ]
    keys = [*rows, *columns, "metric"]
    grid = pd.DataFrame(cell_keys, columns=keys).astype(means[keys].dtypes.to_dict())
    cells = grid.merge(means, on=keys, how="left")
    cells[list(COUNTS)] = cells[list(COUNTS)].fillna(0).astype(int)
    return cells.assign(**{SELF_CHOSEN: _self_chosen(frame, cells, [*rows, *columns])})


def _self_chosen(frame: pd.DataFrame, cells: pd.DataFrame, keys: Sequence[str]) -> Booleans:
    """Which cells hold a trial that stands at a seed that chose it."""
    if SELF_CHOSEN not in frame or not frame[SELF_CHOSEN].any():
        return np.zeros(len(cells), dtype=bool)
    places = frame.loc[frame[SELF_CHOSEN], list(keys)].drop_duplicates()
    marked = cells[list(keys)].merge(places.assign(_own=True), on=list(keys), how="left")
    return np.asarray(marked["_own"].notna())


def _combinations(frame: pd.DataFrame, keys: Sequence[str]) -> list[tuple[object, ...]]:
    """The combinations of the keys' values that occur, in reading order."""
    ranks = [{v: i for i, v in enumerate(ordered(frame[key], key))} for key in keys]
    present = {
        tuple(map(or_none, row)) for row in frame[list(keys)].itertuples(index=False, name=None)
    }
    return sorted(present, key=lambda row: [p[v] for p, v in zip(ranks, row, strict=True)])


def _ranked(
    cells: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], mark: int
) -> pd.DataFrame:
    """Add each mean's rank within its column (and task), by the metric's direction, and marks."""
    rank = pd.Series(np.nan, index=cells.index)
    for key, part in row_groups(cells, [*rows[:-1], *columns, "metric"]):
        known = METRICS.get(str(key[-1]))
        if known is not None and known.direction is not None:
            ascending = known.direction == "min"
            level = pd.Series(snapped(part["mean"].mask(part[SELF_CHOSEN])), part.index)
            rank[part.index] = level.rank(method="min", ascending=ascending)
    return cells.assign(rank=rank, marked=rank <= mark)


def _search_cells(frame: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Cost of all trials of each block as two cells of their own."""
    rows = []
    for key, part in row_groups(frame, keys):
        states = part["state"].value_counts()
        counts = [int(states.get(s, 0)) for s in (COUNTED, "", *_LOST)]
        spent = (int(_retrainings(part).sum()), _training_s(part))
        for metric, value in zip(SEARCH_METRICS, spent, strict=True):
            rows.append([*key, metric, float(value), np.nan, *counts, 0, False, np.nan, False])
    columns = [*keys, "metric", "mean", "std", *COUNTS, SELF_CHOSEN, "rank", "marked"]
    return pd.DataFrame(rows, columns=columns)


def _training_s(part: pd.DataFrame) -> float:
    """Seconds of training of some trials, a dense run that several share counted once."""
    train_s = np.nan
    if "train_s" in part:
        train_s = float((part["train_s"] * _retrainings(part)).sum())
    if "dense_stage" not in part or "dense_train_s" not in part:
        return train_s
    dense = part.dropna(subset=["dense_stage", "dense_train_s"]).drop_duplicates("dense_stage")
    return train_s + float(dense["dense_train_s"].sum())


def _retrainings(part: pd.DataFrame) -> pd.Series[int]:
    """How many trials each row stands for: several where it is a mean of retrainings."""
    return part[N_RETRAININGS] if N_RETRAININGS in part else pd.Series(1, part.index)


def _count_notes(cells: pd.DataFrame) -> list[str]:
    counts = sorted(set(cells.loc[cells["n"] > 0, "n"]))
    if len(counts) == 1:
        return [f"n = {counts[0]} in every cell that has a mean."]
    return ["n differs between cells and stands in each."] if counts else []


def _mark_notes(cells: pd.DataFrame, metrics: Sequence[str], mark: int) -> list[str]:
    if not cells["marked"].any():
        return []
    note = (
        "The best mean of each column is marked, ties sharing it"
        if mark == 1
        else f"The {mark} best means of each column are marked, ties sharing a rank"
    )
    if any(metric in METRICS and METRICS[metric].on_test for metric in metrics):
        note += "; where they are test results the marks highlight and choose nothing"
    return [f"{note}."]


def _confirmed_notes(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """A sentence when a search tried most settings at fewer seeds than those it shows."""
    if "origin.number" not in frame or frame["origin.number"].isna().all():
        return []
    tried = frame.groupby([*keys, "origin.number"], dropna=False, sort=False)["seed"].nunique()
    blocks = tried.groupby(level=list(range(len(keys))), dropna=False, sort=False)
    if (blocks.min() == blocks.max()).all():
        return []
    return [
        f"Of up to {blocks.count().max()} configurations searched for a method at a goal, those"
        f" that ran at most seeds (up to {tried.max()}) are shown, at the seeds that did not choose"
        " them."
    ]


def _beyond_notes(chosen: pd.DataFrame) -> list[str]:
    if BEYOND not in chosen:
        return []
    beyond = chosen[chosen[BEYOND] > 0]
    if beyond.empty:
        return []
    names = joined(sorted({shown("method", one) for one in beyond["method"]}))
    return [
        f"What is shown for {names} lies beyond the search's bounds at some goal, at one seed or"
        " more."
    ]


def _pooled_notes(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """`pooling_notes` without those means whose settings the seeds chose: that is said already."""
    plain = frame[~frame[CHOSEN_ELSEWHERE]] if CHOSEN_ELSEWHERE in frame else frame
    return pooling_notes(plain, keys) if len(plain) else []


def pooling_notes(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Return a sentence when a mean per value of the keys runs over settings, not seeds alone."""
    others = differing(frame, [c for c in config_columns(frame) if c not in keys])
    if not others:
        return []
    grouped = frame.groupby(list(keys), dropna=False, sort=False)[others]
    within = grouped.nunique(dropna=False).max()
    pooled = [column for column in others if within[column] > 1]
    named = joined(list(map(words, pooled))) if pooled else ""
    return [f"Some means run over trials that differ in {named}."] if pooled else []


def _left_out_notes(n: int, rows: str) -> list[str]:
    are = "is" if n == 1 else "are"
    return [f"{counted(n, 'trial')} without {words(rows)} {are} left out."] if n else []

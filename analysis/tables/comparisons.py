"""The comparison tables that a study has the columns for: schedules, structures, and methods.

What `bimp table` prints and the report shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from analysis.columns.labels import shown
from analysis.columns.names import STRUCTURE, joined, require_columns
from analysis.columns.roles import REPORTED, named
from analysis.frames import query
from analysis.frames.study_frames import read
from analysis.selection.blocks import block_columns
from analysis.selection.contest import tuned_note
from analysis.selection.likeness import likeness_sentence
from analysis.selection.reached import missed_note
from analysis.selection.series import (
    SPARSITY,
    comparable,
    goal_columns,
    series_column,
    values,
)
from analysis.selection.stand_ins import stand_ins
from analysis.tables.content import Table, comparison_table, methods_table
from analysis.tables.fitted import fitted
from analysis.tables.render import RENDERERS
from analysis.tables.results import write_output
from trainables.vocabulary.wording import counted

SCHEDULE: Final = "retrain.schedule"
ZEROS: Final = "sparsity_all_parameters"


def schedules_comparison(
    frame: pd.DataFrame,
    metric: str = REPORTED,
    margin: float | None = None,
    *,
    likeness: bool = True,
) -> Table | None:
    """Return retraining schedules against sparsity and budget; None where one alone was tried.

    Where several settings were tried, one stands for a schedule, see `selection.stand_ins`. A note
    says which are shown to be alike within the margin, see `likeness_sentence`, unless told not to.
    """
    return _comparison(frame, SCHEDULE, metric, margin, likeness=likeness)


def structures_comparison(
    frame: pd.DataFrame, metric: str = REPORTED, margin: float | None = None
) -> Table | None:
    """Return what is removed together, against sparsity and budget, as schedules are.

    A note says which share of all parameters each makes zero: whole units come in lumps, and layers
    that a pattern or block does not divide stay dense.
    """
    table = _comparison(frame, STRUCTURE, metric, margin)
    return table and _noting(table, *_zeros_notes(comparable(frame)))


def _comparison(
    frame: pd.DataFrame, rows: str, metric: str, margin: float | None, *, likeness: bool = True
) -> Table | None:
    metric = named(metric, frame)
    trials = comparable(frame)
    if not _measured(trials, metric) or len(values(trials, rows)) < 2:
        return None
    columns = goal_columns(trials)
    return stand_ins_table(trials, rows, columns, metric, margin, likeness=likeness)


def _zeros_notes(trials: pd.DataFrame) -> list[str]:
    """For each goal the mean share of zeros among all parameters, by structure."""
    notes = []
    for goal in values(trials, SPARSITY):
        rows = trials[(trials[SPARSITY] == goal) & trials[ZEROS].notna()]
        means = rows.groupby(STRUCTURE)[ZEROS].mean()
        texts = [f"{shown(ZEROS, means[name])} under {name}" for name in values(rows, STRUCTURE)]
        if texts:
            notes.append(f"At {shown(SPARSITY, goal)} zeros among all parameters: {joined(texts)}.")
    return notes


def stand_ins_table(
    trials: pd.DataFrame,
    rows: str,
    columns: Sequence[str],
    metric: str = REPORTED,
    margin: float | None = None,
    *,
    likeness: bool = True,
) -> Table:
    """Return the means of comparable trials, one setting of a block standing for its series.

    It is the one that the other seeds choose; a note says so where there are several settings.
    """
    metric = named(metric, trials)
    chosen = stand_ins(trials, rows, block_columns(trials, rows))
    table = comparison_table(chosen, rows, columns, metric)
    alike = likeness_sentence(trials, metric, margin, rows) if likeness else ""
    return _noting(table, tuned_note(chosen, rows), missed_note(chosen), alike)


def _noting(table: Table, *notes: str) -> Table:
    return replace(table, notes=(*table.notes, *(note for note in notes if note)))


def methods_comparison(
    frame: pd.DataFrame,
    metrics: Sequence[str] = (),
    margin: float | None = None,
    *,
    likeness: bool = True,
) -> Table | None:
    """Return pruning methods against goal sparsity; None where one alone was tried.

    A note says which are shown to be alike in what is reported, see `likeness_sentence`, unless
    `likeness` is False.
    """
    trials = comparable(frame)
    if not _measured(trials, *metrics) or len(values(trials, "method")) < 2:
        return None
    table = methods_table(trials, metrics) if metrics else methods_table(trials)
    alike = likeness_sentence(trials, REPORTED, margin, "method") if likeness else ""
    return _noting(table, alike)


def _measured(trials: pd.DataFrame, *metrics: str) -> bool:
    if SPARSITY not in trials or trials.empty:
        return False
    require_columns(trials, metrics)
    names = metrics or (named(REPORTED, trials),)
    return all(name in trials and trials[name].notna().any() for name in names)


_Kind = Callable[[pd.DataFrame, Sequence[str], float | None], Table | None]


def _of_one_metric(
    kind: str, comparison: Callable[[pd.DataFrame, str, float | None], Table | None]
) -> _Kind:
    """A comparison that shows one metric at a time."""

    def table(frame: pd.DataFrame, metrics: Sequence[str], margin: float | None) -> Table | None:
        if len(metrics) > 1:
            names = ",".join(metrics)
            raise ValueError(f"--metrics must name one metric for the table of {kind}, got {names}")
        return comparison(frame, metrics[0] if metrics else REPORTED, margin)

    return table


KINDS: Final[Mapping[str, _Kind]] = {
    "methods": methods_comparison,
    "schedules": _of_one_metric("schedules", schedules_comparison),
    "structures": _of_one_metric("structures", structures_comparison),
}


def alone(
    frame: pd.DataFrame, metrics: Sequence[str] = (), margin: float | None = None
) -> Table | None:
    """Return the means of a study that compares neither schedules, structures nor methods: one row,
    or one for each value of what it does compare. None where nothing was measured."""
    trials = comparable(frame)
    metric = next(iter(metrics), REPORTED)
    if not _measured(trials, *metrics[:1]):
        return None
    series = series_column(trials)
    rows = series if trials[series].nunique() > 1 else SCHEDULE
    if rows not in trials:
        return None
    return stand_ins_table(trials, rows, goal_columns(trials), metric, margin)


def run_table(
    locations: Sequence[str],
    kind: str | None = None,
    where: str | None = None,
    metrics: Sequence[str] = (),
    format: str = "text",
    output: str | None = None,
    warn: Callable[[str], object] = print,
    margin: float | None = None,
    width: int | None = None,
) -> str:
    """Return a comparison table in one of `tables.RENDERERS`, and write it to `output` if given.

    `kind` is one of `KINDS`, by default the first that the trials have the columns for; `metrics`
    replace what it shows. `margin` is the difference that does not matter, in the unit shown
    (points of a per cent): half a point where none is given, and for other units no likeness is
    judged. As text it is at most `width` characters wide, if given. Raises ValueError where the
    trials do not make the table, or for an unknown column, FileNotFoundError where no study is.
    """
    study = read(*locations)
    for sentence in study.warnings:
        warn(sentence)
    frame = study.trials
    if where and len(frame):
        frame = query.where(frame, where)
        if frame.empty:
            n = counted(len(study.trials), "trial")
            raise ValueError(f"--where must leave a trial, got none of {n} by {where!r}")
    table = table_of(frame, kind, metrics, margin)
    fits = format == "text" and width is not None
    content = fitted(table, width or 0) if fits else RENDERERS[format](table)
    if output is not None:
        write_output(output, content)
    return content


def table_of(
    frame: pd.DataFrame,
    kind: str | None = None,
    metrics: Sequence[str] = (),
    margin: float | None = None,
) -> Table:
    """Return a comparison table of some trials; arguments and errors are those of `run_table`."""
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    every = [KINDS[name] for name in ([kind] if kind else KINDS)]
    for comparison in every if kind else (*every, alone):
        table = comparison(frame, metrics, margin)
        if table is not None:
            return table
    wanted = f"two {kind}" if kind else f"two {' or two '.join(KINDS)}"
    raise ValueError(f"DIR has no {wanted} with results to compare ({_states(frame)})")


def _states(frame: pd.DataFrame) -> str:
    """How many trials there are, and how they ended where none is done."""
    n = counted(len(frame), "trial")
    states = frame["state"].value_counts()
    if frame.empty or "done" in states:
        return n
    return f"{n}, none of them done: {', '.join(f'{k} {state}' for state, k in states.items())}"

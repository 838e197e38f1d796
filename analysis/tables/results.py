"""What `bimp results` prints or writes: a study's frame, filtered, sorted, grouped, formatted."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from analysis.columns import roles
from analysis.columns.names import (
    RETRAIN_SEED,
    config_columns,
    differing,
    is_missing,
    require_columns,
)
from analysis.columns.revisions import REVISION, newest
from analysis.columns.roles import CHOICE, REPORTED
from analysis.columns.spreadsheet import csv_text
from analysis.frames import query
from analysis.frames.study_frames import StudyFrames, read
from analysis.selection.networks import per_seed, seeds_note
from analysis.selection.settings import varying
from analysis.tables.content import pooling_notes
from analysis.tables.fitted import wrapped
from analysis.tables.layout import TextTable, text_table, value_text
from analysis.tables.narrow import narrowed
from analysis.tables.render import to_latex, to_markdown, to_text
from trainables.files.outputs import deliver
from trainables.vocabulary.schema import METRICS
from trainables.vocabulary.wording import counted

LEVELS: Final = ("trials", "cycles", "epochs")
HEADLINES: Final = (CHOICE, REPORTED)
"""Metrics of a group where none are named."""

_SHOWN: Final = (
    "phase", "cycle", "epoch", "total_epoch", CHOICE, REPORTED, "sparsity",
    "theoretical_speedup", "d_adaptive", "d", "lr", "train_loss", "train_s",
)  # fmt: skip
"""What people are shown beside the settings, where no columns are named and they hold a value."""

_LONGEST: Final = 80

_SINGLE: Final = frozenset({"fingerprint", "seed", RETRAIN_SEED})
"""Whoever groups by one of these wants a network's retrainings one by one."""


def run_results(
    locations: Sequence[str],
    level: str = "trials",
    where: str | None = None,
    columns: Sequence[str] = (),
    sort: Sequence[str] = (),
    group_by: Sequence[str] = (),
    format: str = "table",
    output: str | None = None,
    warn: Callable[[str], object] | None = None,
    width: int | None = None,
) -> str | bytes:
    """Return a study's rows in one of `FORMATS`, and write them to the file `output` if given.

    `where` is an expression (`query.where`), applied first. Under `group_by`, `columns` are the
    metrics to average (by default `HEADLINES`), as `query.group` does. Formats for people (table,
    markdown, latex) leave out what is the same in all rows, saying so, unless `columns` are named,
    and name the settings over which a group's means run;
    csv, json and parquet hold everything, in full precision, a missing value being missing.
    A table has lines of at most `width` characters, if given: columns that do not fit are left out
    too. `warn` is told each thing that could not be read; by default it stands on standard error.
    Trials come by their settings and seed unless `sort` says otherwise. Raises ValueError naming
    the key and what is allowed, FileNotFoundError where no study is.
    """
    _require("--level", level, LEVELS)
    _require("--format", format, FORMATS)
    study = read(*locations)
    every = _level_frame(study, level, [*query.names_in(where or ""), *columns, *sort, *group_by])
    asked = bool(columns)
    if every.empty:
        every, where, group_by, sort, columns = _without_rows(every, columns), None, (), (), ()
    frame = query.where(every, where) if where else every
    for sentence in (*study.warnings, *_emptiness(study, level, where, len(frame))):
        (warn or _to_stderr)(sentence)
    pooled: list[str] = []
    if group_by:
        require_columns(frame, group_by)
        frame = newest(frame)
        pooled = pooling_notes(frame, group_by)
        if level == "trials" and not _SINGLE.intersection(group_by):
            pooled = [*pooled, *filter(None, [seeds_note(frame)])]
            frame = per_seed(frame)
        elif level != "trials":
            pooled = [
                *pooled,
                f"n counts {level}, several of one trial among them: lo and hi are too narrow.",
            ]
        frame, columns = query.group(frame, group_by, _group_metrics(frame, columns)), ()
    elif level == "trials" and not sort and len(frame):
        sort = [*differing(frame, config_columns(frame)), "seed", *_retraining(frame)]
    if sort:
        frame = query.sort(frame, sort)
    if columns:
        frame = query.select(frame, columns)
    named = asked or bool(group_by)
    if format == "table" and width is not None:
        content: str | bytes = _for_terminal(frame, pooled, named, width)
    else:
        content = _formatted(frame, format, pooled, named)
    if output is not None:
        write_output(output, content)
    return content


_FOR_PEOPLE: Final[Mapping[str, Callable[[TextTable], str]]] = {
    "table": to_text,
    "markdown": to_markdown,
    "latex": to_latex,
}


def _without_rows(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The heads of a table without rows: nobody knows which settings there will be."""
    return frame.reindex(columns=list(columns)) if columns else frame


def _emptiness(study: StudyFrames, level: str, where: str | None, n_rows: int) -> list[str]:
    """Why there are no rows, in a sentence; nothing where there are some."""
    if n_rows:
        return []
    n = counted(len(study.trials), "trial")
    if where:
        return [f"no row is left: --where {where!r} fits none of {n}"]
    if len(study.trials):
        return [f"no row is there: none of {n} has left {level}"]
    return ["no row is there: no trial has ended yet"]


def _formatted(frame: pd.DataFrame, format: str, pooled: Sequence[str], named: bool) -> str | bytes:
    if format in _FOR_PEOPLE:
        return _FOR_PEOPLE[format](_grid(frame, pooled, named))
    return _FOR_MACHINES[format](frame)


def _require(key: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise ValueError(f"{key} must be one of {', '.join(allowed)}, got {given!r}")


def _to_stderr(sentence: str) -> None:
    print(f"warning: {sentence}", file=sys.stderr)


def _level_frame(study: StudyFrames, level: str, named: Sequence[str]) -> pd.DataFrame:
    """The level's frame with seed, state, settings that differ, and whatever else is named."""
    trials = study.trials
    if level == "trials":
        return trials
    frame = study.cycles if level == "cycles" else study.epochs
    settings = config_columns(trials)
    wanted = [c for c in trials.columns if c in {*named, *differing(trials, settings)}]
    named_always = ("seed", *_retraining(trials), "state")
    past = differing(trials, [REVISION])
    extra = [c for c in (*wanted, *named_always, *past) if c not in frame.columns]
    return study.with_config(frame, list(dict.fromkeys(extra)))


def _retraining(frame: pd.DataFrame) -> list[str]:
    """The column of retraining seeds, where there are several."""
    return differing(frame, [RETRAIN_SEED] if RETRAIN_SEED in frame else [])


def _group_metrics(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    if not columns:
        names = dict.fromkeys(roles.named(role, frame) for role in HEADLINES)
        return [name for name in names if name in frame]
    chosen = list(query.select(frame, columns).columns)
    for name in chosen:
        if name not in METRICS:
            raise ValueError(f"--columns must be metrics under --group-by, got {name!r}")
    return chosen


def _brief(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The columns that tell rows apart and the numbers people ask for, and what is all the same."""
    settings = config_columns(frame)
    apart = differing(frame, settings) if len(frame) > 1 else []
    same = [c for c in settings if c not in apart and frame[c].notna().any()]
    keys = [*(["study"] if frame["study"].nunique() > 1 else []), "fingerprint"]
    shown_first = dict.fromkeys(roles.named(name, frame) for name in _SHOWN)
    numbers = [c for c in shown_first if c in frame and frame[c].notna().any()]
    words = [c for c in ("message",) if c in frame and frame[c].notna().any()]
    return [*keys, *apart, "seed", *_retraining(frame), "state", *numbers, *words], same


def _grid(frame: pd.DataFrame, pooled: Sequence[str], named: bool) -> TextTable:
    shown, same = (list(map(str, frame)), []) if named else _brief(frame)
    return _noted(_laid_out(frame[shown]), frame, pooled, same, named)


def _for_terminal(frame: pd.DataFrame, pooled: Sequence[str], named: bool, width: int) -> str:
    """The table no wider than a terminal; columns that were asked for are all kept."""
    shown, same = (list(map(str, frame)), []) if named else _brief(frame)
    first = [] if named or not shown else _by_need(frame, shown)
    table = narrowed(_laid_out(frame[shown]), width, first)
    notes = _noted(table, frame, pooled, same, named).notes
    return f"{to_text(table)}\n{wrapped(notes, width)}\n" if notes else to_text(table)


def _by_need(frame: pd.DataFrame, shown: Sequence[str]) -> list[str]:
    """The columns shown, the most needed first: what is compared and where, what was reached, then
    other settings. Settings that an earlier one says already come last.
    """
    kept: list[str] = []
    for column in (c for c in varying(frame) if c in shown):
        groups = (frame.groupby(k, dropna=False, sort=False)[column] for k in kept)
        if not any(group.nunique(dropna=False).max() <= 1 for group in groups):
            kept.append(column)
    val, told = (roles.named(role, frame) for role in HEADLINES)
    known = [c for c in _COMPARED if c in kept]
    needed = ["fingerprint", *known, "seed", told, val, *_retraining(frame), "study", *kept, *shown]
    return [c for c in dict.fromkeys(needed) if c in shown]


_COMPARED: Final = (
    "method", "retrain.schedule", "prune.structure", "prune.sparsity", "retrain.epochs",
    "retrain.discount",
)  # fmt: skip
"""Settings that trials are told apart by before all others."""


def _laid_out(shown: pd.DataFrame) -> TextTable:
    rows = shown.astype(object).itertuples(index=False, name=None)
    text = ([_short(value) for value in row] for row in rows)
    words = [i for i, d in enumerate(shown.dtypes) if not pd.api.types.is_numeric_dtype(d)]
    return text_table("", list(map(str, shown.columns)), text, words)


def _noted(
    table: TextTable,
    frame: pd.DataFrame,
    pooled: Sequence[str],
    same: Sequence[str],
    named: bool,
) -> TextTable:
    """The table with what is the same in all rows, and how many columns are not shown."""
    if named:
        return replace(table, notes=tuple(pooled))
    alike = ", ".join(f"{c} = {value_text(frame[c].iloc[0])}" for c in same)
    n_hidden = len(frame.columns) - len(table.headers) - len(same)
    notes = [
        *([f"Same in all rows: {alike}."] if same else []),
        f"{counted(len(frame), 'row')}; {n_hidden} more columns are shown where --columns names"
        " them.",
        *pooled,
    ]
    return replace(table, notes=tuple(notes))


def _short(value: Any) -> str:
    """A value for people: five digits, a dash where it is missing, the start of a long text."""
    if is_missing(value):
        return "-"
    text = f"{value:.5g}" if isinstance(value, float) else value_text(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _json(frame: pd.DataFrame) -> str:
    """One object per row, one row per line; missing values are null."""
    plain = frame.astype(object)
    rows = plain.where(plain.notna(), None).to_dict("records")
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def _parquet(frame: pd.DataFrame) -> bytes:
    """A Parquet file; a setting that has no type there, as numbers beside words, is text in it."""
    mixed = {
        str(name): column.map(lambda value: None if is_missing(value) else str(value))
        for name, column in frame.items()
        if column.dtype == object and not _has_a_type(column)
    }
    sink = io.BytesIO()
    frame.assign(**mixed).to_parquet(sink, index=False)
    return sink.getvalue()


def _has_a_type(column: pd.Series[Any]) -> bool:
    """Whether Arrow has a type for all values: none holds 1 and "a", [1] and ["a"], or 2^70."""
    values = column.dropna()
    if values.map(type).nunique() > 1:
        return False
    distinct = pd.Series([*dict.fromkeys(values)], dtype=object)
    try:
        distinct.to_frame("values").to_parquet(io.BytesIO())
    except (ValueError, TypeError, NotImplementedError, OverflowError):  # Arrow's, and Python's
        return False
    return True


def write_output(output: str, content: str | bytes) -> None:
    """Write a file, local or in an object store, as `files.outputs` does; OutputError if not."""
    deliver({output: content.encode() if isinstance(content, str) else content})


_FOR_MACHINES: Final[Mapping[str, Callable[[pd.DataFrame], str | bytes]]] = {
    "csv": csv_text,
    "json": _json,
    "parquet": _parquet,
}
FORMATS: Final = ("table", "csv", "json", "parquet", "markdown", "latex")

"""What a page says beside its figures: counts, states, a trial's settings and numbers.

Plain rows of text; the page turns them into elements, which show any text as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from numbers import Real
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.labels import MISSING, brief, number, shown, words
from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns, is_missing
from analysis.columns.roles import reported
from analysis.dashboard.watch import Snapshot
from analysis.selection.networks import trained_here
from analysis.selection.series import SPARSITY, comparable, goal_columns, series_column, values
from analysis.tables.comparisons import stand_ins_table
from analysis.tables.layout import TextTable, lay_out, text_table
from trainables.files.progress import LiveRun, RunProgress
from trainables.vocabulary.schema import METRICS, STATES, at_level
from trainables.vocabulary.wording import counted, duration

MANY_CELLS: Final = 150
"""A comparison table with more cells than this is no longer read; the figures show it."""

MANY_ALONE: Final = 12
"""A single row of more columns than this, as a search leaves it, is no table."""


@dataclass(frozen=True)
class Fact:
    """One number or word of a page, under its label."""

    label: str
    value: str


def counts(trials: pd.DataFrame) -> list[Fact]:
    """Return how many trials there are, by state, with studies, seeds and epochs of training."""
    states = trials["state"].value_counts()
    facts = [Fact("trials", number(len(trials)))]
    facts += [Fact(s, number(int(states[s]))) for s in STATES if states.get(s, 0)]
    if trials["study"].nunique() > 1:
        facts.append(Fact("studies", number(trials["study"].nunique())))
    if len(trials):
        facts.append(Fact("seeds", number(trials["seed"].nunique())))
        epochs = trained_epochs(trials)
        trained = number(round(epochs)) if isfinite(epochs) else MISSING
        facts.append(Fact("epochs trained", trained))
    return facts


def trained_epochs(trials: pd.DataFrame) -> float:
    """Return the epochs that were really trained: what trials or studies share counts once."""
    trials = trained_here(trials.drop_duplicates("fingerprint"))
    after_dense = trials["epochs"].astype(float) - trials["dense_epochs"].astype(float).fillna(0.0)
    dense = trials.dropna(subset=["dense_stage"]).drop_duplicates("dense_stage")["dense_epochs"]
    return float(after_dense.sum() + dense.astype(float).sum())


def run_words(runs: Sequence[LiveRun]) -> list[str]:
    """Return a sentence for each run at work, and one when none is."""
    if not runs:
        return ["Not running."]
    return [
        f"Nobody can tell whether it runs: {run.fault}." if run.fault else _run_words(run.progress)
        for run in runs
    ]


def _run_words(p: RunProgress | None) -> str:
    if p is None:
        return "A run has said nothing lately: it is starting, or its process is lost."
    parts = [f"Running: {p.settled} of {p.wanted} trials settled"]
    parts += [f"{p.failed} failed"] if p.failed else []
    dense = f" and {counted(p.dense_running, 'dense run')}" if p.dense_running else ""
    parts += [f"{p.running} at work{dense}", f"{p.waiting} waiting"]
    if p.epochs_per_s:
        parts.append(f"{p.epochs_per_s:.1f} epochs/s")
    if p.seconds_left is not None:
        parts.append(f"about {duration(p.seconds_left)} left")
    return ", ".join(parts) + "."


def comparison(trials: pd.DataFrame, metric: str | None) -> TextTable | str:
    """Return the mean of a metric by series, sparsity and budget, or why there is no such table."""
    if trials.empty:
        return "No trial is left to compare."
    known = comparable(trials)
    rows, columns = series_column(known), list(goal_columns(known))
    name = metric if metric in METRICS else reported(known)
    lacking = [c for c in (rows, *columns, name) if c not in known or not known[c].notna().any()]
    if lacking:
        return f"No trial has a value of {' or '.join(words(c) for c in lacking)}."
    places, n_series = len(known[columns].drop_duplicates()), known[rows].nunique()
    if n_series < 2 and places > MANY_ALONE:
        return (
            f"There is one {words(rows)} alone, at {places} settings: a table compares nothing."
            " The figures below show all of it."
        )
    cells = n_series * places
    if cells > MANY_CELLS:
        return (
            f"The table would have {cells} cells. Filter by sparsity or budget to see it; the"
            " figures below show all of it."
        )
    return lay_out(stand_ins_table(known, rows, [c for c in columns if c != rows], name))


def trial_facts(row: pd.Series[Any]) -> list[Fact]:
    """Return what names a trial and how it ended."""
    facts = [Fact("study", str(row["study"])), Fact("trial", str(row["fingerprint"]))]
    facts += [Fact("state", str(row["state"])), Fact("seed", str(row["seed"]))]
    facts += [Fact("attempt", str(row["attempt"]))]
    for name in (RETRAIN_SEED, "message", "origin.block", "origin.number", "dense_stage"):
        if not is_missing(row[name]):
            facts.append(Fact(words(name).replace("_", " "), _value(name, row[name])))
    return facts


def settings(row: pd.Series[Any]) -> list[Fact]:
    """Return a trial's configuration, key by key; keys that it does not have are left out."""
    names = config_columns(row.to_frame().T)
    return [Fact(name, _value("", row[name])) for name in names if not is_missing(row[name])]


def metrics(row: pd.Series[Any]) -> list[Fact]:
    """Return a trial's numbers with their units; those not measured are left out."""
    return [
        Fact(words(name), _value(name, row[name]))
        for name in at_level("trial")
        if name in row and not is_missing(row[name])
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(_value("", item) for item in value)
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, Real):
        return str(value)
    return shown(name, value) if name else number(float(value), 6)


def cycles(snapshot: Snapshot, row: pd.Series[Any]) -> TextTable | None:
    """Return a trial's cycles, one row per number, one column per cycle.

    None for fewer than two cycles: the trial's own numbers are those of its last one.
    """
    frame = snapshot.study.cycles if snapshot.study is not None else pd.DataFrame(columns=KEYS)
    here = frame[(frame[KEYS[0]] == row[KEYS[0]]) & (frame[KEYS[1]] == row[KEYS[1]])]
    if len(here) < 2:
        return None
    names = [c for c in here.columns if c not in (*KEYS, "cycle") and here[c].notna().any()]
    rows = [[words(c), *(_value(c, value) for value in here[c])] for c in names]
    return text_table("", ["", *(f"cycle {cycle}" for cycle in here["cycle"])], rows)


def failure(snapshot: Snapshot, row: pd.Series[Any]) -> str:
    """Return a failed trial's error, its traceback included; "" for any other trial."""
    record = snapshot.records.get((row["study"], row["fingerprint"]))
    if record is None or not record.error:
        return ""
    error = record.error
    first = f"{error.get('type', '')}: {error.get('message', '')}"
    return "\n".join([first, error.get("traceback", "")]).strip()


def provenance(snapshot: Snapshot, row: pd.Series[Any]) -> list[Fact]:
    """Return where and with what a trial ran."""
    record = snapshot.records.get((row["study"], row["fingerprint"]))
    origin = record.provenance if record else {}
    return [Fact(key.replace("_", " "), _origin_text(value)) for key, value in origin.items()]


def _origin_text(value: Any) -> str:
    """A value of the provenance; a moment as `2026-01-05 10:00:09 UTC`, an absent value a dash.

    Of what has names, names and values: `task 1a2b, copy 3c4d`.
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_within(part)}" for name, part in value.items()) or NOTHING
    if isinstance(value, list) and not value:
        return NOTHING
    if isinstance(value, str):
        return _moment(value)
    return MISSING if value is None else _value("", value)


NOTHING: Final = "none"


def _within(value: Any) -> str:
    text = _origin_text(value)
    return f"({text})" if isinstance(value, Mapping) else text


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment.tzinfo else text


def by_study(trials: pd.DataFrame) -> TextTable:
    """Return one row per study: trials, states, seeds, tasks, sparsities, shared trials."""
    columns = ["study", "trials", *STATES, "seeds", "task", "sparsity", "shared trials"]
    shared = trials["fingerprint"].duplicated(keep=False)
    rows = []
    for name, part in trials.groupby("study", sort=True):
        states = part["state"].value_counts()
        rows.append([
            str(name), number(len(part)), *(number(int(states.get(s, 0))) for s in STATES),
            number(part["seed"].nunique()), _task(part), _span(part, SPARSITY),
            number(int(shared[part.index].sum())),
        ])  # fmt: skip
    return text_table("", columns, rows, words=(0, len(columns) - 3, len(columns) - 2))


def _task(part: pd.DataFrame) -> str:
    names = [c for c in ("task.use", "task.dataset", "task.model") if c in part]
    if not names:
        return MISSING
    tasks = part[names].drop_duplicates().itertuples(index=False)
    told = [", ".join(brief(name) for name in row if not is_missing(name)) for row in tasks]
    return "; ".join(text or MISSING for text in told)


def _span(part: pd.DataFrame, column: str) -> str:
    texts = [shown(column, value) for value in values(part, column)]
    return f"{texts[0]} to {texts[-1]}" if len(texts) > 4 else ", ".join(texts)

"""What was studied: data, model, dense recipe, methods, seeds, and the full names of schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from analysis.answer.basis import Basis
from analysis.answer.statements import Card, Reach
from analysis.answer.wording import (
    amount,
    in_letters,
    kinds,
    listed,
    name_of,
    names_of,
    part_words,
    shared_unit,
)
from analysis.columns.labels import brief, label, number, shown, words
from analysis.columns.names import config_columns
from analysis.columns.roles import reported
from analysis.selection.dense import dense_row, dense_settings
from analysis.selection.series import MANY_SERIES, SPARSITY, budget_column, values
from trainables.config.catalog import METHODS
from trainables.config.datasets import known
from trainables.formulas.schedules import RETRAIN_SCHEDULES
from trainables.vocabulary.schema import METRICS
from trainables.vocabulary.wording import counted

_FEW: Final = 6
"""So many values of a setting are named; of more, the first and the last."""


def card(
    trials: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]],
    basis: Basis | None,
) -> Card:
    """Return what was studied; `settings` are what the study files say, by location."""
    metric = basis.metric if basis is not None else reported(trials)
    of_each = trials.drop_duplicates(config_columns(trials)) if len(trials) else trials
    dense = _dense(trials, metric)
    facts = [
        ("study", _names(settings, trials)),
        ("data", _data(of_each)),
        ("model", _model(of_each)),
        ("dense run", _recipe(of_each)),
        ("dense model", _dense_words(dense, metric)),
        ("method", _methods(of_each)),
        ("pruning", _settings(of_each, ("prune.",))),
        ("retraining", _settings(of_each, ("retrain.", "budget."))),
        ("seeds", _listed("seed", values(trials, "seed"))),
        ("measured by", _signatures(trials)),
        ("study file", listed([f"{location.rstrip('/')}/study.yaml" for location in settings])
         if settings else ""),
    ]  # fmt: skip
    return Card(
        _summary(trials, dense, metric, basis),
        tuple((name, text) for name, text in facts if text),
        tuple(_glossary(of_each)),
        dense,
        metric,
    )


def _signatures(trials: pd.DataFrame) -> str:
    """How measures that have a signature are computed, in the words of what computes them."""
    signed = [m for name, m in METRICS.items() if m.signature and name in trials.columns]
    measured = {m.noun or words(m.name): m.signature for m in signed}
    return "; ".join(f"{name} ({signature})" for name, signature in measured.items())


def _names(settings: Mapping[str, Mapping[str, Any]], trials: pd.DataFrame) -> str:
    named = [str(content["name"]) for content in settings.values() if "name" in content]
    studies = list(dict.fromkeys([*named, *values(trials, "study")]))
    return _listed("study", studies)


def _one(trials: pd.DataFrame, column: str) -> Any | None:
    """The one value that all trials have; None where they differ or have none."""
    found = values(trials, column)
    return found[0] if len(found) == 1 else None


def _data(trials: pd.DataFrame) -> str:
    texts = []
    for name in values(trials, "task.dataset"):
        here = trials[trials["task.dataset"] == name]
        texts.append(_dataset(str(name), here))
    texts += [brief(name) for name in values(trials, "task.use")]
    return "; ".join(texts)


def _dataset(name: str, trials: pd.DataFrame) -> str:
    """A data set with its images, where they are known here."""
    record = known(name)
    if record is None:
        return name
    sizes = {key: _one(trials, f"task.dataset.{key}") for key in ("n_train", "n_val")}
    if any(len(values(trials, f"task.dataset.{key}")) > 1 for key in sizes):
        return name
    given = {key: int(size) for key, size in sizes.items() if size is not None}
    images = (record.n_train(given), record.n_validated(given), record.n_test)
    counts = [number(n) for n in images]
    return (
        f"{name}: {counts[0]} training, {counts[1]} validation and {counts[2]} test images,"
        f" {counted(record.n_classes, 'class').replace('classs', 'classes')}"
    )


def _model(trials: pd.DataFrame) -> str:
    names = [brief(name) for name in values(trials, "task.model")]
    own = _settings(trials, ("task.model.",))
    whole = _one(trials, "n_parameters") is not None
    columns = {"n_parameters": "parameters",
               "n_prunable": "of them prunable" if whole else "prunable weights",
               "multiply_adds": "multiply-adds"}  # fmt: skip
    known = {what: _one(trials, column) for column, what in columns.items()}
    sizes = [f"{number(size)} {what}" for what, size in known.items() if size is not None]
    named = listed(names) if names else ""
    head = f"{named} ({own})" if named and own else named or own
    return ": ".join(part for part in (head, ", ".join(sizes)) if part)


_RECIPE: Final = ("dense.", "optimiser.")


def _recipe(trials: pd.DataFrame) -> str:
    return _settings(trials, _RECIPE)


def _settings(trials: pd.DataFrame, sections: Sequence[str]) -> str:
    """The settings of some sections, each with its values; unset and false ones are left out."""
    columns = [c for c in config_columns(trials) if c.startswith(tuple(sections))]
    if {"retrain.budget", "retrain.epochs"} <= set(columns):
        columns.remove("retrain.budget")  # the same length in another unit
    found = {c: [v for v in values(trials, c) if v is not False] for c in columns}
    return ", ".join(f"{_key(c)} {_listed(c, ones)}".strip() for c, ones in found.items() if ones)


_KEYS: Final = {
    "lr": "learning rate",
    "lr_end": "last learning rate",
    "dense_fraction": "dense share",
    "bn_reestimate": "BatchNorm re-estimated",
    "epochs": "",
}


def _key(column: str) -> str:
    last = column.split(".")[-1]
    return _KEYS.get(last, last.replace("_", " "))


def _listed(column: str, found: Sequence[Any]) -> str:
    """Values in words, those in the middle of many left out; nothing for a plain yes."""
    if all(value is True for value in found):
        return ""
    words_only = [value for value in found if isinstance(value, str)]
    if 0 < len(words_only) < len(found):  # `0.05 to 0.99 (72 values) and adaptive`
        numbers = [value for value in found if not isinstance(value, str)]
        return listed([_listed(column, numbers), *(_value(column, value) for value in words_only)])
    texts = [_value(column, value) for value in found]
    if len(texts) > _FEW:
        return f"{shared_unit([texts[0], texts[-1]], 'to')} ({len(texts)} values)"
    return shared_unit(texts)


def _value(column: str, value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(label(one) for one in value)})"
    if column == "retrain.schedule":
        return name_of(column, value)
    return part_words(column, value)


def _methods(trials: pd.DataFrame) -> str:
    texts = []
    for name in values(trials, "method"):
        record = METHODS.get(name)
        called = shown("method", name)
        texts.append(f"{called} ({record.source})" if record else called)
    return ", ".join(texts)


def _glossary(trials: pd.DataFrame) -> list[tuple[str, str]]:
    """The abbreviations that the study's schedules and methods have, with their full names, which
    begin with a capital."""
    schedules = [
        (shown("retrain.schedule", name), RETRAIN_SCHEDULES[name].title)
        for name in values(trials, "retrain.schedule")
        if name in RETRAIN_SCHEDULES and RETRAIN_SCHEDULES[name].title
    ]
    methods = [
        (shown("method", name), METHODS[name].title)
        for name in values(trials, "method")
        if name in METHODS
    ]
    return [(name, title[0].upper() + title[1:]) for name, title in [*methods, *schedules]]


def _dense(trials: pd.DataFrame, metric: str) -> Reach | None:
    """What the dense model reaches; None where there is no one dense model, or nobody knows."""
    if trials.empty or dense_settings(trials, metric):
        return None
    table = dense_row(trials, metric)
    if table.empty or not table["n"].iloc[0]:
        return None
    row = table.iloc[0]
    return Reach("dense", float(row["mean"]), float(row["lo"]), float(row["hi"]), int(row["n"]))


def _dense_words(dense: Reach | None, metric: str) -> str:
    if dense is None or math.isnan(dense.mean):
        return ""
    return f"{words(metric)} {amount(metric, dense.mean)} ({counted(dense.n, 'run')})"


def _summary(trials: pd.DataFrame, dense: Reach | None, metric: str, basis: Basis | None) -> str:
    """Two sentences: the task and its dense model; what was compared, and where."""
    if trials.empty:
        return ""
    reached = ""
    if dense is not None:
        runs = counted(dense.n, "dense run")
        reached = f", {amount(metric, dense.mean)} {words(metric)} before pruning ({runs})"
    budget = budget_column(trials)
    where = [
        f"{_listed_parts(column, values(trials, column))}{after}"
        for column, after in (
            (SPARSITY, " sparsity"),
            (budget, " of retraining" * (budget != "budget.epochs")),
        )
        if values(trials, column)
    ]
    at = f" at {listed(where[:1])}" + (f" with {listed(where[1:])}" if where[1:] else "")
    n = counted(len(values(trials, "seed")), "seed")
    return f"{_task_words(trials)}{reached}. {_compared(trials, basis)}{at if where else ''}, {n}."


def _task_words(trials: pd.DataFrame) -> str:
    data = [brief(v) for c in ("task.dataset", "task.use") for v in values(trials, c)]
    models = [brief(v) for v in values(trials, "task.model")]
    size = _one(trials, "n_parameters")
    of_size = f" of {number(size)} parameters" if size is not None else ""
    return f"{listed(data)}{' with ' if models else ''}{listed(models)}{of_size}"


def _compared(trials: pd.DataFrame, basis: Basis | None) -> str:
    """What the study is about: its contestants, or the one method that it has."""
    if basis is not None and 2 <= len(basis.names) <= MANY_SERIES:
        n = in_letters(len(basis.names))
        return f"{n.capitalize()} {kinds(basis.by)} ({names_of(basis.by, basis.names)})"
    schedules, methods = (values(trials, column) for column in ("retrain.schedule", "method"))
    texts = [names_of("method", methods)] if methods else []
    texts += [f"with {names_of('retrain.schedule', schedules)}"] if schedules else []
    return " ".join(texts)


def _listed_parts(column: str, found: Sequence[Any]) -> str:
    texts = [part_words(column, value) for value in found]
    return shared_unit([texts[0], texts[-1]], "to") if len(texts) > _FEW else shared_unit(texts)

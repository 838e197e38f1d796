"""How many examples each part of a study's data has, class by class where that is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study.points.resolved_study import ResolvedStudy
from study.views.told_apart import Entry, settings, told_apart
from trainables.config.sections import DatasetChoice
from trainables.data.balance import Balance
from trainables.data.sources import balance_of
from trainables.vocabulary.homes import expanded

Lines = list[tuple[str, str]]


def examples_in_words(resolved: ResolvedStudy) -> Lines:
    """Return lines of a plan on the examples of each part; none of data that are not there yet.

    Where they differ between the data sets of a study, each line says of which it is.
    """
    root = expanded(resolved.study.data.root)
    entries: dict[str, Entry] = {}
    for config in resolved.representatives:
        choice = config.catalog_dataset
        key = (choice or config.task).model_dump_json()
        if key in entries:
            continue
        look = resolved.code.look_of(config.model_dump(mode="json"))
        if choice is not None:
            lines = _of_catalog(choice, root)
        elif look is not None and look.findings:
            left_out = [("left out", some.in_words()) for some in look.facts.left_out.values()]
            lines = [*_own(look.findings), *left_out]
        else:
            continue
        entries[key] = settings(config.task, data_alone=choice is not None), tuple(lines)
    return told_apart([entry for entry in entries.values() if entry[1]])


def _of_catalog(choice: DatasetChoice, root: Path) -> Lines:
    try:
        balance = balance_of(choice.name, choice.parameters, root)
    except (OSError, ValueError) as error:
        return [("examples", f"cannot be counted: {error}")]
    return [] if balance is None else balance.in_words()


def _own(findings: Mapping[str, Any]) -> Lines:
    """Of a task of the user's: class by class where its labels can be seen, else in number."""
    classes: Mapping[str, list[int]] = findings.get("classes", {})
    n = max(map(len, classes.values()), default=0)
    known = dict(Balance(tuple(map(str, range(n))), classes).in_words())
    lengths: Mapping[str, int] = findings["lengths"]
    return [
        (what := f"{part} examples", known.get(what, f"{length:,}"))
        for part, length in lengths.items()
    ]

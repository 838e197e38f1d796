"""What may be chosen beside a figure: every control that offers several values, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import pandas as pd

from analysis.columns.labels import shown, words
from analysis.columns.roles import PACE, choice, named
from analysis.figures.cost import Cost
from analysis.figures.gains import subject_of
from analysis.figures.importance import EVALUATORS
from analysis.figures.latency import settings_of
from analysis.figures.record import Figure
from analysis.selection.blocks import block_columns
from analysis.selection.series import (
    comparable,
    goal_columns,
    series_column,
    series_columns,
    values,
)
from analysis.selection.settings import numeric_settings
from trainables.vocabulary.schema import METRICS, at_level

LABELS: Final[Mapping[str, str]] = {
    "metric": "metric", "by": "compare", "of": "gain of", "cost": "cost", "against": "against",
    "along": "equal in", "x": "across", "y": "upwards", "evaluator": "question",
    "setting": "measured with",
}  # fmt: skip
"""What a page calls each control; those of a block have the words of their column."""

_COLUMNS: Final = frozenset({"metric", "by", "against", "along", "x", "y"})
"""Controls whose values are columns."""

_AGAINST: Final = [
    "theoretical_speedup", "epochs", "retrain_epochs", PACE, "train_s",
]  # fmt: skip

_ALONG: Final = ["sparsity", "theoretical_speedup"]

AT: Final = "at."
"""What the name of a choice begins with that is of a block's column."""


@dataclass(frozen=True)
class Pick:
    """One choice beside a figure.

    `name` is the control's, or `at.<column>` for a column of the block; `options` are (value, text)
    and `value` is the one in use.
    """

    name: str
    label: str
    options: tuple[tuple[Any, str], ...]
    value: Any

    @property
    def values(self) -> list[Any]:
        """What may be chosen, in order."""
        return [value for value, _ in self.options]


def offers(figure: Figure, frame: pd.DataFrame, *, by: str | None = None) -> dict[str, Any]:
    """Return what each of a figure's controls may be for a frame, the default first.

    A list of values per control; for `at` a mapping from each column that makes a block to its
    values, in order. `by` is the series column in use, which decides `of` and `at`. Controls
    that offer nothing are empty.
    """
    if frame.empty or figure.missing(frame):
        return {name: {} if name == "at" else [] for name in figure.controls}
    trials = comparable(frame)
    compares = _compared(figure, trials)
    series = by or compares or series_column(trials)
    makers: dict[str, Callable[[], Any]] = {
        "metric": lambda: _metrics(figure, trials),
        "by": lambda: _first(compares, series_columns(trials)),
        "of": lambda: _subject_first(values(trials, series)),
        "at": lambda: _blocks(figure, trials, series),
        "cost": lambda: list(get_args(Cost)),
        "evaluator": lambda: list(EVALUATORS),
        "setting": lambda: settings_of(frame),
        "against": lambda: _present(trials, [named(name, trials) for name in _AGAINST]),
        "along": lambda: _present(trials, _ALONG),
        "x": lambda: numeric_settings(trials),
        "y": lambda: numeric_settings(trials)[1:] + numeric_settings(trials)[:1],
    }
    return {name: makers[name]() for name in figure.controls}


def _compared(figure: Figure, trials: pd.DataFrame) -> str:
    """The column that a figure compares by itself; "" where it compares what the study does."""
    column = figure.compares
    return column if column in trials and trials[column].nunique() > 1 else ""


def _blocks(figure: Figure, trials: pd.DataFrame, series: str) -> dict[str, list[Any]]:
    sparsity, budget = goal_columns(trials)
    free = {{"sparsity": sparsity, "budget": budget}[name] for name in figure.spans}
    return {c: values(trials, c) for c in block_columns(trials, series) if c not in free}


def _first(leading: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys([leading, *names]) if name]


def _subject_first(contestants: list[Any]) -> list[Any]:
    if not contestants:
        return []
    subject = subject_of(contestants)
    return [subject, *(name for name in contestants if name != subject)]


def _present(frame: pd.DataFrame, names: list[str]) -> list[str]:
    return [name for name in names if name in frame and frame[name].notna().any()]


def _metrics(figure: Figure, frame: pd.DataFrame) -> list[str]:
    """The metrics that a figure offers, its default first."""
    ranked = [name for name in at_level("trial") if METRICS[name].direction is not None]
    curves = [choice(frame), "val_loss", "train_loss"]
    present = _present(frame, curves if figure.source == "epochs" else ranked)
    if figure.metrics == "choosing":
        present = [name for name in present if not METRICS[name].on_test]
    first = named(figure.metric, frame)
    return sorted(dict.fromkeys(present), key=lambda name: name != first)


def picks(
    offered: Mapping[str, Any], controls: Mapping[str, Any], at: Mapping[str, Any]
) -> tuple[Pick, ...]:
    """Return the choices among what is offered, in the order of the figure's controls.

    `controls` are the values in use, `at` the block in use; a control that names none is at the
    first of its values, and a column that the block does not name is no choice. Nor is a control
    that offers a single value.
    """
    made = []
    for control, options in offered.items():
        if control == "at":
            made += [_choice(AT + c, words(c), c, o, at[c]) for c, o in options.items() if c in at]
        elif options:
            value = controls.get(control, options[0])
            made.append(_choice(control, LABELS[control], control, options, value))
    return tuple(choice for choice in made if len(choice.options) > 1)


def _choice(name: str, label: str, column: str, options: list[Any], value: Any) -> Pick:
    return Pick(name, label, tuple((o, _option(column, o)) for o in options), value)


def _option(column: str, value: Any) -> str:
    if column == "evaluator":
        return EVALUATORS[value]
    return words(value) if column in _COLUMNS else shown(column, value)


def keywords(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a figure's table for values by the names of choices."""
    at = {name.removeprefix(AT): value for name, value in values.items() if name.startswith(AT)}
    controls = {name: value for name, value in values.items() if not name.startswith(AT)}
    return {**controls, "at": at} if at else controls

"""What may be chosen beside a figure: every control that offers several values, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, get_args

import pandas as pd

from analysis.columns.labels import shown, words
from analysis.columns.roles import choice, named
from analysis.figures.cost import Cost
from analysis.figures.importance import EVALUATORS
from analysis.figures.latency import settings_of
from analysis.figures.losses import VIEWS
from analysis.figures.record import Figure
from analysis.fronts.axes import axes_offered, levels_offered
from analysis.selection.blocks import block_columns, task_columns
from analysis.selection.series import (
    comparable,
    goal_columns,
    series_column,
    series_columns,
    values,
)
from analysis.selection.settings import held_settings, numeric_settings
from analysis.selection.tabulation import Tabulation
from trainables.vocabulary.schema import METRICS, at_level

LABELS: Final[Mapping[str, str]] = {
    "metric": "metric", "by": "compare", "of": "gain of", "cost": "cost", "along": "equal in",
    "x": "across", "y": "upwards", "level": "one front per", "evaluator": "question",
    "setting": "measured with", "view": "shown as",
}  # fmt: skip
"""What a page calls each control; those of a block have the words of their column."""

_COLUMNS: Final = frozenset({"metric", "by", "along", "x", "y", "level"})
"""Controls whose values are columns."""

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


def offers(
    figure: Figure,
    frame: pd.DataFrame,
    *,
    by: str | None = None,
    objectives: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return what each of a figure's controls may be for a frame, the default first.

    A default that the figure settles by what it finds stands in its table, `Tabulation.chosen`.

    A list of values per control; for `at` a mapping from each column that makes a block to its
    values, in order. `by` is the series column in use, which decides `of` and `at`; `objectives`
    are the search's own. Controls that offer nothing are empty.
    """
    if frame.empty or figure.missing(frame):
        return {name: {} if name == "at" else [] for name in figure.controls}
    trials = comparable(frame)
    compares = _compared(figure, trials)
    series = by or compares or series_column(trials)
    makers: dict[str, Callable[[], Any]] = {
        "metric": lambda: _metrics(figure, trials),
        "by": lambda: _first(compares, series_columns(trials)),
        "of": lambda: values(trials, series),
        "at": lambda: _blocks(figure, trials, series),
        "cost": lambda: list(get_args(Cost)),
        "evaluator": lambda: list(EVALUATORS),
        "view": lambda: _views(trials),
        "setting": lambda: settings_of(frame),
        "along": lambda: _present(trials, _ALONG),
        "x": lambda: _axes(figure, trials, objectives),
        "y": lambda: _axes(figure, trials, objectives),
        "level": lambda: levels_offered(trials, objectives),
    }
    return {name: makers[name]() for name in figure.controls}


def _compared(figure: Figure, trials: pd.DataFrame) -> str:
    """The column that a figure compares by itself; "" where it compares what the study does."""
    column = figure.compares
    return column if column in trials and trials[column].nunique() > 1 else ""


def _blocks(figure: Figure, trials: pd.DataFrame, series: str) -> dict[str, list[Any]]:
    if figure.holds:
        held = dict.fromkeys([*task_columns(trials), *held_settings(trials)])
        return {column: values(trials, column) for column in held}
    sparsity, budget = goal_columns(trials)
    free = {{"sparsity": sparsity, "budget": budget}[name] for name in figure.spans}
    return {c: values(trials, c) for c in block_columns(trials, series) if c not in free}


def _first(leading: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys([leading, *names]) if name]


def _axes(figure: Figure, trials: pd.DataFrame, objectives: Mapping[str, Any]) -> list[str]:
    """What may stand on an axis: of a front measures, elsewhere settings that are numbers."""
    measured = "level" in figure.controls
    return axes_offered(trials, objectives) if measured else numeric_settings(trials)


def _views(trials: pd.DataFrame) -> list[str]:
    """The views of a result; no loss from dense where no dense run was recorded."""
    known = any(str(c).startswith("dense_val_") and trials[c].notna().any() for c in trials)
    return list(VIEWS) if known else list(VIEWS)[:1]


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
    offered: Mapping[str, Any], controls: Mapping[str, Any], table: Tabulation
) -> tuple[Pick, ...]:
    """Return the choices among what is offered, in the order of the figure's controls.

    `controls` are the values asked for; one that is not named is as the `table` drawn settled it,
    else at the first of its values. A column that the table's block does not name is no choice, nor
    is a control that offers a single value.
    """
    made, at = [], table.at
    for control, options in offered.items():
        if control == "at":
            made += [_choice(AT + c, words(c), c, o, at[c]) for c, o in options.items() if c in at]
        elif options:
            value = {**table.chosen, **controls}.get(control, options[0])
            made.append(_choice(control, LABELS[control], control, options, value))
    return tuple(choice for choice in made if len(choice.options) > 1)


def _choice(name: str, label: str, column: str, options: list[Any], value: Any) -> Pick:
    return Pick(name, label, tuple((o, _option(column, o)) for o in options), value)


_IN_WORDS: Final[Mapping[str, Mapping[str, str]]] = {"evaluator": EVALUATORS, "view": VIEWS}


def _option(column: str, value: Any) -> str:
    if column in _IN_WORDS:
        return _IN_WORDS[column][value]
    return words(value) if column in _COLUMNS else shown(column, value)


def keywords(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a figure's table for values by the names of choices."""
    at = {name.removeprefix(AT): value for name, value in values.items() if name.startswith(AT)}
    controls = {name: value for name, value in values.items() if not name.startswith(AT)}
    return {**controls, "at": at} if at else controls

"""What a figure is to those who list, choose and draw it: a frozen record and its controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import words
from analysis.columns.names import config_columns, differing
from analysis.figures.cost import Cost
from analysis.figures.gains import subject_of
from analysis.figures.importance import Evaluator
from analysis.figures.landscape import settings_of
from analysis.frames.constraints import BEYOND
from analysis.frames.study_frames import Study
from analysis.selection import blocks
from analysis.selection.blocks import noted
from trainables.vocabulary.schema import METRICS, TRIAL_METRICS

Source = Literal["trials", "epochs", "layers"]
Control = Literal["metric", "by", "at", "of", "cost", "against", "x", "y", "evaluator"]


@dataclass(frozen=True)
class Figure:
    """One figure: two pure functions and what a menu must know of them.

    `table(frame, **controls)` turns a frame of `Study` (`source`, with configuration joined) into
    the numbers drawn, `figure(table)` draws them. `controls` are keywords of the table function,
    each with a default: `metric` a column of numbers, `by` the column whose values are compared,
    `of` one of these values, `at` values of the columns that make a block; see `choices`. `needs`
    are the columns without which the figure is blank. `metrics` says which metrics it offers: all,
    or, where it chooses or ranks, only those not measured on test ("choosing"). `metric` is the
    default one. `spans` says what of a block the figure itself runs over, so that `at` has no say.
    `compares` names the column that it compares unless told otherwise, where that varies; else,
    and where it is "", it compares what the study does.
    """

    name: str
    title: str
    question: str
    source: Source
    needs: tuple[str, ...]
    controls: tuple[Control, ...]
    table: Callable[..., pd.DataFrame]
    figure: Callable[[pd.DataFrame], go.Figure]
    metrics: Literal["all", "choosing"] = "all"
    metric: str = "test_accuracy"
    spans: tuple[Literal["sparsity", "budget"], ...] = ()
    compares: str = ""

    def missing(self, frame: pd.DataFrame, metric: str | None = None) -> list[str]:
        """Return the needed columns that are absent from a frame or have no value in it."""
        asked = [metric or self.metric] if "metric" in self.controls else []
        wanted = dict.fromkeys([*self.needs, *asked])
        return [c for c in wanted if c not in frame or not frame[c].notna().any()]

    def tabulate(self, frame: pd.DataFrame, **controls: Any) -> pd.DataFrame:
        """Return the figure's table; an empty one, with the reason noted, where columns lack.

        A control that is None takes its default; ValueError names one that the figure has not.
        """
        if unknown := set(controls) - set(self.controls):
            raise ValueError(
                f"figure {self.name} has the controls {', '.join(self.controls) or 'none'},"
                f" got {', '.join(sorted(unknown))}"
            )
        if frame.empty:
            return noted(pd.DataFrame(), "There are no trials yet.")
        if absent := self.missing(frame, controls.get("metric")):
            return noted(pd.DataFrame(), _why_without(absent))
        given = {"metric": self.metric} if "metric" in self.controls else {}
        given |= {name: value for name, value in controls.items() if value is not None}
        return self.table(frame, **given)

    def draw(self, frame: pd.DataFrame, **controls: Any) -> go.Figure:
        """Return the figure of a frame under the given controls; see `tabulate`."""
        return self.figure(self.tabulate(frame, **controls))


_WHY: Final = {
    "origin.number": "No trial comes from a search.",
    "budget.dense_fraction": "No trial splits one budget between a dense run and retraining.",
    "retrain.discount": "No trial has a discount: it is a setting of ALLR.",
    "retrain.schedule": "No trial is retrained under a schedule.",
}
"""Why a figure has nothing to show where none of the trials has a column."""


def _why_without(columns: list[str]) -> str:
    said = [_WHY[column] for column in columns if column in _WHY]
    return said[0] if said else f"No trial has a value of {' or '.join(map(words, columns))}."


_RANKED: Final = [name for name in TRIAL_METRICS if METRICS[name].direction is not None]
_CURVES: Final = ["val_accuracy", "val_loss", "train_loss"]
_AGAINST: Final = [
    "theoretical_speedup", "epochs", "retrain_epochs", "train_images_per_s", "train_s",
]  # fmt: skip


def choices(figure: Figure, frame: pd.DataFrame, *, by: str | None = None) -> dict[str, Any]:
    """Return what each of a figure's controls may be for a frame, the default first.

    A list of values per control; for `at` a mapping from each column that makes a block to its
    values, in order. `by` is the series column in use, which decides `of` and `at`. Controls
    that offer nothing are empty.
    """
    if frame.empty or figure.missing(frame):
        return {name: {} if name == "at" else [] for name in figure.controls}
    trials = blocks.comparable(frame)
    compares = _compared(figure, trials)
    series = by or compares or blocks.series_column(trials)
    offers: dict[str, Callable[[], Any]] = {
        "metric": lambda: metric_choices(figure, trials),
        "by": lambda: _first([compares], blocks.series_columns(trials)),
        "of": lambda: _subject_first(blocks.values(trials, series)),
        "at": lambda: _blocks(figure, trials, series),
        "cost": lambda: list(get_args(Cost)),
        "evaluator": lambda: list(get_args(Evaluator)),
        "against": lambda: _present(trials, _AGAINST),
        "x": lambda: settings_of(trials),
        "y": lambda: settings_of(trials)[1:] + settings_of(trials)[:1],
    }
    return {name: offers[name]() for name in figure.controls}


def _compared(figure: Figure, trials: pd.DataFrame) -> str:
    """The column that a figure compares by itself; "" where it compares what the study does."""
    own = figure.compares
    return own if own in trials and trials[own].nunique() > 1 else ""


def _blocks(figure: Figure, trials: pd.DataFrame, series: str) -> dict[str, list[Any]]:
    spanned = {"sparsity": blocks.SPARSITY, "budget": blocks.budget_column(trials)}
    columns = blocks.block_columns(trials, series)
    free = {spanned[name] for name in figure.spans}
    return {c: blocks.values(trials, c) for c in columns if c not in free}


def _first(leading: list[str], names: list[str]) -> list[str]:
    return list(dict.fromkeys([*(name for name in leading if name), *names]))


def _subject_first(contestants: list[Any]) -> list[Any]:
    if not contestants:
        return []
    subject = subject_of(contestants)
    return [subject, *(name for name in contestants if name != subject)]


def _present(frame: pd.DataFrame, names: list[str]) -> list[str]:
    return [name for name in names if name in frame and frame[name].notna().any()]


def metric_choices(figure: Figure, frame: pd.DataFrame) -> list[str]:
    """Return the metrics that a figure offers for a frame, its default first."""
    present = _present(frame, _CURVES if figure.source == "epochs" else _RANKED)
    if figure.metrics == "choosing":
        present = [name for name in present if not METRICS[name].on_test]
    return sorted(present, key=lambda name: name != figure.metric)


def source_frame(study: Study, source: Source) -> pd.DataFrame:
    """Return the study's frame that a figure starts from, with what it may be split by joined."""
    trials = study.trials
    if source == "trials" or trials.empty:
        return trials
    # The curves have a validation accuracy of their own, the last of which is the trial's.
    choice = [blocks.CHOICE] if source == "layers" else []
    wanted = (*_ALWAYS, blocks.budget_column(trials), BEYOND, *choice)
    always = [c for c in wanted if c in trials]
    columns = [*differing(trials, config_columns(trials)), *always, "seed", "state"]
    frame = study.layers.rename(columns={"sparsity": "layer_sparsity"})
    return study.with_config(
        frame if source == "layers" else study.epochs, list(dict.fromkeys(columns))
    )


_ALWAYS: Final = ("task.dataset", "task.model", "method", "prune.sparsity", "prune.structure",
                  "retrain.schedule", "dense.epochs", "retrain.epochs")  # fmt: skip

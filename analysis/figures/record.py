"""What a figure is to those who list, choose and draw it: a frozen record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import words
from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns, differing
from analysis.columns.roles import REPORTED, choice, named
from analysis.frames.constraints import BEYOND
from analysis.frames.study_frames import StudyFrames
from analysis.selection.networks import STAGE, seeds_note
from analysis.selection.series import budget_column
from analysis.selection.tabulation import Tabulation, nothing

PageName = Literal["overview", "schedules", "discount", "pareto", "search", "trials"]
FrameName = Literal["trials", "epochs", "layers", "latency", "work"]
Control = Literal[
    "metric", "by", "at", "of", "cost", "along", "x", "y", "level", "evaluator", "setting", "view"
]


@dataclass(frozen=True)
class Figure:
    """One figure: two pure functions and what a menu must know of them.

    `table(frame, **controls)` turns a frame of a study (`source`, with configuration joined) into
    the numbers drawn, `figure(table)` draws them. `controls` are keywords of the table function,
    each with a default: `metric` a column of numbers, `by` the column whose values are compared,
    `of` one of these values, `at` values of the columns that make a block. `page` is the page of
    the dashboard that shows it. `needs` are the columns without which the figure is blank.
    `metrics` says which metrics it offers: all, or, where it chooses or ranks, only those not
    measured on test ("choosing"). `metric` is the default one. `spans` says what of a block the
    figure itself runs over, so that `at` has no say. `compares` names the column that it compares
    unless told otherwise, where that varies; else, and where it is "", it compares what the study
    does. `holds` says that its block holds every setting of few values, and not the goals alone.
    """

    name: str
    title: str
    question: str
    page: PageName
    source: FrameName
    needs: tuple[str, ...]
    controls: tuple[Control, ...]
    table: Callable[..., Tabulation]
    figure: Callable[[Tabulation], go.Figure]
    metrics: Literal["all", "choosing"] = "all"
    metric: str = REPORTED
    spans: tuple[Literal["sparsity", "budget"], ...] = ()
    compares: str = ""
    holds: bool = False

    def missing(self, frame: pd.DataFrame, metric: str | None = None) -> list[str]:
        """Return the needed columns that are absent from a frame or have no value in it."""
        metrics = [metric or self.metric] if "metric" in self.controls else []
        needed = dict.fromkeys(named(name, frame) for name in (*self.needs, *metrics))
        return [c for c in needed if c not in frame or not frame[c].notna().any()]

    def tabulate(self, frame: pd.DataFrame, **controls: Any) -> Tabulation:
        """Return the figure's table; an empty one, with the reason noted, where columns lack.

        A control that is None takes its default; ValueError names one that the figure has not.
        """
        if unknown := set(controls) - set(self.controls):
            raise ValueError(
                f"figure {self.name} has the controls {', '.join(self.controls) or 'none'},"
                f" got {', '.join(sorted(unknown))}"
            )
        if frame.empty:
            return nothing("There are no trials yet.")
        if absent := self.missing(frame, controls.get("metric")):
            return nothing(_why_without(absent))
        given = {"metric": named(self.metric, frame)} if "metric" in self.controls else {}
        given |= {name: value for name, value in controls.items() if value is not None}
        return self.table(frame, **given).noting(seeds_note(frame))

    def draw(self, frame: pd.DataFrame, **controls: Any) -> go.Figure:
        """Return the figure of a frame under the given controls; see `tabulate`."""
        return self.figure(self.tabulate(frame, **controls))


_WHY: Final = {
    "origin.number": "No trial comes from a search.",
    "budget.dense_fraction": "No trial splits one budget between a dense run and retraining.",
    "retrain.discount": "No trial has a discount: it is a setting of ALLR.",
    "retrain.schedule": "No trial is retrained under a schedule.",
    "latency_ms": "No latency was measured: bimp bench DIR measures them.",
}
"""Why a figure has nothing to show where none of the trials has a column."""


def _why_without(columns: list[str]) -> str:
    reasons = [_WHY[column] for column in columns if column in _WHY]
    return reasons[0] if reasons else f"No trial has a value of {' or '.join(map(words, columns))}."


def source_frame(study: StudyFrames, source: FrameName) -> pd.DataFrame:
    """Return the study's frame that a figure starts from, with what it may be split by joined."""
    trials = study.trials
    if source == "trials" or trials.empty:
        return trials
    if source == "latency":
        if study.latency.empty:
            return trials
        measured = study.latency.columns  # a search has a latency of its own
        return study.with_config(study.latency, [str(c) for c in trials if c not in measured])
    # The curves have a validation accuracy of their own, the last of which is the trial's.
    chosen = [choice(trials)] if source == "layers" else []
    wanted = (*_ALWAYS, budget_column(trials), BEYOND, *chosen)
    always = [c for c in wanted if c in trials]
    columns = [*differing(trials, config_columns(trials)), *always, "seed", RETRAIN_SEED, "state"]
    if source == "epochs":  # what the rates of every step are computed from
        columns += [str(c) for c in trials if str(c).startswith(("dense.", "retrain."))]
    frames = {
        "layers": lambda: study.layers.rename(columns={"sparsity": "layer_sparsity"}),
        "epochs": lambda: with_prunes(study.epochs, study.cycles),
        "work": lambda: study.work,
    }
    return study.with_config(frames[source](), list(dict.fromkeys(columns)))


def with_prunes(epochs: pd.DataFrame, cycles: pd.DataFrame) -> pd.DataFrame:
    """Return epochs with what was recorded of each cycle in its first one, elsewhere missing.

    The columns are d, the discount in use, and the numbers right after the prune.
    """
    pruned = [c for c in cycles if str(c).startswith("pruned_") and cycles[c].notna().any()]
    measured = [*(c for c in ("d",) if c in cycles), *pruned]
    keys = [*KEYS, "cycle"]
    places = pd.DataFrame({**epochs[keys], "_row": range(len(epochs))})[epochs["epoch"] == 0]
    found = places.merge(cycles[[*keys, *measured]].drop_duplicates(keys), on=keys)
    beside = found.set_index("_row")[measured].reindex(range(len(epochs)))
    return pd.concat([epochs, beside.set_axis(epochs.index)], axis=1)


_ALWAYS: Final = (
    "task.dataset", "task.model", "task.use", "method", "prune.sparsity", "prune.structure",
    "retrain.schedule", "dense.epochs", "retrain.epochs", STAGE,
)  # fmt: skip

"""Every number and word that a study reports: its name, unit, direction and meaning.

The one place that names result columns. Pure standard library; the analysis, the search and the
command line all take names, units and directions from here, so that nothing is spelled twice.

`METRICS` holds the names of the built-in classification, `measures_of` those of any task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

from trainables.vocabulary.declarations import CLASSIFICATION, LOSS, Declarations, Metric

SCHEMA_VERSION: Final = 1
"""Version of records and stages. A changed default or meaning needs a new one."""

Direction = Literal["max", "min"]
Level = Literal["trial", "cycle", "epoch"]
State = Literal["done", "diverged", "failed", "stopped"]
StageKind = Literal["dense", "cycle", "whole", "quantised"]
StageState = Literal["done", "diverged"]

STATES: Final[tuple[State, ...]] = ("done", "diverged", "failed", "stopped")
SETTLED: Final[frozenset[State]] = frozenset({"done", "diverged", "stopped"})
"""States that stay: a failed record is replaced when the study is run again."""


@dataclass(frozen=True)
class Measure:
    """One reported number.

    `direction` says which way is better, or None where neither is. `unit` is "1" for a plain ratio
    or number, "" where a task declares none, else the unit's sign; `percent`: a ratio in [0, 1]
    that is shown as per cent. `noun`: a metric's name as its task spells it (mean IoU, chrF), empty
    where it is spelt as it is written. `signature`: how the library that computes it names settings
    and version, where it does.
    """

    name: str
    unit: str
    direction: Direction | None
    meaning: str
    levels: tuple[Level, ...] = ("trial",)
    percent: bool = False
    noun: str = ""
    signature: str = ""

    @property
    def on_test(self) -> bool:
        """Whether the number was measured on test data; nothing may be chosen by it."""
        return "test" in self.name.split("_")


_TRIAL: Final[tuple[Level, ...]] = ("trial",)
_ALL: Final[tuple[Level, ...]] = ("trial", "cycle")
_EVERY: Final[tuple[Level, ...]] = ("trial", "cycle", "epoch")
_DIRECTIONS: Final[dict[str, Direction]] = {"more": "max", "less": "min"}

_FIXED: Final = (
    Measure("sparsity", "1", None, "share of the prunable weights that are zero, reached", _ALL),
    Measure("sparsity_by_method", "1", None,
            "share of the prunable weights that the method made zero by itself, before any"
            " final prune to the goal"),
    Measure("sparsity_all_parameters", "1", None, "share of zeros among all parameters", _ALL),
    Measure("theoretical_speedup", "x", "max",
            "multiply-adds of the dense model over those on non-zero weights", _ALL),
    Measure("norm_drop", "1", None,
            "norm of the weights that the prune removed over the norm of all", _ALL),
    Measure("pruned_fraction", "1", None, "share of the weights alive that the prune removed",
            _ALL),
    Measure("d1", "1", None, "norm drop over the root of the share removed, unclipped", _ALL),
    Measure("d1_prunable", "1", None, "d1 over the prunable weights alone", _ALL),
    Measure("d2", "1", None, "retraining steps of the cycle over dense steps, unclipped", _ALL),
    Measure("d_adaptive", "1", None, "min(max(d1, d2), 1)", _ALL),
    Measure("d", "1", None, "discount in use; missing where the schedule has none", _ALL),
    Measure("collapsed_layers", "1", "min",
            "layers left without a weight; where there is one, the model is collapsed", _ALL),
    Measure("epochs", "epoch", "min", "epochs that this model was trained, dense run included"),
    Measure("dense_epochs", "epoch", "min", "epochs of the dense run"),
    Measure("retrain_epochs", "epoch", "min", "epochs of retraining", _ALL),
    Measure("retrain_steps", "step", None, "optimiser steps of retraining", _ALL),
    Measure("train_s", "s", "min", "seconds of training in this trial's own stages", _EVERY),
    Measure("eval_s", "s", "min", "seconds of evaluation in this trial's own stages", _ALL),
    Measure("bn_s", "s", "min", "seconds of re-estimating BatchNorm statistics", _ALL),
    Measure("dense_train_s", "s", "min", "seconds of training of the dense run, once"),
    Measure("wall_s", "s", "min", "seconds from the trial's start to its end on its worker"),
    Measure("gpu_memory_bytes", "B", "min", "peak memory of the GPU during the trial"),
    Measure("latency_ms", "ms", "min",
            "milliseconds per call of the network on one input, without its zero filters, on the"
            " driver's node or the one that search.measure_on names; where a search asks for it"),
    Measure("network_bytes", "B", "min",
            "bytes of that network's tensors; where a search asks for it"),
    Measure("n_parameters", "1", None, "parameters of the model"),
    Measure("n_prunable", "1", None, "prunable weights of the model"),
    Measure("multiply_adds", "1", "min", "multiply-adds of the dense model on one input"),
    Measure("lr", "1", None, "learning rate of the epoch's first step", ("epoch",)),
)  # fmt: skip

QUANTISED: Final = "int8_"
"""How the names of what the network measures with its weights in int8 begin."""

_STAGES: Final = (
    ("", "{} at the end"),
    ("dense_", "{} of the dense model"),
    ("pruned_", "{} right after the prune, before any retraining"),
    (QUANTISED, "{} with weights in int8, under quantise.weights"),
)
"""What is evaluated: the prefix of its names, and the words around a metric's."""

_PARTS: Final = {"val": "validation", "test": "test"}


def _evaluated(tasks: Declarations) -> Iterator[Measure]:
    """Each metric and the loss: at the end, of the dense model, and right after a prune."""
    loss = Metric("less", unit=tasks.loss_unit)
    for prefix, words in _STAGES:
        for name, metric in {**tasks.metrics, LOSS: loss}.items():
            for part in _PARTS:
                levels = _TRIAL if prefix in ("dense_", QUANTISED) else _ALL
                if prefix == "" and part == "val":
                    levels = _EVERY
                meaning = words.format(f"{_PARTS[part]} {metric.meaning or name.replace('_', ' ')}")
                unit = "1" if metric.percent else metric.unit
                yield Measure(
                    f"{prefix}{part}_{name}", unit, _DIRECTIONS[metric.better],
                    meaning, levels, metric.percent, _spelling(name, metric),
                    metric.signature,
                )  # fmt: skip


def _spelling(name: str, metric: Metric) -> str:
    """The meaning of a metric, where it is no more than its name in its own letters."""
    return metric.meaning if metric.meaning.lower().replace(" ", "_") == name else ""


def _measures(declared: Declarations) -> dict[str, Measure]:
    pace = Measure(
        f"train_{declared.counts}_per_s",
        "1/s",
        "max",
        f"training {declared.counts} per second (forward, backward, step)",
        _EVERY,
    )
    loss = Measure(
        "train_loss", declared.loss_unit, "min", "mean training loss over the epoch",
        ("epoch",),
    )  # fmt: skip
    every = (*_evaluated(declared), *_FIXED[:4], pace, *_FIXED[4:], loss)
    return {measure.name: measure for measure in every}


DEPLOYED: Final[tuple[str, ...]] = ("latency_ms", "network_bytes")
"""What is measured of a network where it runs, once for each configuration of a search."""

FIXED_NAMES: Final = frozenset(measure.name for measure in _FIXED) | {"train_loss"}
"""Names that are the same for every task, and that no metric may make."""

METRICS: Final[dict[str, Measure]] = _measures(CLASSIFICATION)
"""All numbers that records, cycles and curves hold, by name: those of the built-in classification,
and of every other task whose records were read in this process (`declare`)."""


@cache
def _known(text: str) -> dict[str, Measure]:
    return _measures(Declarations.of(json.loads(text)))


def measures_of(declared: Mapping[str, Any]) -> dict[str, Measure]:
    """Return all numbers of a task's records by name, from what a record carries; do not change it.

    Nothing declared means the built-in classification.
    """
    return _known(json.dumps(declared))


def declare(declared: Mapping[str, Any]) -> dict[str, Measure]:
    """Make a task's numbers known to whoever asks `METRICS` from now on, and return them.

    Readers call it for every record that they read; of two tasks' units for one name the later
    stands. ValueError where a name is known already and is better the other way: such numbers
    cannot be read together.
    """
    measures = measures_of(declared)
    for name, measure in measures.items():
        known = METRICS.get(name, measure)
        if known.direction != measure.direction:
            raise ValueError(
                f"{name} must be better the same way in everything that is read together, got"
                f" {known.direction} and {measure.direction}"
            )
    METRICS.update(measures)
    return measures


def spelled(name: str, words: str) -> str:
    """Return words that end with a metric's name, that as its task spells it."""
    noun = METRICS[name].noun if name in METRICS else ""
    return words[: -len(noun)] + noun if noun else words


def at_level(level: Level, measures: Iterable[Measure] | None = None) -> tuple[str, ...]:
    """Return the names that a trial, a cycle or an epoch has, of some measures or of all known."""
    chosen = METRICS.values() if measures is None else measures
    return tuple(measure.name for measure in chosen if level in measure.levels)


TRIAL_METRICS: Final = at_level("trial", _measures(CLASSIFICATION).values())
CYCLE_METRICS: Final = at_level("cycle", _measures(CLASSIFICATION).values())
EPOCH_METRICS: Final = at_level("epoch", _measures(CLASSIFICATION).values())
"""Names of the built-in classification alone."""

EPOCH_KEYS: Final = ("fingerprint", "phase", "cycle", "epoch", "step")
"""`phase` is dense, retrain or whole; `cycle` counts from 1 (0 in the dense run); `epoch` counts
from 0 within its stage; `step` is the number of optimiser steps taken in the stage so far."""


def metric(name: str) -> Measure:
    """Return the metric of that name; KeyError lists the known names."""
    try:
        return METRICS[name]
    except KeyError:
        known = ", ".join(sorted(METRICS))
        raise KeyError(f"unknown metric {name!r}; known are {known}") from None

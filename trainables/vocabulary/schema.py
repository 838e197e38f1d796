"""Every number and word that a study reports: its name, unit, direction and meaning.

The one place that names result columns. Pure standard library; the analysis, the search and the
command line all take names, units and directions from here, so that nothing is spelled twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SCHEMA_VERSION: Final = 1
"""Version of records and stages. A changed default or meaning needs a new one."""

Direction = Literal["max", "min"]
Level = Literal["trial", "cycle", "epoch"]
State = Literal["done", "diverged", "failed", "stopped"]
StageKind = Literal["dense", "cycle", "whole"]
StageState = Literal["done", "diverged"]

STATES: Final[tuple[State, ...]] = ("done", "diverged", "failed", "stopped")
SETTLED: Final[frozenset[State]] = frozenset({"done", "diverged", "stopped"})
"""States that stay: a failed record is replaced when the study is run again."""


@dataclass(frozen=True)
class Metric:
    """One reported number.

    `direction` says which way is better, or None where neither is. `unit` is "1" for a plain
    ratio in [0, 1], else the unit's sign; accuracies are ratios and are shown as per cent.
    """

    name: str
    unit: str
    direction: Direction | None
    meaning: str
    levels: tuple[Level, ...] = ("trial",)

    @property
    def on_test(self) -> bool:
        """Whether the number was measured on test data; nothing may be chosen by it."""
        return "test" in self.name.split("_")


_ALL: Final[tuple[Level, ...]] = ("trial", "cycle")

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("val_accuracy", "1", "max", "validation accuracy at the end",
               ("trial", "cycle", "epoch")),
        Metric("test_accuracy", "1", "max", "test accuracy at the end", _ALL),
        Metric("val_loss", "nat", "min", "mean cross-entropy on validation at the end",
               ("trial", "cycle", "epoch")),
        Metric("test_loss", "nat", "min", "mean cross-entropy on test at the end", _ALL),
        Metric("dense_val_accuracy", "1", "max", "validation accuracy of the dense model"),
        Metric("dense_test_accuracy", "1", "max", "test accuracy of the dense model"),
        Metric("dense_val_loss", "nat", "min", "validation loss of the dense model"),
        Metric("dense_test_loss", "nat", "min", "test loss of the dense model"),
        Metric("pruned_val_accuracy", "1", "max",
               "validation accuracy right after the prune, before any retraining", _ALL),
        Metric("pruned_test_accuracy", "1", "max",
               "test accuracy right after the prune, before any retraining", _ALL),
        Metric("pruned_val_loss", "nat", "min", "validation loss right after the prune", _ALL),
        Metric("pruned_test_loss", "nat", "min", "test loss right after the prune", _ALL),
        Metric("sparsity", "1", None, "share of the prunable weights that are zero, reached", _ALL),
        Metric("sparsity_by_method", "1", None,
               "share of the prunable weights that the method made zero by itself, before any"
               " final prune to the goal"),
        Metric("sparsity_all_parameters", "1", None, "share of zeros among all parameters", _ALL),
        Metric("theoretical_speedup", "x", "max",
               "multiply-adds of the dense model over those on non-zero weights", _ALL),
        Metric("train_images_per_s", "1/s", "max",
               "training images per second (forward, backward, step)", ("trial", "cycle", "epoch")),
        Metric("norm_drop", "1", None,
               "norm of the weights that the prune removed over the norm of all", _ALL),
        Metric("pruned_fraction", "1", None, "share of the weights alive that the prune removed",
               _ALL),
        Metric("d1", "1", None, "norm drop over the root of the share removed, unclipped", _ALL),
        Metric("d2", "1", None, "retraining steps of the cycle over dense steps, unclipped", _ALL),
        Metric("d_adaptive", "1", None, "min(max(d1, d2), 1)", _ALL),
        Metric("d", "1", None, "discount in use; missing where the schedule has none", _ALL),
        Metric("epochs", "epoch", "min", "epochs that this model was trained, dense run included"),
        Metric("dense_epochs", "epoch", "min", "epochs of the dense run"),
        Metric("retrain_epochs", "epoch", "min", "epochs of retraining", _ALL),
        Metric("retrain_steps", "step", None, "optimiser steps of retraining", _ALL),
        Metric("train_s", "s", "min", "seconds of training in this trial's own stages",
               ("trial", "cycle", "epoch")),
        Metric("eval_s", "s", "min", "seconds of evaluation in this trial's own stages", _ALL),
        Metric("bn_s", "s", "min", "seconds of re-estimating BatchNorm statistics", _ALL),
        Metric("dense_train_s", "s", "min", "seconds of training of the dense run, once"),
        Metric("wall_s", "s", "min", "seconds from the trial's start to its end on its worker"),
        Metric("gpu_memory_bytes", "B", "min", "peak memory of the GPU during the trial"),
        Metric("n_parameters", "1", None, "parameters of the model"),
        Metric("n_prunable", "1", None, "prunable weights of the model"),
        Metric("multiply_adds", "1", "min", "multiply-adds of the dense model on one input"),
        Metric("lr", "1", None, "learning rate of the epoch's first step", ("epoch",)),
        Metric("train_loss", "nat", "min", "mean training loss over the epoch", ("epoch",)),
    )
}  # fmt: skip
"""All numbers that records, cycles and curves hold, by name."""

TRIAL_METRICS: Final = tuple(m.name for m in METRICS.values() if "trial" in m.levels)
CYCLE_METRICS: Final = tuple(m.name for m in METRICS.values() if "cycle" in m.levels)
EPOCH_METRICS: Final = tuple(m.name for m in METRICS.values() if "epoch" in m.levels)

EPOCH_KEYS: Final = ("fingerprint", "phase", "cycle", "epoch", "step")
"""`phase` is dense, retrain or whole; `cycle` counts from 1 (0 in the dense run); `epoch` counts
from 0 within its stage; `step` is the number of optimiser steps taken in the stage so far."""


def metric(name: str) -> Metric:
    """Return the metric of that name; KeyError lists the known names."""
    try:
        return METRICS[name]
    except KeyError:
        known = ", ".join(sorted(METRICS))
        raise KeyError(f"unknown metric {name!r}; known are {known}") from None

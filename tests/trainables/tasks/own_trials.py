"""Trials of the user's tasks in a plain loop: configurations, and what a look at them finds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.trainables.tasks.own_tasks import HERE, Regression
from trainables.config.trial import TrialConfig
from trainables.data.keeping import Keeping
from trainables.trials.task_cache import TaskCache

Raw = dict[str, Any]

SHAPES: Raw = {
    "task": {"use": f"{HERE}:Shapes", "width": 6},
    "dense": {"epochs": 2, "batch_size": 6, "lr": 0.1},
    "prune": {"sparsity": 0.6, "cycles": 2},
    "retrain": {"schedule": "allr", "epochs": 3},
    "facts": {"n_train": 40, "n_val": 10, "n_test": 9, "codes": {"task.use": "a1"}},
}
"""Seven steps per epoch."""

REGRESSION: Raw = {
    "task": {"use": f"{HERE}:Regression"},
    "dense": {"epochs": 2, "batch_size": 8, "lr": 0.01},
    "prune": {"sparsity": 0.5},
    "retrain": {"schedule": "llr", "epochs": 1},
    "facts": {
        "n_train": 20,
        "n_val": 10,
        "codes": {"task.use": "a1"},
        "declared": Regression.declarations().plain(),
    },
}


def configured(base: Raw, **sections: Any) -> TrialConfig:
    """A configuration with sections merged over; None takes one away."""
    raw = dict(base)
    for key, value in sections.items():
        held = raw.get(key)
        if value is None:
            raw.pop(key, None)
        elif isinstance(held, Mapping) and isinstance(value, Mapping):
            raw[key] = {**held, **value}
        else:
            raw[key] = value
    return TrialConfig.of(raw)


def coded(codes: Mapping[str, str]) -> Raw:
    """Facts of `SHAPES` with further code."""
    return {**SHAPES["facts"], "codes": {"task.use": "a1", **codes}}


def fresh(processes: int = 0) -> TaskCache:
    """A worker's tasks, on one CPU thread."""
    return TaskCache(Path("/nonexistent"), "cpu", 1, Keeping(processes=processes))

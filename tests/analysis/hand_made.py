"""Small trials frames made by hand, with the columns that the readers of records give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

NAN = float("nan")

_DEFAULTS: dict[str, Any] = {
    "study": "small",
    "task.dataset": "digits",
    "task.model": "cnn",
    "dense.batch_size": 64,
    "dense.epochs": 20.0,
    "dense.lr": 0.1,
    "dense.schedule": "linear",
    "method": "imp",
    "prune.cycles": 1,
    "prune.sparsity": 0.9,
    "prune.structure": "weights",
    "retrain.epochs": 2.0,
    "retrain.schedule": "allr",
    "seed": 0,
    "state": "done",
    "dense_stage": None,
}


def trials(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return one row per mapping; `val` and `test` are the accuracies, missing if not done."""
    made = [_row(place, row) for place, row in enumerate(rows)]
    return pd.DataFrame(made)


def _row(place: int, given: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in given.items() if key not in ("val", "test")}
    row = {**_DEFAULTS, "fingerprint": f"f{place:03d}", **rest}
    done = row["state"] == "done"
    val = given.get("val", 0.5) if done else NAN
    return {**row, "val_accuracy": val, "test_accuracy": given.get("test", val) if done else NAN}


def grid(table: Mapping[Any, Sequence[float | None]], *keys: str, **fixed: Any) -> pd.DataFrame:
    """Return trials from {(values of keys...): [accuracy of seed 0, 1, ...]}; None is a failure."""
    rows = []
    for place, values in table.items():
        for seed, value in enumerate(values):
            end = {"state": "failed"} if value is None else {"val": value}
            rows.append({**fixed, **dict(zip(keys, place, strict=True)), "seed": seed, **end})
    return trials(*rows)

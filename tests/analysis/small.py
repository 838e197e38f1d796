"""A study small enough to be worked out by hand, written as real files, and bare frames of trials.

Two schedules, two seeds, one sparsity; one more trial failed and one diverged. Each seed has a
dense run of three epochs, each trial that is done two cycles of two epochs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.parquet import parquet
from trainables.files.records import StudyFolder
from trainables.files.tables import curve_table
from trainables.files.trial_record import Record
from trainables.vocabulary.schema import StageState

SMALL = "small"


def config(schedule: str = "allr", sparsity: float = 0.9, **retrain: Any) -> dict[str, Any]:
    """Return a resolved configuration as records keep it."""
    return {
        "task": {
            "dataset": {"name": "digits", "n_train": None, "augment": False},
            "model": {"name": "mlp", "hidden": [64, 32], "dropout": 0.0},
        },
        "dense": {"epochs": 3.0, "lr": 0.1},
        "method": {"name": "imp"},
        "prune": {"sparsity": sparsity, "cycles": 2},
        "retrain": {"schedule": schedule, "epochs": 4.0, "budget": 1.333, **retrain},
        "compute": {"precision": "fp32"},
    }


def gmp_config(sparsity: float = 0.9) -> dict[str, Any]:
    """Return the configuration of a method from scratch: no dense run, no retraining."""
    plain = config(sparsity=sparsity)
    del plain["retrain"], plain["dense"]["epochs"], plain["prune"]["cycles"]
    return {**plain, "method": {"name": "gmp", "interval": 2}, "budget": {"epochs": 7.0}}


def record(fingerprint: str, seed: int = 0, **fields: Any) -> Record:
    """Return a record that is done, with fields replaced."""
    plain: dict[str, Any] = {
        "study": SMALL, "config": config(), "state": "done", "metrics": {"val_accuracy": 0.9},
        "stages": [f"dense{seed}", f"{fingerprint}-1", f"{fingerprint}-2"], **fields,
    }  # fmt: skip
    return Record(fingerprint=fingerprint, seed=seed, **plain)


def curve(phase: str, cycle: int, n: int, start: float = 0.5) -> list[dict[str, Any]]:
    """Return n epochs whose validation accuracy rises by .1 from `start`."""
    return [
        {"phase": phase, "cycle": cycle, "epoch": e, "step": 10 * (e + 1),
         "val_accuracy": round(start + e / 10, 3), "lr": 0.1}
        for e in range(n)
    ]  # fmt: skip


def write_stage(
    study: StudyFolder, stage: str, rows: Sequence[Mapping[str, Any]], *, diverged: bool = False
) -> None:
    """Write a finished dense stage without weights into the study's own store."""
    store = study.folder.child("stages")
    labelled = [{**row, "fingerprint": stage} for row in rows]
    store.write(f"{stage}/curve-w1.parquet", parquet(curve_table(labelled)))
    state: StageState = "diverged" if diverged else "done"
    manifests.write(store, Manifest(stage, "dense", state, seed=0, curve="curve-w1.parquet"))


def write_small(location: str) -> StudyFolder:
    """Write the small study; see the module's first lines for what is in it."""
    study = StudyFolder(location)
    study.folder.write("study.yaml", b"name: small\nseeds: [0, 1]\n")
    for seed in (0, 1):
        write_stage(study, f"dense{seed}", curve("dense", 0, 3, start=0.1 + seed / 2))
    accuracies = {("ft", 0): 0.80, ("ft", 1): 0.82, ("allr", 0): 0.90, ("allr", 1): 0.86}
    for (schedule, seed), accuracy in accuracies.items():
        name = f"{schedule}{seed}"
        retrain: dict[str, Any] = {"discount": "adaptive"} if schedule == "allr" else {}
        study.write_record(
            record(
                name,
                seed,
                config=config(schedule, **retrain),
                metrics={
                    "val_accuracy": accuracy,
                    "test_accuracy": accuracy - 0.01,
                    "dense_epochs": 3.0,
                    "train_s": 1.5,
                },
                cycles=[{"cycle": 1, "d1": 0.4, "train_s": None}, {"cycle": 2, "d1": 0.5}],
                layers={"a.weight": 0.95, "b.weight": 0.5},
                origin={"block": {"prune.sparsity": 0.9}, "number": seed},
            )
        )
        study.write_curve(name, [*curve("retrain", 1, 2), *curve("retrain", 2, 2, start=0.6)])
    study.write_record(
        record(
            "broken",
            0,
            config=config("ft"),
            state="failed",
            message="ValueError: no",
            metrics={},
            stages=[],
            attempt=2,
        )
    )
    study.write_record(
        record(
            "wild",
            1,
            config=config("ft"),
            state="diverged",
            message="loss is not finite",
            metrics={"dense_epochs": 3.0},
            stages=["dense1"],
        )
    )
    return study


def hand_frame(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], **constants: Any
) -> pd.DataFrame:
    """Return a frame of trials from rows; `state` is done and `fingerprint` t0, t1 unless given."""
    frame = pd.DataFrame([list(row) for row in rows], columns=list(columns))
    for name, value in {"state": "done", "study": SMALL, **constants}.items():
        if name not in frame:
            frame[name] = value
    if "fingerprint" not in frame:
        frame["fingerprint"] = [f"t{place}" for place in range(len(frame))]
    return frame

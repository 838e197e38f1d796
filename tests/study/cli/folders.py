"""Study folders as readers meet them: of eight trials, with curves, stages, notes and latencies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from study.definition.studyfile import StudyFile
from study.points.grid_study import GridStudy
from tests.analysis.small import curve
from trainables.files import manifests
from trainables.files.latencies import Latency, write_latencies
from trainables.files.manifests import Manifest
from trainables.files.notes import STUDY, write_note
from trainables.files.parquet import parquet
from trainables.files.records import StudyFolder
from trainables.files.tables import curve_table
from trainables.files.trial_record import Record
from trainables.vocabulary.schema import State

RAW: dict[str, Any] = {
    "name": "small",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 2},
    "prune": {"sparsity": {"grid": [0.8, 0.9]}},
    "retrain": {"epochs": 1, "schedule": {"grid": ["ft", "llr"]}},
    "seeds": [0, 1],
}
CURVE = "curve-a.parquet"
NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def write(place: Path, states: Sequence[State], raw: dict[str, Any] = RAW) -> StudyFolder:
    """Write a study whose first trials are in these states; all that others write stands in it."""
    study = StudyFolder(str(place))
    study.folder.write("study.yaml", json.dumps(raw).encode())
    trials = GridStudy(StudyFile.of(raw)).trials
    for number, (trial, state) in enumerate(zip(trials, states, strict=False)):
        chain = [stage.hash for stage in trial.chain]
        done = state == "done"
        record = Record(
            trial.fingerprint, "small", trial.config.resolved(), trial.seed, state,
            metrics=_metrics(number) if done else {},
            layers={"0.weight": 0.9} if done else {},
            stages=chain if done else chain[:1],
            message=None if done else f"{state} at epoch 2",
        )  # fmt: skip
        study.write_record(record)
        if done:
            study.write_curve(trial.fingerprint, curve("retrain", 1, 1))
            write_latencies(study.folder, trial.fingerprint, [_latency(trial.fingerprint)])
        _write_stages(study, chain[:1], trial.seed)
    write_note(study.folder, STUDY, "a note", NOW)
    return study


def _metrics(number: int) -> dict[str, float]:
    accuracy = 0.9 + 0.01 * number
    return {
        "val_accuracy": accuracy, "test_accuracy": accuracy - 0.01, "dense_val_accuracy": 0.97,
        "dense_test_accuracy": 0.96, "sparsity": 0.9, "epochs": 3.0, "dense_epochs": 2.0,
        "train_s": 1.5,
    }  # fmt: skip


def _write_stages(study: StudyFolder, stages: Sequence[str], seed: int) -> None:
    store = study.folder.child("stages")
    for stage in stages:
        rows = [{**row, "fingerprint": stage} for row in curve("dense", 0, 2)]
        data = parquet(curve_table(rows))
        store.write(f"{stage}/{CURVE}", data)
        files = {CURVE: hashlib.sha256(data).hexdigest()}
        manifests.write(
            store, Manifest(stage, "dense", "done", seed=seed, curve=CURVE, files=files)
        )


def _latency(fingerprint: str) -> Latency:
    return Latency(
        fingerprint, "dense", "torch", "cpu", "Some CPU", 1, 1, 2.0, 1.9, 2.1, 31, 400000, 15000,
        0.1, "2026-01-06T10:00:00.000+00:00",
    )  # fmt: skip

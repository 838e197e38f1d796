"""Write a study folder of synthetic trials through the project's own records, for benchmarks.

    python benchmarks/make_records.py OUT --trials 10000 --epochs 50 [--compact]

The configurations, fingerprints, stage hashes and files are real; the numbers in them are drawn
from a seeded generator and mean nothing.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any

import numpy as np

from trainables.config.chain import StageSpec, fingerprint, stage_chain
from trainables.config.trial import TrialConfig
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.parquet import parquet
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder
from trainables.files.tables import curve_table
from trainables.files.trial_record import Record

STUDY = "synthetic"
SCHEDULES = ("ft", "slr", "clr", "llr", "allr")
LAYERS = {f"features.{n}.weight": 9 * 32 * 32 for n in range(20)}
PROVENANCE = {
    "host": "node-1", "device": "cpu", "device_name": "synthetic", "threads": 1,
    "python": "3.11.7", "torch": "2.14.1", "torchvision": "0.29.2", "bimp_study": "0.1.0",
    "git_commit": "0" * 40, "started_at": "2026-01-01T00:00:00+00:00",
    "finished_at": "2026-01-01T00:01:00+00:00",
}  # fmt: skip


def points(
    dense_epochs: int, retrain_epochs: int, n_seeds: int
) -> Iterator[tuple[TrialConfig, int]]:
    """Yield distinct (configuration, seed), the seeds of one configuration next to each other."""
    for place in count():
        raw = {
            "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [64, 32]}},
            "dense": {"epochs": dense_epochs, "schedule": "multistep",
                      "milestones": [dense_epochs / 2]},
            "prune": {"sparsity": 1 - 0.5 / (1 + place // len(SCHEDULES)), "cycles": 2},
            "retrain": {"schedule": SCHEDULES[place % len(SCHEDULES)], "epochs": retrain_epochs},
        }  # fmt: skip
        config = TrialConfig.of(raw)
        yield from ((config, seed) for seed in range(n_seeds))


def write_study(
    location: str, n_trials: int, n_epochs: int, dense_epochs: int = 20, n_seeds: int = 10
) -> StudyFolder:
    """Write `n_trials` records with curves of `n_epochs`, and the dense runs they share."""
    study = StudyFolder(location)
    store = study.folder.child("stages")
    study.folder.write("study.yaml", f"name: {STUDY}\n".encode())
    rng = np.random.default_rng(0)
    written: set[str] = set()
    for config, seed in islice(points(dense_epochs, n_epochs, n_seeds), n_trials):
        chain = stage_chain(config, seed)
        if chain[0].hash not in written:
            curve = [_epoch(rng, "dense", 0, epoch) for epoch in range(dense_epochs)]
            write_stage(store, chain[0], curve)
            written.add(chain[0].hash)
        half = n_epochs // 2
        curve = [_epoch(rng, "retrain", 1 + (e >= half), e % half) for e in range(2 * half)]
        record = trial_record(rng, config, seed, [stage.hash for stage in chain])
        study.write_curve(record.fingerprint, curve)
        study.write_record(record)
    return study


def trial_record(
    rng: np.random.Generator, config: TrialConfig, seed: int, stages: list[str]
) -> Record:
    """Return the record of a trial that is done, with as many numbers as a real one has."""
    accuracy = 0.95 - 0.05 * config.prune.sparsity + 0.01 * rng.standard_normal()
    ends = {
        "val_accuracy": accuracy, "test_accuracy": accuracy - 0.01, "val_loss": 0.2,
        "test_loss": 0.21, "sparsity": config.prune.sparsity, "sparsity_all_parameters": 0.89,
        "theoretical_speedup": 4.2, "train_images_per_s": 5000 + 100 * rng.standard_normal(),
        "norm_drop": 0.3, "pruned_fraction": 0.5, "d1": 0.4, "d2": 0.15, "d_adaptive": 0.4,
        "d": 0.4, "retrain_epochs": 10.0, "retrain_steps": 210.0, "train_s": 1.5, "eval_s": 0.1,
        "bn_s": 0.0, "pruned_val_accuracy": 0.5, "pruned_test_accuracy": 0.49,
    }  # fmt: skip
    totals = {
        "epochs": 70.0, "dense_epochs": 20.0, "dense_train_s": 3.0, "wall_s": 5.0,
        "dense_val_accuracy": 0.96, "dense_test_accuracy": 0.95, "n_parameters": 6570.0,
        "n_prunable": 6464.0, "multiply_adds": 6464.0,
    }  # fmt: skip
    return Record(
        fingerprint(config, seed), STUDY, config.resolved(), seed, "done",
        metrics={**ends, **totals},
        cycles=[{"cycle": cycle, **ends} for cycle in (1, 2)],
        layers=dict.fromkeys(LAYERS, config.prune.sparsity),
        stages=stages,
        provenance=PROVENANCE,
    )  # fmt: skip


def _epoch(rng: np.random.Generator, phase: str, cycle: int, epoch: int) -> dict[str, Any]:
    loss = math.exp(-epoch / 10) + 0.01 * rng.random()
    return {
        "phase": phase, "cycle": cycle, "epoch": epoch, "step": 21 * (epoch + 1),
        "val_accuracy": 1 - loss / 2, "val_loss": loss, "train_loss": loss, "lr": 0.1 / (epoch + 1),
        "train_s": 0.02, "train_images_per_s": 5000.0 + rng.random(),
    }  # fmt: skip


def write_stage(store: Folder, spec: StageSpec, curve: Sequence[Mapping[str, Any]]) -> None:
    """Write a stage without weights: its curve, then its manifest."""
    rows = [{**row, "fingerprint": spec.hash} for row in curve]
    store.write(f"{spec.hash}/curve-synthetic.parquet", parquet(curve_table(rows)))
    manifest = Manifest(
        spec.hash, spec.kind, "done", seed=spec.content.get("seed"), metrics={"train_s": 3.0},
        curve="curve-synthetic.parquet", provenance=PROVENANCE, label=spec.content,
    )  # fmt: skip
    manifests.write(store, manifest)


def main() -> None:
    """Write the folder that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", help="study folder to write")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50, help="retraining epochs of each trial")
    parser.add_argument("--seeds", type=int, default=10, help="as many dense runs are shared")
    parser.add_argument("--compact", action="store_true", help="write tables/ as the driver does")
    asked = parser.parse_args()
    study = write_study(asked.out, asked.trials, asked.epochs, n_seeds=asked.seeds)
    if asked.compact:
        study.compact()


if __name__ == "__main__":
    main()

"""Study folders with made-up numbers of a realistic shape, for figures and the report.

Nothing here was measured: accuracies come from a smooth formula plus seeded noise, so that the
known orderings hold (FT below LRW below SLR below CLR below LLR below ALLR) and a test can tell.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainables.config.revisions import named_revisions
from trainables.files import manifests
from trainables.files.latencies import Latency, write_latencies
from trainables.files.manifests import Manifest
from trainables.files.parquet import parquet
from trainables.files.records import StudyFolder
from trainables.files.storage import open_folder
from trainables.files.tables import curve_table
from trainables.files.trial_record import Record

SCHEDULES = ("ft", "lrw", "slr", "clr", "llr", "allr")
_LIFT = {"ft": 0.0, "lrw": 0.4, "slr": 0.7, "clr": 0.85, "llr": 0.95, "allr": 1.0}
_RIVALS = {"bimp": 1.0, "gmp": 0.8, "gsm": 0.75, "lc": 0.6, "dpf": 0.95, "dnw": 0.85, "str": 0.7,
           "cs": 0.65, "dst": 0.55, "imp": 0.9}  # fmt: skip
LAYERS = ("conv1.weight", "conv2.weight", "conv3.weight", "fc.weight")
PROVENANCE = {
    "host": "node-a", "device": "cpu", "device_name": "Some CPU", "threads": 1, "python": "3.11.2",
    "torch": "2.14.1", "torchvision": "0.29.2", "bimp_study": "0.1.0", "git_commit": "0a1b2c3",
    "started_at": "2026-01-05T10:00:00+00:00", "finished_at": "2026-01-05T10:00:09+00:00",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One trial's place in a synthetic study."""

    schedule: str = "allr"
    sparsity: float = 0.9
    epochs: float = 3.0
    seed: int = 0
    discount: float | str = "adaptive"
    method: str = "imp"
    structure: str = "weights"
    cycles: int = 1
    dense_fraction: float | None = None
    state: str = "done"
    origin: tuple[tuple[str, Any], ...] = ()
    study: str = "digits-schedules"
    dense_epochs: float = 20.0


def config(point: Point) -> dict[str, Any]:
    """Return the resolved configuration of a point."""
    dense: dict[str, Any] = {
        "epochs": point.dense_epochs, "batch_size": 64, "lr": 0.1, "schedule": "multistep",
        "milestones": [10, 18], "gamma": 0.1, "momentum": 0.9, "weight_decay": 0.0005,
        "nesterov": True, "warmup_epochs": 0.0,
    }  # fmt: skip
    raw: dict[str, Any] = {
        "task": {
            "dataset": {"name": "digits", "n_train": None, "augment": False},
            "model": {"name": "cnn", "channels": [16, 32, 32], "batch_norm": True},
        },
        "dense": dense,
        "method": {"name": point.method},
        "prune": {"sparsity": point.sparsity, "structure": point.structure, "scope": "global",
                  "criterion": "magnitude", "bn_reestimate": True},
        "compute": {"precision": "fp32", "channels_last": False, "compile": False},
    }  # fmt: skip
    if point.method in ("imp", "bimp"):
        raw["prune"]["cycles"] = point.cycles
        raw["retrain"] = {"schedule": point.schedule, "epochs": point.epochs,
                          "budget": point.epochs / point.dense_epochs, "norm": "all"}  # fmt: skip
        if point.schedule == "allr":
            raw["retrain"]["discount"] = point.discount
    if point.method != "imp":
        raw["budget"] = {"epochs": point.dense_epochs + point.epochs}
        if point.dense_fraction is not None:
            raw["budget"]["dense_fraction"] = point.dense_fraction
        else:
            dense.pop("epochs")
    if point.dense_fraction is not None:
        dense |= {"schedule": "linear"}
        dense.pop("milestones")
        dense.pop("gamma")
    revised = named_revisions(None, point.method, point.structure, retrains="retrain" in raw)
    for section, revision in revised.items():
        raw[section]["revision"] = revision
    return raw


def _noise(*key: object, size: float = 0.003) -> float:
    return random.Random(repr(key)).gauss(0, size)


def _adaptive(point: Point) -> tuple[float, float, float]:
    d1 = 0.25 + 0.55 * point.sparsity**6 + _noise("d1", point.seed, point.sparsity, size=0.01)
    d2 = point.epochs / point.dense_epochs
    return d1, d2, min(max(d1, d2), 1.0)


def accuracy(point: Point) -> float:
    """Return the validation accuracy that the formula gives a point."""
    fade = 0.30 * point.sparsity**18
    heal = 1 - math.exp(-point.epochs / 2.5)
    lift = _LIFT.get(point.schedule, 0.8) if point.method == "imp" else _RIVALS[point.method]
    best = 0.985 - fade * (1 - 0.75 * heal) - 0.045 * (1 - lift) * (0.4 + point.sparsity**8)
    _, _, adaptive = _adaptive(point)
    used = adaptive if point.discount == "adaptive" else float(point.discount)
    best -= 0.03 * (used - adaptive - 0.04) ** 2 if point.schedule == "allr" else 0.0
    if point.structure == "filters":
        best -= 0.05 * point.sparsity
    if point.dense_fraction is not None:
        best -= 0.08 * (point.dense_fraction - 0.7) ** 2 + 0.004 * abs(point.cycles - 2)
    return best + _noise("seed", point.seed) + _noise("trial", point, size=0.0015)


def _metrics(point: Point) -> dict[str, float]:
    val = accuracy(point)
    test = val - 0.006 + _noise("test", point, size=0.002)
    dense = 0.986 + _noise("seed", point.seed)
    metrics = {
        "val_accuracy": val, "test_accuracy": test, "val_loss": 4 * (1 - val),
        "test_loss": 4 * (1 - test), "sparsity": point.sparsity,
        "sparsity_all_parameters": 0.97 * point.sparsity,
        "theoretical_speedup": 1 / (1 - 0.93 * point.sparsity),
        "train_images_per_s": 9000 + 500 * _noise("ips", point, size=1.0),
        "epochs": point.dense_epochs + point.epochs, "train_s": 0.15 * point.epochs, "eval_s": 0.02,
        "wall_s": 0.15 * point.epochs + 0.4, "n_parameters": 15000, "n_prunable": 14500,
        "multiply_adds": 400000,
    }  # fmt: skip
    if point.method not in ("imp", "bimp"):
        return {**metrics, "train_s": 0.15 * (point.dense_epochs + point.epochs)}
    d1, d2, adaptive = _adaptive(point)
    metrics |= {
        "dense_val_accuracy": dense, "dense_test_accuracy": dense - 0.005,
        "pruned_val_accuracy": 0.6 * val, "pruned_test_accuracy": 0.59 * val, "norm_drop": d1,
        "pruned_fraction": point.sparsity, "d1": d1, "d2": d2, "d_adaptive": adaptive,
        "dense_epochs": point.dense_epochs, "retrain_epochs": point.epochs,
        "retrain_steps": 21 * point.epochs, "bn_s": 0.01, "dense_train_s": 3.0,
    }  # fmt: skip
    if point.schedule == "allr":
        metrics["d"] = adaptive if point.discount == "adaptive" else float(point.discount)
    return metrics


def _layers(point: Point) -> dict[str, float]:
    shift = (-0.35, 0.02, 0.05, -0.15) if point.structure == "weights" else (-0.1, 0.0, 0.08, -0.9)
    return {
        name: max(0.0, min(1.0, point.sparsity + by * (1 if point.structure == "weights" else 0.9)))
        for name, by in zip(LAYERS, shift, strict=True)
    }


def _name(*parts: object) -> str:
    return f"{random.Random(repr(parts)).getrandbits(64):016x}"


def record(point: Point) -> Record:
    """Return the record of a point; one that is not done has what such a trial has."""
    retrains = point.method in ("imp", "bimp")
    dense = _name("dense", point.seed, point.dense_epochs, point.study, point.dense_fraction)
    key = _name("trial", replace(point, state="done", study="", origin=()))
    stages = [dense, *(_name(key, c) for c in range(point.cycles))] if retrains else [_name(key)]
    done = point.state == "done"
    origin = dict(point.origin)
    return Record(
        fingerprint=key,
        study=point.study,
        config=config(point),
        seed=point.seed,
        state=point.state,
        metrics=_metrics(point) if done else {},
        layers=_layers(point) if done else {},
        stages=stages,
        message=None if done else f"{point.state} at epoch 2",
        error={"type": "RuntimeError", "message": "out of <memory>", "traceback": "..."}
        if point.state == "failed"
        else None,
        provenance=dict(PROVENANCE),
        origin={**origin, "block": dict(origin["block"])} if "block" in origin else origin,
    )


def curve(record_: Record) -> list[dict[str, Any]]:
    """Return the epochs of a trial after its dense run."""
    retrain = record_.config.get("retrain")
    if retrain is None or record_.state != "done":
        return []
    n = max(1, round(retrain["epochs"]))
    last, first = record_.metrics["val_accuracy"], record_.metrics["pruned_val_accuracy"]
    peak = 0.1 * record_.metrics.get("d", 1.0)
    rows = []
    for epoch in range(n):
        healed = last - (last - first) * 0.25 ** (epoch + 1) * (epoch < n - 1)
        rows.append(
            {"phase": "retrain", "cycle": 1, "epoch": epoch, "step": 21 * (epoch + 1),
             "val_accuracy": healed, "val_loss": 4 * (1 - healed), "train_loss": 3 * (1 - healed),
             "train_s": 0.15, "lr": peak * (1 - epoch / n)}
        )  # fmt: skip
    return rows


def dense_curve(record_: Record) -> list[dict[str, Any]]:
    """Return the epochs of the dense run that a record starts from."""
    n = round(record_.config["dense"]["epochs"])
    top = record_.metrics["dense_val_accuracy"]
    return [
        {"fingerprint": record_.stages[0], "phase": "dense", "cycle": 0, "epoch": epoch,
         "step": 21 * (epoch + 1), "val_accuracy": top - 0.5 * 0.7**epoch, "val_loss": 0.7**epoch,
         "train_loss": 0.65**epoch, "train_s": 0.15,
         "lr": 0.1 * 0.1 ** ((epoch >= 10) + (epoch >= 18))}
        for epoch in range(n)
    ]  # fmt: skip


def latencies(made: Record) -> list[Latency]:
    """Return measurements under which filters save time in proportion and single weights none."""
    filters = made.config["prune"]["structure"] == "filters"
    left = {"dense": 1.0, "masked": 1.0}
    if filters:
        left["removed"] = 1 - made.metrics["sparsity"]
    return [
        Latency(made.fingerprint, form, "torch", "cpu", "Some CPU", 1, batch, 2.0 * share * batch,
                1.9 * share * batch, 2.1 * share * batch, 31, round(400000 * share),
                round(15000 * share), 0.1, "2026-01-06T10:00:00.000+00:00")
        for form, share in left.items()
        for batch in (1, 128)
    ]  # fmt: skip


def write(folder: Path, points: Iterable[Point]) -> str:
    """Write a study folder that holds the points, curves and dense stages; return its location.

    Trials of a study with whole filters have latencies.
    """
    points = list(points)
    measured = any(point.structure == "filters" for point in points)
    study = StudyFolder(str(folder))
    store = open_folder(str(folder / "stages"))
    seen: set[str] = set()
    for point in points:
        made = record(point)
        study.write_record(made)
        if measured and made.state == "done":
            write_latencies(study.folder, made.fingerprint, latencies(made))
        rows = curve(made)
        if rows:
            study.write_curve(made.fingerprint, rows)
        if rows and made.stages[0] not in seen:
            seen.add(made.stages[0])
            stage = made.stages[0]
            store.write(f"{stage}/curve-a.parquet", parquet(curve_table(dense_curve(made))))
            manifest = Manifest(stage, "dense", "done", seed=made.seed, curve="curve-a.parquet")
            manifests.write(store, manifest)
    return str(folder)


def schedules(
    seeds: Sequence[int] = (0, 1, 2),
    sparsities: Sequence[float] = (0.8, 0.9, 0.95),
    epochs: Sequence[float] = (1.0, 3.0),
) -> list[Point]:
    """Return a grid of schedules; one trial diverged and one failed."""
    points = [
        Point(schedule=s, sparsity=sparsity, epochs=e, seed=seed)
        for s in SCHEDULES
        for sparsity in sparsities
        for e in epochs
        for seed in seeds
    ]
    broken = {1: "diverged", len(points) - 1: "failed"}
    return [replace(p, state=broken.get(i, "done")) for i, p in enumerate(points)]


def discounts(seeds: Sequence[int] = (0, 1, 2)) -> list[Point]:
    """Return a study of the discount: a grid of fixed ones and the adaptive one."""
    tried: tuple[float | str, ...] = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, "adaptive")
    return [
        Point(discount=d, sparsity=sparsity, epochs=e, seed=seed, study="discounts")
        for d in tried
        for sparsity in (0.8, 0.9, 0.95)
        for e in (1.0, 3.0)
        for seed in seeds
    ]


def splits(seeds: Sequence[int] = (0, 1, 2)) -> list[Point]:
    """Return a study of BIMP's split: dense share by cycles, at one budget of 24 epochs."""
    return [
        Point(method="bimp", dense_fraction=f, cycles=k, seed=seed, dense_epochs=round(24 * f, 6),
              epochs=round(24 * (1 - f), 6), sparsity=sparsity, study="split")
        for f in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
        for k in (1, 2, 3)
        for sparsity in (0.9, 0.95)
        for seed in seeds
    ]  # fmt: skip


def methods(seeds: Sequence[int] = (0, 1, 2)) -> list[Point]:
    """Return a study of every method at three sparsities and one budget of 23 epochs."""
    return [
        Point(method=m, sparsity=s, seed=seed, study="methods",
              dense_fraction=20 / 23 if m == "bimp" else None)
        for m in _RIVALS
        for s in (0.9, 0.95, 0.99)
        for seed in seeds
    ]  # fmt: skip


def structures(seeds: Sequence[int] = (0, 1, 2)) -> list[Point]:
    """Return a study of weights against filters."""
    return [
        Point(structure=s, sparsity=sparsity, seed=seed, study="structures")
        for s in ("weights", "filters")
        for sparsity in (0.5, 0.8, 0.9)
        for seed in seeds
    ]


def search(n: int = 40, seeds: Sequence[int] = (0, 1)) -> list[Point]:
    """Return a search of the discount and the epochs in two blocks of sparsity."""
    drawn = random.Random(7)
    points = []
    for sparsity in (0.9, 0.95):
        for number in range(n):
            discount, epochs = round(drawn.uniform(0.05, 1), 3), float(drawn.randint(1, 6))
            origin = (("block", (("prune.sparsity", sparsity),)), ("number", number))
            points += [
                Point(discount=discount, epochs=epochs, sparsity=sparsity, seed=seed,
                      origin=origin, study="search")
                for seed in seeds
            ]  # fmt: skip
    return points

"""The core on a CUDA device; needs no Ray. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.trials.plain import job_for, last_stage, run_job, timeless, tiny
from trainables.files.leases import Leases
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import Record
from trainables.trials.procedure import Pace, Procedure
from trainables.trials.stage_store import StageStore
from trainables.trials.task_cache import TaskCache, initial_weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

CNN: dict[str, Any] = {
    "dataset": {"name": "digits", "n_train": 200, "augment": True},
    "model": {"name": "cnn", "channels": [8, 16]},
}
CASES: list[dict[str, Any]] = [
    {},
    {"compute": {"precision": "bf16"}},
    {"compute": {"precision": "fp16"}},
    {"compute": {"channels_last": True}},
    {"compute": {"compile": True}},
    {"prune": {"structure": "filters", "sparsity": 0.5, "cycles": 2}},
    {"dense": {"optimiser": "adamw", "lr": 0.01}},
    {"dense": {"optimiser": "adamw", "lr": 0.01}, "compute": {"precision": "fp16"}},
]


@pytest.fixture(scope="module")
def cuda() -> TaskCache:
    return TaskCache(Path("/nonexistent"), "cuda", 1)


def trial(folder: Path, tasks: TaskCache, **sections: Any) -> Record:
    config = tiny(task=CNN, retrain={"schedule": "allr", "epochs": 2}, **sections)
    job = job_for(config, folder, gpus=1.0)
    report = run_job(job, tasks)
    record = StudyFolder(str(folder)).read_record(job.fingerprint)
    assert record is not None, report
    assert record.state == "done", record.message
    return record


@pytest.mark.parametrize(
    "sections",
    CASES,
    ids=["plain", "bf16", "fp16", "nhwc", "compile", "filters", "adamw", "adamw-fp16"],
)
def test_a_trial_runs_and_its_masks_hold(
    tmp_path: Path, cuda: TaskCache, sections: dict[str, Any]
) -> None:
    record = trial(tmp_path, cuda, **sections)
    stage = last_stage(tmp_path, record)
    for name, mask in ((k, v) for k, v in stage.state.items() if k.startswith("mask.")):
        assert not stage.weights[name.removeprefix("mask.")][~mask].any()
    assert record.provenance["device"] == "cuda"
    assert record.metrics["gpu_memory_bytes"] > 0


def test_the_same_trial_twice_gives_the_same_bits(tmp_path: Path, cuda: TaskCache) -> None:
    one, two = trial(tmp_path / "one", cuda), trial(tmp_path / "two", cuda)
    assert timeless(one) == timeless(two)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_a_resumed_stage_ends_in_the_same_bits(
    tmp_path: Path, cuda: TaskCache, optimiser: str
) -> None:
    dense = {"dense": {"optimiser": optimiser, "lr": 0.01}}
    calm = trial(tmp_path / "calm", cuda, **dense)
    config = tiny(task=CNN, retrain={"schedule": "allr", "epochs": 2}, **dense)
    store = LocalFolder(tmp_path / "broken" / "stages")
    pace = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    broken = Procedure(config, 0, cuda, StageStore(store, "a"), Leases(store, "a"), pace=pace)
    for _ in range(20):
        broken.advance()
    broken.give_up()
    again = trial(tmp_path / "broken", TaskCache(Path("/nonexistent"), "cuda", 1), **dense)
    assert timeless(again) == timeless(calm)
    weights = [last_stage(tmp_path / k, r).weights for k, r in (("calm", calm), ("broken", again))]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_initial_weights_and_orders_are_those_of_the_cpu(tmp_path: Path, cuda: TaskCache) -> None:
    config = tiny(task=CNN)
    cpu = TaskCache(Path("/nonexistent"), "cpu", 1)
    there = initial_weights(cuda.loaded(config), 0)
    for name, value in initial_weights(cpu.loaded(config), 0).items():
        assert torch.equal(value, there[name].cpu())

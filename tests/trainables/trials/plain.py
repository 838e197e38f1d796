"""Runs trials in a plain loop, without Ray: what many tests share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trainables.config.chain import fingerprint
from trainables.config.trial import TrialConfig
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import Record
from trainables.jobs.job import Context, Job
from trainables.jobs.job_report import JobReport
from trainables.trials.stage_store import Stage, StageStore
from trainables.trials.task_cache import TaskCache
from trainables.workers.failures import failure
from trainables.workers.worker import JobRun

TINY: dict[str, Any] = {
    "task": {
        "dataset": {"name": "digits", "n_train": 100},
        "model": {"name": "mlp", "hidden": [8]},
    },
    "dense": {"epochs": 2, "batch_size": 16, "lr": 0.1},
    "method": "imp",
    "prune": {"sparsity": 0.8},
    "retrain": {"schedule": "llr", "epochs": 1},
}
"""Seven steps an epoch, a few milliseconds a trial."""


def tiny(**sections: Mapping[str, Any]) -> TrialConfig:
    """The tiny configuration with sections merged over."""
    raw = {key: dict(v) if isinstance(v, dict) else v for key, v in TINY.items()}
    for key, value in sections.items():
        under = raw.get(key)
        raw[key] = (
            {**under, **value} if isinstance(under, dict) and isinstance(value, dict) else value
        )
    return TrialConfig.of(raw)


def cache() -> TaskCache:
    """A tasks on one CPU thread, for data that needs no folder."""
    return TaskCache(Path("/nonexistent"), "cpu", 1)


def job_for(
    config: TrialConfig, folder: Path, seed: int = 0, goal: str = "trial", **context: Any
) -> Job:
    """The job of a trial in a study folder."""
    place = Context(
        study="plain",
        folder=str(folder),
        store=str(context.pop("store", folder / "stages")),
        data_root=str(context.pop("data_root", "/nonexistent")),
        **{"unit_s": 0.0, "store_patience": 0.01, **context},
    )
    raw = config.model_dump(mode="json")
    return Job(goal, raw, seed, fingerprint(config, seed), place)  # type: ignore[arg-type]


def run_job(job: Job, tasks: TaskCache) -> JobReport:
    """Advance a job to its end, as a worker does, and return its last report."""
    try:
        run = JobRun(job, tasks)
        while not (report := run.advance()).final:
            pass
    except Exception as error:
        return failure(job, error)
    return report


def run_trial(
    config: TrialConfig,
    folder: Path,
    seed: int = 0,
    tasks: TaskCache | None = None,
    **more: Any,
) -> Record:
    """Run one trial to its record."""
    job = job_for(config, folder, seed, **more)
    report = run_job(job, tasks or cache())
    record = StudyFolder(str(folder)).read_record(job.fingerprint)
    assert record is not None, report
    return record


def last_stage(folder: Path, record: Record) -> Stage:
    """The stage that a trial ended with."""
    stage = StageStore(LocalFolder(folder / "stages"), "test").load(record.stages[-1])
    assert stage is not None
    return stage


TIMES = ("_s", "per_s", "memory_bytes")


def timeless(record: Record) -> dict[str, Any]:
    """All of a record but times and provenance, as plain data."""
    raw = json.loads(json.dumps(asdict(record)))
    raw.pop("provenance")
    raw.pop("attempt")
    raw["metrics"] = without_times(raw["metrics"])
    raw["cycles"] = [without_times(cycle) for cycle in raw["cycles"]]
    return dict(raw)


def without_times(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that do not measure time."""
    return {k: v for k, v in numbers.items() if not k.endswith(TIMES)}

"""The parts of a record that need no worker: what a job fixes, and the record of a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from trainables.config.trial import TrialConfig
from trainables.files.trial_record import Record
from trainables.jobs.job import Job
from trainables.jobs.job_report import Fault


def identity(job: Job, config: TrialConfig) -> dict[str, Any]:
    """Return the part of a record that a job fixes before it runs."""
    return {
        "fingerprint": job.fingerprint,
        "study": job.context.study,
        "config": config.resolved(),
        "seed": job.seed,
        "attempt": job.attempt,
        "origin": dict(job.origin),
        "declared": config.declared,
    }


def failed_record(job: Job, fault: Fault, provenance: Mapping[str, Any]) -> Record:
    """Return the record of a trial that failed; it is replaced when the study is run again."""
    return Record(
        **identity(job, TrialConfig.of(job.config)),
        state="failed",
        message=str(fault),
        error=asdict(fault),
        provenance=dict(provenance),
    )

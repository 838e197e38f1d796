"""An assignment of the agenda as the job that a worker gets."""

from __future__ import annotations

from collections.abc import Iterable

from study.points.agenda import Assignment
from trainables.jobs.job import Context, Job


def job_of(assignment: Assignment, context: Context, expired: Iterable[str] = ()) -> Job:
    """Return the job of an assignment; `expired` are texts of leases that count no more."""
    trial = assignment.trial
    return Job(
        goal=assignment.goal,
        config=trial.config.model_dump(mode="json"),
        seed=trial.seed,
        fingerprint=trial.fingerprint,
        context=context,
        attempt=assignment.attempt,
        origin=dict(trial.origin),
        expired=tuple(sorted(expired)),
    )

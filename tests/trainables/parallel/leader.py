"""A worker at rank 0 in a process of its own, for tests that end it."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection

from tests.trainables.parallel.spawned import together
from trainables.jobs.job import Job
from trainables.workers.worker import JobRun


def lead(pipe: Connection, text: str) -> None:
    """Say which process is the other rank, then advance a job and say so each time."""
    job = Job.of(json.loads(text))
    with together(job, "fork") as (tasks, _, others):
        pipe.send(others.pid(1))
        run = JobRun(job, tasks)
        while not run.advance().final:
            pipe.send("advanced")

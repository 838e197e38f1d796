"""Processes at ranks 1 and above without Ray, and trials that they train with the test's own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context, set_start_method
from multiprocessing.connection import Connection
from typing import Any

from trainables.jobs.job import Job
from trainables.trials.task_cache import TaskCache
from trainables.workers.crew import Crew
from trainables.workers.worker import tasks_for

SERVER = "forkserver"
"""A process that has imported what they need, from which all of them are forked."""

_IMPORTED = (
    "__main__",
    "tests.trainables.parallel.spawned",
    "tests.trainables.trials.sigkill",
    "trainables.training.shares",
    "trainables.workers.follower",
)


class SpawnedOthers:
    """`crew.Others` as further processes of a test; `method` is multiprocessing's."""

    def __init__(self, job: Job, method: str = SERVER) -> None:
        self._job, self._method = job, method
        self._children: dict[int, tuple[Any, Connection]] = {}

    def start(self, port: int) -> None:
        context = processes(self._method)
        for rank in range(1, self._job.processes):
            here, there = context.Pipe(duplex=False)
            text = json.dumps(self._job.plain())
            child = context.Process(target=_follow, args=(there, port, rank, text))
            child.start()
            there.close()
            self._children[rank] = child, here

    def ended(self, seconds: float) -> dict[int, str | None]:
        for child, _ in self._children.values():
            child.join(seconds)
        return {
            rank: _said(pipe)
            for rank, (child, pipe) in self._children.items()
            if not child.is_alive()
        }

    def pid(self, rank: int) -> int:
        return int(self._children[rank][0].pid)

    def kill(self, rank: int) -> None:
        """End a process as the kernel does where memory runs out."""
        child = self._children[rank][0]
        os.kill(child.pid, signal.SIGKILL)
        child.join()

    def close(self) -> None:
        for child, pipe in self._children.values():
            child.join(10.0)
            if child.is_alive():
                child.kill()
                child.join()
            pipe.close()


def processes(method: str = SERVER) -> Any:
    """multiprocessing's context of a method."""
    context = get_context(method)
    context.set_forkserver_preload(list(_IMPORTED))
    return context


def _said(pipe: Connection) -> str | None:
    try:
        return str(pipe.recv()) if pipe.poll() else None
    except EOFError:
        return None


def _follow(pipe: Connection, port: int, rank: int, text: str) -> None:
    from trainables.workers.follower import follow

    set_start_method("fork", force=True)  # of its loader's processes, as on a worker
    pipe.send(follow(port, rank, text))


@contextmanager
def together(job: Job, method: str = SERVER) -> Iterator[tuple[TaskCache, Crew, SpawnedOthers]]:
    """Within this context the processes that a job asks for are there, this one at rank 0."""
    others = SpawnedOthers(job, method)
    crew = Crew(job, others)
    try:
        yield tasks_for(job, crew.ranks), crew, others
    finally:
        crew.close()

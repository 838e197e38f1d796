"""A process that trains trials with others, led by the one that has the jobs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from trainables.jobs.job import Job
from trainables.jobs.job_report import Fault
from trainables.workers.entry import require_all
from trainables.workers.failures import kind_of

if TYPE_CHECKING:
    from trainables.parallel.ranks import Ranks


def follow(port: int, rank: int, text: str) -> str:
    """Do what rank 0 orders until it says that this is the end, or is gone.

    Args:
        port: where on this machine rank 0 waits.
        rank: of this process, from 1.
        text: rank 0's first job as JSON.

    Returns:
        What ended it, a `Fault` as JSON; "" where it was nothing of its own.
    """
    try:
        job = Job.of(json.loads(text))
        require_all(job.context)
        _follow(port, rank, job)
    except Exception as error:  # recorded by rank 0, whose trial it is
        if not _is_loss(error):
            return json.dumps(asdict(Fault.of(error, kind_of(error))))
    return ""


def _is_loss(error: Exception) -> bool:
    """Whether another process was lost: why, is told by that one."""
    from trainables.parallel.ranks import RankLost

    return isinstance(error, RankLost)


def _follow(port: int, rank: int, job: Job) -> None:
    import torch

    from trainables.parallel.ranks import Ranks

    device = torch.device("cuda" if job.context.gpus else "cpu")
    ranks = Ranks.joining(port, rank, job.processes, device)
    try:
        _obey(ranks, job)
    finally:
        ranks.close()


def _obey(ranks: Ranks, first: Job) -> None:
    from trainables.config.trial import TrialConfig
    from trainables.parallel.ranks import Order
    from trainables.training.evaluation import lend_scores
    from trainables.training.shares import Led
    from trainables.workers.worker import tasks_for

    tasks = tasks_for(first, ranks)
    loaded = stage = None
    while (told := ranks.listen()).order is not Order.END:
        if told.order is Order.JOB:
            loaded, stage = tasks.loaded(TrialConfig.of(told.message["config"])), None
        elif told.order is Order.STAGE:
            assert loaded is not None
            stage = Led(loaded, ranks, told.message)
        elif told.order is Order.EVALUATION:
            assert loaded is not None
            lend_scores(loaded, ranks, str(told.message["part"]))
        else:
            assert stage is not None
            stage.step(told)

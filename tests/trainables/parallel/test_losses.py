"""Pairs of which a process is killed or at fault: how a trial ends, and to which bits it goes."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from tests.trainables.parallel.leader import lead
from tests.trainables.parallel.spawned import processes, together
from tests.trainables.trials.plain import job_for, run_job, timeless, tiny
from trainables.files.records import StudyFolder
from trainables.jobs.job import Job
from trainables.jobs.job_report import JobReport
from trainables.parallel import ranks
from trainables.parallel.ranks import RankLost
from trainables.training import shares
from trainables.trials.task_cache import TaskCache
from trainables.workers.crew import RankFault
from trainables.workers.failures import kind_of
from trainables.workers.worker import JobRun

pytestmark = pytest.mark.slow

CONFIG = tiny(compute={"processes": 2})
EVERY_STEP: dict[str, Any] = {"checkpoint_s": 1e-6}
"""Partial states: one after every step."""


def to_the_end(job: Job, tasks: TaskCache) -> JobReport:
    run = JobRun(job, tasks)
    while not (report := run.advance()).final:
        pass
    return report


def result(job: Job) -> dict[str, Any]:
    record = StudyFolder(job.context.folder).read_record(job.fingerprint)
    assert record is not None
    return timeless(record)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    job = job_for(CONFIG, tmp_path_factory.mktemp("undisturbed"))
    with together(job) as (tasks, _, _):
        to_the_end(job, tasks)
    return result(job)


def test_the_loss_of_another_rank_ends_the_trial_and_it_goes_on_from_its_last_state(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    job = job_for(CONFIG, tmp_path, **EVERY_STEP)
    with together(job) as (tasks, crew, others):
        run = JobRun(job, tasks)
        for _ in range(10):
            assert run.advance().outcome == "running"
        others.kill(1)
        with pytest.raises(RankLost) as lost:
            run.advance()
        assert str(crew.explained(lost.value)) == "the process at rank 1 was lost"
    assert list(tmp_path.glob("stages/*/partial-*")), "within an epoch"
    with together(job) as (tasks, _, _):
        assert to_the_end(job, tasks).outcome == "done"
    assert result(job) == undisturbed


def test_the_loss_of_rank_0_ends_the_other_and_the_trial_goes_on(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    job = job_for(CONFIG, tmp_path, **EVERY_STEP)
    here, there = processes().Pipe(duplex=False)
    leader = processes().Process(target=lead, args=(there, json.dumps(job.plain())))
    leader.start()
    there.close()
    other = int(here.recv())
    for _ in range(10):
        assert here.recv() == "advanced"
    leader.kill()
    leader.join()
    assert list(tmp_path.glob("stages/*/partial-*"))
    deadline = time.monotonic() + 30
    while _is_alive(other):
        assert time.monotonic() < deadline, "the other rank outlives the one that led it"
        time.sleep(0.05)
    with together(job) as (tasks, _, _):
        assert to_the_end(job, tasks).outcome == "done"
    assert result(job) == undisturbed


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_masks_that_differ_end_the_trial_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "mask_checksum", lambda _: 7)
    job = job_for(CONFIG, tmp_path)
    with together(job) as (tasks, _, _):
        report = run_job(job, tasks)
    assert report.fault is not None and report.fault.message.startswith(
        "every process of a trial must hold the same masks after a prune, got others at rank 1:"
    )


def test_a_rank_that_cannot_start_says_why(tmp_path: Path) -> None:
    job = job_for(CONFIG, tmp_path, token="another folder's")
    at_rank = r"at rank 1 of the processes .* is not shared"
    with pytest.raises(RankFault, match=at_rank) as fault, together(job):
        pass
    assert kind_of(fault.value) == "node"


def _lead_one_that_is_gone(said: Connection) -> None:
    """Lead a process that has said that it is here, and that nothing has connected yet."""
    ranks.JOIN_S = 0.5  # type: ignore[misc]
    try:
        ranks.leading(2, torch.device("cpu"), _leave_a_name, check=lambda: None)
    except RankLost as lost:
        said.send(str(lost))


def _leave_a_name(port: int) -> None:
    ranks._store(port, 2).set("rank 1", "here")


def test_a_process_lost_as_it_connects_is_known_soon() -> None:
    here, there = processes().Pipe(duplex=False)
    leader = processes().Process(target=_lead_one_that_is_gone, args=(there,))
    leader.start()
    there.close()
    assert here.poll(20)
    assert here.recv().startswith("a process that trains this trial was lost (")
    leader.join()


def test_those_who_have_joined_wait_for_orders_longer_than_they_may_join(tmp_path: Path) -> None:
    with together(job_for(CONFIG, tmp_path)):
        backend: Any = dist.group.WORLD._get_backend(torch.device("cpu"))  # type: ignore[union-attr]
        assert backend.options._timeout > timedelta(days=1)

"""Two processes at one trial whose items come from files, or whose batches the task forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.folders.pictures import folder_of
from tests.trainables.parallel.spawned import together
from tests.trainables.translation.test_trials import configured as translation
from tests.trainables.translation.texts import SMALL, texts
from tests.trainables.trials.plain import job_for, last_stage, timeless
from tests.trainables.trials.test_folder_trials import config_on
from tests.trainables.trials.test_procedure import same
from trainables.config.chain import stage_chain
from trainables.config.trial import TrialConfig
from trainables.data.keeping import Keeping
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.jobs.job import Job
from trainables.parallel.ranks import Order
from trainables.trials.stage_run import begin
from trainables.trials.task_cache import TaskCache
from trainables.workers.worker import JobRun

pytestmark = pytest.mark.slow

STREAMED: dict[str, Any] = {"memory": "off", "loader_processes": 1}


def folder(root: Path) -> TrialConfig:
    """A trial on a folder of images of six steps an epoch, the last of three, without BatchNorm."""
    images = folder_of(root / "images", {"a": 28, "b": 20})
    raw = config_on(images).model_dump(mode="json")
    raw["task"]["model"] = {"name": "mlp", "hidden": [8]}
    return TrialConfig.of(raw)


def groups(root: Path) -> TrialConfig:
    """A trial of translation without dropout; some of its batches are of a single pair."""
    return translation(texts(root), task={"use": "parallel-text", **SMALL, "dropout": 0.0})


def of_processes(config: TrialConfig, processes: int) -> TrialConfig:
    raw = config.model_dump(mode="json")
    return TrialConfig.of({**raw, "compute": {**raw["compute"], "processes": processes}})


@dataclass(frozen=True)
class Pair:
    """Two processes that are up, their trial, and the undisturbed record of it."""

    tasks: TaskCache
    root: Path
    config: TrialConfig
    record: Record

    def job(self, out: str, **context: Any) -> Job:
        return job_of(self.config, self.root, out, **context)


def job_of(config: TrialConfig, root: Path, out: str, **context: Any) -> Job:
    return job_for(config, root / out, data_root=root, **STREAMED, **context)


def to_the_end(job: Job, tasks: TaskCache) -> Record:
    run = JobRun(job, tasks)
    while not run.advance().final:
        pass
    record = StudyFolder(job.context.folder).read_record(job.fingerprint)
    assert record is not None and record.state == "done"
    return record


@pytest.fixture(scope="module", params=[folder, groups], ids=["folder", "groups"])
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    root = tmp_path_factory.mktemp("pair")
    config = of_processes(request.param(root), 2)
    job = job_of(config, root, "undisturbed")
    with together(job) as (tasks, _, _):
        yield Pair(tasks, root, config, to_the_end(job, tasks))


def losses(tasks: TaskCache, config: TrialConfig, steps: int) -> list[float]:
    """The summed loss of each of the first steps of the dense run, over the whole batch."""
    run = begin(config, 0, stage_chain(config, 0)[0], tasks.loaded(config), None)
    sums = [0.0]
    for _ in range(steps):
        run.trainer.run(0.0)
        sums.append(run.trainer.position.loss_sum)
    return [b - a for a, b in pairwise(sums)]


def test_two_processes_take_the_steps_of_one(pair: Pair) -> None:
    assert pair.tasks.ranks is not None
    pair.tasks.ranks.tell(Order.JOB, pair.job("steps").plain())
    n = pair.config.steps_per_epoch  # at its end sums begin anew
    alone = TaskCache(pair.root, "cpu", 1, Keeping("off", 1))
    one = losses(alone, of_processes(pair.config, 1), n - 1)
    assert losses(pair.tasks, pair.config, n - 1) == pytest.approx(one, rel=1e-6)
    assert min(one) > 0


def is_undisturbed(pair: Pair, out: str, record: Record) -> bool:
    ends = [last_stage(pair.root / name, record) for name in ("undisturbed", out)]
    return timeless(record) == timeless(pair.record) and same(*ends)


def test_two_runs_of_two_processes_are_equal_to_the_bit(pair: Pair) -> None:
    assert is_undisturbed(pair, "again", to_the_end(pair.job("again"), pair.tasks))


def test_two_processes_go_on_within_an_epoch_to_the_same_bits(pair: Pair) -> None:
    job = pair.job("resumed", checkpoint_s=1e-6)
    broken = JobRun(job, pair.tasks)
    for _ in range(pair.config.steps_per_epoch + 2):
        assert broken.advance().outcome == "running"
    assert list((pair.root / "resumed").glob("stages/*/partial-*"))
    broken._give_up()
    assert is_undisturbed(pair, "resumed", to_the_end(job, pair.tasks))

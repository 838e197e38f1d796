"""Trials of which SIGKILL takes the process, or a process of its loader, within an epoch."""

from __future__ import annotations

import json
import os
import signal
from multiprocessing import set_start_method
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import get_worker_info

from tests.trainables.parallel.spawned import processes as context_of
from tests.trainables.trials.plain import job_for
from trainables.config.trial import TrialConfig
from trainables.data.keeping import Keeping
from trainables.jobs.job import Job
from trainables.trials.task_cache import TaskCache
from trainables.workers.worker import JobRun

_PATIENCE_S = 60.0


def killed_within_a_step(
    config: TrialConfig, out: Path, root: Path, step: int, processes: int
) -> int:
    """Train in a process that SIGKILL takes within an optimiser step, counted from 1.

    Its items are made by so many loader processes, and every step before is saved. Returns how many
    stages it finished.
    """
    job = json.dumps(job_for(config, out, checkpoint_s=1e-6).plain())
    child = context_of().Process(target=_train, args=(job, str(root), step, processes))
    child.start()
    child.join(_PATIENCE_S)
    assert child.exitcode == -signal.SIGKILL
    assert list(out.glob("stages/*/partial-*")), "nothing is saved of the stage under way"
    return len(list(out.glob("stages/*/stage.json")))


def _train(text: str, root: str, step: int, processes: int) -> None:
    set_start_method("fork", force=True)  # of the loader's processes, as in a worker
    job = Job.of(json.loads(text))
    tasks = TaskCache(Path(root), "cpu", 1, Keeping("off", processes))
    task: Any = tasks.loaded(TrialConfig.of(job.config)).task
    loss, steps = task.loss, 0

    def deadly(model: Any, batch: Any) -> Any:
        nonlocal steps
        steps += torch.is_grad_enabled()  # not where BatchNorm's statistics are taken anew
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return loss(model, batch)

    task.loss = deadly
    run = JobRun(job, tasks)
    while not run.advance().final:
        pass


def let_a_loader_process_die(
    monkeypatch: pytest.MonkeyPatch, items: type[Any], index: int, mark: Path
) -> None:
    """Let SIGKILL take the first loader process that decodes an item; it leaves a mark."""
    decode = items.decode

    def deadly(self: Any, place: int) -> Any:
        if place == index and get_worker_info() is not None and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return decode(self, place)

    monkeypatch.setattr(items, "decode", deadly)

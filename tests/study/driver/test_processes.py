"""A study whose trials are each trained by two processes, on a Ray of four logical CPUs."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.definition.studyfile import StudyFile
from study.driver import launch, ray_session
from study.points.resolve import resolve
from tests.study.driver import fault_lab as lab
from tests.trainables.parallel.spawned import together
from tests.trainables.trials.plain import job_for, run_job

pytestmark = [pytest.mark.ray, pytest.mark.slow]

PAIRS: dict[str, Any] = {
    "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [16]}},
    "dense": {"epochs": 25},
    "prune": {"sparsity": 0.8},
    "retrain": {"schedule": "llr", "epochs": 2},
    "seeds": [0, 1],
    "compute": {"processes": 2},
}
"""Two trials, each with a dense run of its own, at once."""


def undisturbed(study: StudyFile, folder: Path) -> dict[str, Any]:
    """What the study leaves where a pair without Ray trains its trials one after another."""
    jobs = [job_for(t.config, folder, t.seed) for t in resolve(study).trials or ()]
    with together(jobs[0]) as (tasks, _, _):
        for job in jobs:
            job = replace(job, context=replace(job.context, study=study.name))
            report = run_job(job, tasks)
            assert report.outcome == "done", report
    return dict(lab.outcome(folder))


def followers() -> list[int]:
    """The processes that run a rank above 0, as Ray titles them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::_Follower.follow"):
                found.append(int(folder.name))
    return found


def test_a_study_of_pairs_loses_a_process_and_ends_in_the_bits_of_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    study = lab.study("pairs", PAIRS, checkpoint_s=0.05)
    seen: list[int] = []

    def kill_one() -> None:
        """Both trials are under way, and one has something to go on from."""
        seen.extend(lab.wait_for(lambda: len(found := followers()) == 2 and found))
        lab.wait_for(lambda: list((tmp_path / "out").glob("stages/*/partial-*")))
        os.kill(seen[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    with ray_session.session(None, cpus=4, gpus=0):
        killer.start()
        summary = launch.run(resolve(study), str(tmp_path / "out"))
        killer.join()
        lab.wait_for(lambda: not followers())
    assert summary.complete and len(seen) == 2
    assert lab.outcome(tmp_path / "out") == undisturbed(study, tmp_path / "plain")

"""The batch scripts for Slurm, under stand-ins for `srun` and `scontrol` on one node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLURM = Path(__file__).parents[2] / "deploy" / "slurm"
BIN = Path(sys.executable).parent

SRUN = """#!/bin/bash
while [[ ${1-} == --* ]]; do shift; done
exec "$@"
"""

SCONTROL = """#!/bin/bash
case $1 in
    show) echo localhost ;;
    requeue) echo "$2" > "$REQUEUED" ;;
esac
"""

STUDY = """
name: queued
task: {dataset: digits, model: {name: mlp, hidden: [8]}}
dense: {epochs: 1}
prune: {sparsity: 0.5}
retrain: {schedule: llr, epochs: 1}
seeds: [0, 1]
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a job on one node, with Slurm's commands first on the path."""
    commands = folder / "bin"
    commands.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    (folder / "study.yaml").write_text(STUDY)
    return {
        **os.environ,
        "PATH": f"{commands}:{BIN}:{os.environ['PATH']}",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_CPUS_PER_TASK": "2",
        "REQUEUED": str(folder / "requeued"),
        "STUDY": str(folder / "study.yaml"),
        "OUT": str(folder / "out"),
        **more,
    }


def test_a_job_without_a_study_says_what_is_missing() -> None:
    for script in ("bimp.sbatch", "array.sbatch"):
        ended = subprocess.run(
            ["bash", str(SLURM / script)], capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert ended.returncode != 0
        assert "STUDY: must be the study file or the name of a preset" in ended.stderr


def test_the_run_is_ended_and_queued_again_before_its_time_is_up(tmp_path: Path) -> None:
    """The signal that Slurm sends reaches the run; the job is then queued again and ends well."""
    told = tmp_path / "told"
    ray = f"trap 'echo ended > {told}; exit 1' TERM; echo up > {told}; sleep 60 & wait $!"
    (tmp_path / "ray").write_text(f"#!/bin/bash\n{ray}\n")
    (tmp_path / "ray").chmod(0o755)
    job = subprocess.Popen(
        ["bash", str(SLURM / "bimp.sbatch")],
        env=environment(tmp_path, RAY=str(tmp_path / "ray")), start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 20
    while not told.exists() and time.monotonic() < end:
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=20) == 0
    assert told.read_text() == "ended\n"
    assert (tmp_path / "requeued").read_text() == f"{os.getpid()}\n"


@pytest.mark.lab
def test_a_study_runs_as_a_job(tmp_path: Path) -> None:
    """The whole script, with Ray's own `symmetric-run` on one node, where no other Ray is up."""
    from trainables.files.records import StudyFolder

    ended = subprocess.run(
        ["bash", str(SLURM / "bimp.sbatch")], env=environment(tmp_path), capture_output=True,
        text=True, check=False, timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    records = StudyFolder(str(tmp_path / "out")).records().records
    assert [r.state for r in records] == ["done", "done"]

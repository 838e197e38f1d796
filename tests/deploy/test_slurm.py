"""The batch scripts for Slurm, under stand-ins for its commands, for Ray and for the run."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SLURM = Path(__file__).parents[2] / "deploy" / "slurm"
SCRIPTS = ("bimp.sbatch", "array.sbatch")

# As Slurm's own, `srun` kills its step where it is told to end; `scancel` signals all of a step.
STAND_INS = {
    "srun": """
        echo "$@" > "$FOLDER/step-options"
        while [[ ${1-} == --* ]]; do shift; done
        SLURM_NODEID=0 setsid "$@" &
        echo $! > "$FOLDER/step"
        trap 'kill -KILL -- -$!' TERM
        while kill -0 $! 2>/dev/null; do wait $!; done
    """,
    "scancel": """
        [[ $* == "--signal=TERM $SLURM_JOB_ID.0" ]] && kill -TERM -- "-$(cat "$FOLDER/step")"
    """,
    "scontrol": """
        case "$1 $2" in
            requeue*) echo "$2" > "$FOLDER/requeued" ;;
            "show hostnames") [[ $3 == "a[1-2]" ]] && printf '%s\\n' a1 a2 ;;
        esac
    """,
    "ray": """
        case $1 in
            health-check) [[ -e $FOLDER/ray-is-up ]] ;;
            start) trap 'echo ended > "$FOLDER/ray-has-ended"; exit 0' TERM
                   echo "${CUDA_VISIBLE_DEVICES-unset}" > "$FOLDER/gpus"
                   echo "$@" > "$FOLDER/ray-is-up"
                   while :; do sleep 0.1; done ;;
        esac
    """,
    "bimp": f"""exec {sys.executable} -S -c '
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(os.environ["STATUS"])))
open(os.environ["FOLDER"] + "/run", "w").write(" ".join(sys.argv[1:]))
time.sleep(0 if os.environ["ENDS"] == "at-once" else 60)
sys.exit(int(os.environ["STATUS"]))' "$@"
    """,
}


@contextmanager
def job(
    script: str, folder: Path, ends: str, status: int, **more: str | None
) -> Iterator[subprocess.Popen[str]]:
    """A script at work, with stand-ins first on its path; the run ends at once or when told to.

    `more` are variables of the job, None for one that this Slurm does not set.
    """
    commands = folder / "bin"
    commands.mkdir()
    scratch = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    (folder / "scratch").symlink_to(scratch)
    for name, text in STAND_INS.items():
        (commands / name).write_text(f"#!/bin/bash\n{text}\n")
        (commands / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "FOLDER": str(folder), "ENDS": ends, "STATUS": str(status),
        "SLURM_JOB_ID": "7012", "SLURM_JOB_NUM_NODES": "1", "SLURM_CPUS_PER_TASK": "2",
        "SLURM_ARRAY_TASK_ID": "4", "HEAD_IP": "127.0.0.1", "RAY_TMPDIR": str(scratch),
        "STUDY": "study.yaml", "OUT": "/shared/out", **more,
    }  # fmt: skip
    given = {name: value for name, value in environment.items() if value is not None}
    process = subprocess.Popen(
        ["bash", str(SLURM / script)], env=given, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        shutil.rmtree(scratch)


def wait_for_run(folder: Path) -> list[str]:
    """The words that the run was called with, once it has been."""
    end = time.monotonic() + 20
    while not (folder / "run").exists() or not (folder / "run").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    return (folder / "run").read_text().split()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_job_without_a_study_says_what_is_missing(script: str) -> None:
    ended = subprocess.run(
        ["bash", str(SLURM / script)], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert ended.returncode != 0
    assert "STUDY: must be the study file or the name of a preset" in ended.stderr


def test_the_run_joins_the_ray_of_the_job(tmp_path: Path) -> None:
    with job("bimp.sbatch", tmp_path, "at-once", 0) as process:
        words = wait_for_run(tmp_path)
        assert process.wait(timeout=20) == 0
        left = list((tmp_path / "scratch").iterdir())
    assert not left, "a job takes its own folder away, no more"
    address = "127.0.0.1:24024"  # 7012 % 5000 = 2012
    assert words == f"run study.yaml --address {address} --out /shared/out".split()
    start = (tmp_path / "ray-is-up").read_text().split()
    assert "--ray-client-server-port=24025" in start
    assert {"--head", "--node-ip-address=127.0.0.1", "--port=24024", "--num-cpus=2"} <= set(start)
    assert (tmp_path / "ray-has-ended").exists()


def test_a_job_without_variables_that_some_sites_do_not_set(tmp_path: Path) -> None:
    missing = dict.fromkeys(("SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK"))
    given = {"SLURM_JOB_NODELIST": "a[1-2]", "SLURM_CPUS_ON_NODE": "3", **missing}
    with job("bimp.sbatch", tmp_path, "at-once", 0, **given) as process:
        assert process.wait(timeout=20) == 0
    options = (tmp_path / "step-options").read_text().split()
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--cpus-per-task=3"} <= set(options)
    assert "--num-cpus=3" in (tmp_path / "ray-is-up").read_text().split()


def test_ports_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 24027))
        other.listen()
        with job("bimp.sbatch", tmp_path, "at-once", 0, SLURM_JOB_ID="7013") as process:
            assert "127.0.0.1:24028" in wait_for_run(tmp_path)
            process.wait(timeout=40)
    start = (tmp_path / "ray-is-up").read_text().split()
    assert {"--port=24028", "--ray-client-server-port=24029"} <= set(start)


@pytest.mark.parametrize(
    ("variables", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_STEP_GPUS": "2,3"}, "0,1"),
        ({"SLURM_STEP_GPUS": "2,3", "SLURM_JOB_GPUS": "1,2,3"}, "2,3"),
        ({"SLURM_JOB_GPUS": "1"}, "1"),
        ({}, "unset"),
    ],
)
def test_ray_sees_the_gpus_of_the_job(variables: dict[str, str], gpus: str, tmp_path: Path) -> None:
    none: dict[str, str | None] = dict.fromkeys(
        ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
    )
    with job("bimp.sbatch", tmp_path, "at-once", 0, **{**none, **variables}) as process:
        assert process.wait(timeout=20) == 0
    assert (tmp_path / "gpus").read_text() == f"{gpus}\n"


def test_a_folder_too_deep_for_ray_s_sockets_is_refused(tmp_path: Path) -> None:
    deep = f"/tmp/{'x' * 40}"
    with job("bimp.sbatch", tmp_path, "at-once", 0, RAY_TMPDIR=deep) as process:
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 2
    assert output == f"RAY_TMPDIR must be shorter by 17 characters, got {deep}\n"


def test_a_task_of_an_array_runs_its_seed_in_a_folder_of_its_own(tmp_path: Path) -> None:
    with job("array.sbatch", tmp_path, "at-once", 0) as process:
        words = wait_for_run(tmp_path)
        assert process.wait(timeout=20) == 0
    assert words == [
        "run", "study.yaml", "--out", "/shared/out/seed-4",
        "--set", "seeds=[4]", "--set", "stage_store=/shared/out/stages",
    ]  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("status", [0, 1, 3])
def test_a_job_ends_as_its_run_does(script: str, status: int, tmp_path: Path) -> None:
    with job(script, tmp_path, "at-once", status) as process:
        assert process.wait(timeout=20) == status
    assert not (tmp_path / "requeued").exists()


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("status", "requeued"), [(1, True), (0, False)])
def test_a_run_is_ended_before_its_time_is_up_and_goes_on_from_the_queue(
    script: str, status: int, requeued: bool, tmp_path: Path
) -> None:
    """Slurm's early warning goes to the script alone; a run that is whole needs no queue."""
    with job(script, tmp_path, "when-told", status) as process:
        wait_for_run(tmp_path)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(timeout=20) == 0
    assert (tmp_path / "requeued").exists() is requeued
    if requeued:
        assert (tmp_path / "requeued").read_text() == "7012\n"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_job_that_is_cancelled_stays_so(script: str, tmp_path: Path) -> None:
    """`scancel` sends SIGTERM to all processes of a job; Slurm then looks at no status."""
    with job(script, tmp_path, "when-told", 1) as process:
        wait_for_run(tmp_path)
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
    assert not (tmp_path / "requeued").exists()

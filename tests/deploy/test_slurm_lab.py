"""The batch scripts under Slurm itself, on two hosts, where Debian's packages of it are installed.

`apt-get install slurmctld slurmd slurm-client munge`, then `pytest -m lab tests/deploy`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.hosts import ROOT, Host, hosts, possible
from tests.deploy.slurm_lab import COMMANDS, Slurm, slurm
from trainables.files.records import StudyFolder

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not possible(*COMMANDS), reason="needs root, namespaces and Slurm"),
]

SCRIPTS = ROOT / "deploy" / "slurm"
BIN = Path(sys.executable).parent
SMALL: dict[str, Any] = {
    "name": "queued",
    "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [8]}},
    "dense": {"epochs": 2},
    "prune": {"sparsity": 0.5},
    "retrain": {"schedule": {"grid": ["ft", "llr"]}, "epochs": 2},
    "seeds": [0, 1],
}
LONG: dict[str, Any] = {
    **SMALL,
    "name": "long",
    "task": {"dataset": "digits", "model": {"name": "cnn", "channels": [8, 8]}},
    "dense": {"epochs": 60},
    "resources": {"checkpoint_s": 1.0},
}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Host], Path]]:
    folder = tmp_path_factory.mktemp("slurm")
    with hosts(["h0", "h1"], folder) as made:
        yield made, folder


@pytest.fixture(scope="module")
def cluster(machines: tuple[list[Host], Path]) -> Iterator[Slurm]:
    with slurm(*machines) as made:
        yield made


def environment(cluster: Slurm, study: dict[str, Any], name: str) -> dict[str, str]:
    path = cluster.folder / f"{name}.yaml"
    YAML(typ="safe").dump(study, path)
    return {
        "STUDY": str(path),
        "OUT": str(cluster.folder / name),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


def states(folder: Path) -> list[str]:
    return [record.state for record in StudyFolder(str(folder)).records().records]


def nothing_left(machines: tuple[list[Host], Path]) -> bool:
    lines = [line for host in machines[0] for line in host.processes()]
    names = ("raylet", "gcs_server", "ray::", "ray start", "bimp run")
    return not [line for line in lines if any(name in line for name in names)]


def wait_for_partial_state(cluster: Slurm, job: str, name: str) -> None:
    """Wait until a study's first trial has saved what it can go on from."""
    end = time.monotonic() + 120
    while not list((cluster.folder / name / "stages").glob("*/partial-*")):
        assert time.monotonic() < end, cluster.output(job)
        time.sleep(0.2)


def test_a_job_over_two_nodes_settles_a_study(
    cluster: Slurm, machines: tuple[list[Host], Path]
) -> None:
    given = environment(cluster, SMALL, "two-nodes")
    job = cluster.submit(SCRIPTS / "bimp.sbatch", "--nodes=2", "--cpus-per-task=1", **given)
    assert cluster.wait(job, "COMPLETED", "FAILED") == "COMPLETED", cluster.output(job)
    assert states(cluster.folder / "two-nodes") == ["done"] * 4
    assert "Ray is up" in cluster.output(job)
    assert nothing_left(machines)
    assert all(host.run("ls", "/tmp").stdout.count("bimp") == 0 for host in machines[0])


def test_jobs_that_share_their_nodes_leave_each_other_alone(
    cluster: Slurm, machines: tuple[list[Host], Path]
) -> None:
    """Two at once on both nodes: ports, folders and the end of the one that is first through."""
    options = ("--nodes=2", "--cpus-per-task=1", "--time=1:00:00")
    given = [environment(cluster, SMALL, "beside-0"), environment(cluster, LONG, "beside-1")]
    jobs = [cluster.submit(SCRIPTS / "bimp.sbatch", *options, **one) for one in given]
    assert cluster.wait(jobs[0], "COMPLETED", "FAILED") == "COMPLETED", cluster.output(jobs[0])
    assert cluster.state(jobs[1]) == "RUNNING", "the longer one is to see the other's end"
    assert cluster.wait(jobs[1], "COMPLETED", "FAILED") == "COMPLETED", cluster.output(jobs[1])
    for name in ("beside-0", "beside-1"):
        assert states(cluster.folder / name) == ["done"] * 4
    assert "lost" not in cluster.output(jobs[1])
    assert nothing_left(machines)
    assert all(host.run("ls", "/tmp").stdout.count("bimp") == 0 for host in machines[0])


def test_a_job_goes_on_without_a_node_that_it_loses(cluster: Slurm) -> None:
    given = environment(cluster, LONG, "lost-node")
    job = cluster.submit(SCRIPTS / "bimp.sbatch", "--nodes=2", "--cpus-per-task=1", **given)
    wait_for_partial_state(cluster, job, "lost-node")
    cluster.command("scontrol", "update", "NodeName=h1", "State=DOWN", "Reason=test")
    try:
        assert cluster.wait(job, "COMPLETED", "FAILED", "PENDING") == "COMPLETED"
    finally:
        cluster.command("scontrol", "update", "NodeName=h1", "State=IDLE")
    assert "Node failure on h1" in cluster.output(job)
    assert states(cluster.folder / "lost-node") == ["done"] * 4


def test_an_array_that_is_submitted_twice_trains_nothing_twice(cluster: Slurm) -> None:
    """The second waits for leases of the first, then says that its folders are in use."""
    given = environment(cluster, LONG, "twice")
    options = ("--array=0-1", "--cpus-per-task=1", "--gpus=0")
    first, second = (cluster.submit(SCRIPTS / "array.sbatch", *options, **given) for _ in range(2))
    tasks = [f"{job}_{seed}" for seed in (0, 1) for job in (first, second)]
    ends = [cluster.wait(task, "COMPLETED", "FAILED") for task in tasks]
    assert "COMPLETED" in ends[:2] and "COMPLETED" in ends[2:]
    for seed in (0, 1):
        folder = cluster.folder / "twice" / f"seed-{seed}"
        records = StudyFolder(str(folder)).records().records
        assert [(record.state, record.attempt) for record in records] == [("done", 1)] * 2


def test_an_array_runs_a_seed_per_task(cluster: Slurm) -> None:
    given = environment(cluster, SMALL, "array")
    job = cluster.submit(SCRIPTS / "array.sbatch", "--array=0-1", "--cpus-per-task=1", **given)
    for seed in (0, 1):
        assert cluster.wait(f"{job}_{seed}", "COMPLETED", "FAILED") == "COMPLETED"
    folder = cluster.folder / "array"
    assert sorted(path.name for path in folder.iterdir()) == ["seed-0", "seed-1", "stages"]
    assert [states(folder / f"seed-{seed}") for seed in (0, 1)] == [["done"] * 2] * 2
    report = cluster.folder / "report.html"
    cluster.command("bimp", "report", folder / "seed-0", folder / "seed-1", "-o", report, **given)
    assert report.stat().st_size > 10_000


def test_a_job_that_is_told_of_its_limit_goes_on_from_the_queue_as_the_same_job(
    cluster: Slurm, machines: tuple[list[Host], Path]
) -> None:
    """The warning is given by hand: Slurm's own comes up to a minute earlier than asked for."""
    given = environment(cluster, LONG, "limited")
    job = cluster.submit(SCRIPTS / "bimp.sbatch", "--nodes=2", "--cpus-per-task=1", **given)
    wait_for_partial_state(cluster, job, "limited")
    cluster.command("scancel", "--batch", "--signal=USR1", job)
    assert cluster.wait(job, "PENDING", "FAILED", "COMPLETED") == "PENDING"
    assert "it goes on from the queue" in cluster.output(job)
    assert "run the same command again to go on" in cluster.output(job)
    cluster.command("scontrol", "update", f"JobId={job}", "StartTime=now")
    assert cluster.wait(job, "COMPLETED", "FAILED") == "COMPLETED", cluster.output(job)
    assert states(cluster.folder / "limited") == ["done"] * 4
    assert nothing_left(machines)


def test_a_job_that_is_cancelled_leaves_nothing_and_another_goes_on(
    cluster: Slurm, machines: tuple[list[Host], Path]
) -> None:
    given = environment(cluster, LONG, "cancelled")
    options = ("--nodes=2", "--cpus-per-task=1")
    job = cluster.submit(SCRIPTS / "bimp.sbatch", *options, **given)
    wait_for_partial_state(cluster, job, "cancelled")
    cluster.command("scancel", job)
    assert cluster.wait(job, "CANCELLED", "PENDING", "FAILED") == "CANCELLED"
    end = time.monotonic() + 40
    while not nothing_left(machines):
        assert time.monotonic() < end, [host.processes() for host in machines[0]]
        time.sleep(0.5)
    again = cluster.submit(SCRIPTS / "bimp.sbatch", *options, **given)
    assert cluster.wait(again, "COMPLETED", "FAILED") == "COMPLETED", cluster.output(again)
    assert states(cluster.folder / "cancelled") == ["done"] * 4

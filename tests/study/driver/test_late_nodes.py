"""Nodes that join a run with a fault, or come to have one while it goes on."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from study.driver.launch import run
from study.points.resolve import resolve
from tests.study.driver import fault_lab as lab
from tests.study.driver.random_faults import differences
from tests.study.driver.raylets import Raylets, cluster_of

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.lab,
    pytest.mark.skipif(not lab.may_mount(), reason="needs mount namespaces"),
]

MANY: dict[str, Any] = {**lab.LONG, "dense": {"epochs": 150}, "seeds": list(range(12))}
"""Twelve trials of some seconds, none of which has to wait for another."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Raylets]:
    """One node that is in order."""
    with cluster_of(1) as made:
        yield made


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return lab.undisturbed(lab.study("many", MANY), tmp_path_factory.mktemp("calm"))


@pytest.mark.parametrize(
    ("broken", "strikes", "reason"),
    [(lab.read_only, 3, "Read-only file system"), (lab.not_shared, 1, "must be the driver's on")],
)
def test_a_node_that_joins_with_a_fault_is_left_out_once_it_has_shown_it(
    cluster: Raylets,
    calm: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    broken: Any,
    strikes: int,
    reason: str,
) -> None:
    """Trials that wait for a node already may meet it still, each of them once."""
    with ExitStack() as nodes:

        def join() -> None:
            lab.wait_for(lambda: list(tmp_path.glob("stages/*/partial-*")))
            nodes.enter_context(lab.node(cluster.address, broken(tmp_path)))

        threading.Thread(target=join, daemon=True).start()
        study = lab.study("many", MANY, checkpoint_s=0.3)
        summary = run(resolve(study), str(tmp_path), cluster.address)
    assert summary.complete
    [left_out] = [note for note in summary.notes if note.startswith("left out: node")]
    assert reason in left_out
    moved = [line for line in capsys.readouterr().out.splitlines() if "on another node: " in line]
    assert strikes <= len(moved) == len({line.partition(" is tried")[0] for line in moved})
    assert {record.attempt for record in lab.records_in(tmp_path)} == {1}
    assert differences(tmp_path, calm) == []


def remount_read_only(node: subprocess.Popen[bytes], folder: Path) -> None:
    """Take a node its right to write a folder, from outside its namespace."""
    inside = psutil.Process(node.pid).children()[0].pid
    for command in (f"--bind {folder} {folder}", f"-o remount,bind,ro {folder}"):
        there = ["nsenter", f"--mount=/proc/{inside}/ns/mnt", "mount", *command.split()]
        subprocess.run(there, check=True)


def test_a_node_that_cannot_write_any_more_gives_up_its_trial_within_a_minute(
    cluster: Raylets, calm: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after `resources.store_patience`, which is ten minutes."""
    with lab.node(cluster.address) as other:

        def fail() -> None:
            lab.wait_for(lambda: lab.foreign_partial(tmp_path))
            remount_read_only(other, tmp_path)

        threading.Thread(target=fail, daemon=True).start()
        study = lab.study("many", MANY, checkpoint_s=0.3)
        summary = run(resolve(study), str(tmp_path), cluster.address)
    assert summary.complete and summary.seconds < 400
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "cannot write where the driver can" in line]) == 1
    assert any("is tried on another node: StoreOutage" in line for line in lines)
    assert {record.attempt for record in lab.records_in(tmp_path)} == {1}
    assert differences(tmp_path, calm) == []

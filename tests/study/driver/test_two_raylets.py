"""Runs on a real cluster of two nodes, both on this machine; one of them is lost during a run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from study.definition.studyfile import StudyFile
from study.driver.launch import run
from study.points.resolve import resolve
from tests.study.conftest import Command
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal

HEAD = {"num_cpus": 0, "resources": {"bench": 1}}

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    """A head without CPUs, as in cluster.yaml, and two nodes of one CPU each.

    The head alone offers `bench`.
    """
    from ray.cluster_utils import Cluster

    from study.driver.ray_session import _SETTINGS

    with pytest.MonkeyPatch.context() as patch:
        for name, value in _SETTINGS.items():
            patch.setenv(name, value)
        cluster: Any = Cluster(initialize_head=True, head_node_args=HEAD)
        cluster.workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


def mlp_study(name: str, epochs: float, schedules: list[str]) -> StudyFile:
    """Schedules for a small MLP on digits, two seeds; dense run and retraining equally long."""
    return StudyFile.of(
        {
            "name": name,
            "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [16]}},
            "dense": {"epochs": epochs},
            "prune": {"sparsity": 0.8},
            "retrain": {"schedule": {"grid": schedules}, "epochs": epochs},
            "seeds": [0, 1],
        }
    )


def records_in(folder: Path) -> list[Record]:
    return StudyFolder(str(folder)).records().records


def test_a_study_settles_on_two_nodes(two_nodes: Any, tmp_path: Path) -> None:
    study = mlp_study("two-nodes", 2, ["ft", "allr"])
    summary = run(resolve(study), str(tmp_path), address=two_nodes.address)
    assert summary.complete
    assert (summary.wanted, summary.settled) == (4, 4)
    records = records_in(tmp_path)
    assert [r.state for r in records] == ["done"] * 4
    dense_runs = {(r.seed, r.stages[0]) for r in records}
    assert len(dense_runs) == 2, "the schedules of a seed share its dense run"


def test_a_named_node_measures_networks(two_nodes: Any, tmp_path: Path) -> None:
    """That which trains nothing; where no node fits the name the folder is left as it was."""
    raw = mlp_study("measured", 0.1, ["ft"]).raw() | {"seeds": [0]}
    raw["retrain"]["schedule"] = {"choice": ["ft", "allr"]}
    search = {"strategy": "optuna", "trials": 1, "objectives": {"latency_ms": "min"}}
    study = StudyFile.of({**raw, "search": {**search, "measure_on": "elsewhere"}})
    with pytest.raises(Refusal, match=r"search.measure_on must name one node of the cluster"):
        run(resolve(study), str(tmp_path / "none"), address=two_nodes.address)
    assert not list((tmp_path / "none").rglob("*.yaml"))
    study = StudyFile.of({**raw, "search": {**search, "measure_on": "bench"}})
    assert run(resolve(study), str(tmp_path / "bench"), address=two_nodes.address).complete
    [record] = records_in(tmp_path / "bench")
    assert record.metrics["latency_ms"] > 0
    assert record.metrics["network_bytes"] == 4 * (64 * 16 + 16 + 16 * 10 + 10)


def test_the_doctor_has_a_row_for_each_node(two_nodes: Any, tmp_path: Path, bimp: Command) -> None:
    """Of a folder in which a study was run, and of one that is new."""
    study = mlp_study("looked-at", 2, ["ft"])
    (tmp_path / "study.yaml").write_text(json.dumps(study.raw()))
    ended = bimp("doctor", "--address", two_nodes.address, "--out", tmp_path)
    assert ended.status == 0, ended.out + ended.err
    header, _, *rows = ended.out.splitlines()
    columns = ["CPUs", "GPUs", "host", "versions", "folder", "free", "shm", "data", "CUDA",
               "ports", "clock"]  # fmt: skip
    assert header.split() == columns
    nodes = [row for row in rows if "shared, writable" in row]
    assert sorted(row.split()[0] for row in nodes) == ["0", "1", "1"]
    assert all("as here" in row and "digits" in row for row in nodes)
    assert not list(tmp_path.glob("run/token-*")), "the token is taken away again"
    new = bimp("doctor", "--address", two_nodes.address, "--out", tmp_path / "new")
    assert new.status == 0 and new.out.count("shared, writable") == 3


def test_a_run_survives_the_loss_of_a_node(two_nodes: Any, tmp_path: Path) -> None:
    study = mlp_study("lost-node", 40, ["ft", "llr", "allr"])
    ended_before_the_loss: list[int] = []

    def lose_a_node() -> None:
        while not records_in(tmp_path):
            time.sleep(0.1)
        ended_before_the_loss.append(len(records_in(tmp_path)))
        two_nodes.remove_node(two_nodes.workers[0], allow_graceful=False)

    loss = threading.Thread(target=lose_a_node, daemon=True)
    loss.start()
    summary = run(resolve(study), str(tmp_path), address=two_nodes.address)
    loss.join(timeout=30)
    assert ended_before_the_loss, "no node was lost"
    assert ended_before_the_loss[0] <= 4, "both nodes were at work when one was lost"
    assert summary.complete
    assert [r.state for r in records_in(tmp_path)] == ["done"] * 6
    assert all(r.attempt == 1 for r in records_in(tmp_path)), "Tune's own retries suffice"

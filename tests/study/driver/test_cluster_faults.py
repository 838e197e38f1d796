"""Faults of nodes, workers and the head on a real cluster of several raylets on this machine."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.driver.launch import run
from study.points.resolve import resolve
from tests.study.driver import fault_lab as lab
from tests.study.driver.drivers import start
from tests.study.driver.raylets import Raylets, cluster_of
from trainables.vocabulary.refusal import Refusal

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(not lab.may_mount(), reason="needs mount namespaces"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs, and a node of one CPU and what claims to be a GPU."""
    from ray.cluster_utils import Cluster

    from study.driver.ray_session import _SETTINGS

    with pytest.MonkeyPatch.context() as patch:
        for name, value in _SETTINGS.items():
            patch.setenv(name, value)
        made: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        made.add_node(num_cpus=1, num_gpus=1)
        made.wait_for_nodes()
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What undisturbed runs of the two studies leave."""
    studies = {"small": lab.SMALL, "long": lab.LONG}
    return {
        name: lab.undisturbed(lab.study(name, base), tmp_path_factory.mktemp(name))
        for name, base in studies.items()
    }


def wait_for_nodes(cluster: Any, number: int) -> None:
    """Wait until so many nodes have joined, the head included."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        lab.wait_for(lambda: lab.n_alive() == number)
    finally:
        ray.shutdown()


@pytest.mark.lab
def test_nodes_that_cannot_do_the_work_are_left_out_and_nothing_is_lost(
    cluster: Any, calm: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One node has the folder read-only, another has one of its own in its place."""
    broken = (lab.read_only(tmp_path), lab.not_shared(tmp_path))
    with lab.node(cluster.address, broken[0]), lab.node(cluster.address, broken[1]):
        wait_for_nodes(cluster, 4)
        summary = run(resolve(lab.study("small", lab.SMALL)), str(tmp_path), cluster.address)
    assert summary.complete
    assert lab.outcome(tmp_path) == calm["small"]
    left_out = [note for note in summary.notes if note.startswith("left out: node")]
    assert any("must be the driver's on every node" in note for note in left_out)
    assert len(left_out) == 2, "neither got a trial"
    out = capsys.readouterr().out
    assert "note: 2 nodes left out of this run" in out
    assert "tried on another node" not in out
    looked_at = [line for line in out.splitlines() if line.startswith("missing: ")]
    assert len(looked_at) == 2, "both were known before the first trial"
    assert any("the study folder must be the driver's on every node" in one for one in looked_at)
    assert any("Read-only file system" in one for one in looked_at)


def test_gpus_that_torch_does_not_see_are_refused_once(cluster: Any, tmp_path: Path) -> None:
    study = lab.study("gpus", lab.SMALL, gpus=0.5)
    with pytest.raises(Refusal, match=r"resources.gpus must be 0 on .*, got 0.5: torch .*driver"):
        run(resolve(study), str(tmp_path), cluster.address)
    assert lab.records_in(tmp_path) == []


def test_a_node_that_dies_costs_seconds_though_its_processes_cannot_be_seen_from_here(
    cluster: Any, calm: dict[str, Any], tmp_path: Path
) -> None:
    """Its processes have a namespace of their own, so that its leases are another host's."""
    lost: list[float] = []

    def lose(other: subprocess.Popen[bytes]) -> None:
        lab.wait_for(lambda: lab.foreign_partial(tmp_path))
        lost.append(time.monotonic())
        other.kill()

    with lab.node(cluster.address) as other:
        wait_for_nodes(cluster, 3)
        thread = threading.Thread(target=lose, args=(other,), daemon=True)
        thread.start()
        study = lab.study("long", lab.LONG, checkpoint_s=0.3)
        summary = run(resolve(study), str(tmp_path), cluster.address)
        thread.join(timeout=10)
    assert summary.complete and lost
    assert time.monotonic() - lost[0] < 60, "its lease alone would cost two minutes"
    assert lab.outcome(tmp_path) == calm["long"]


def ended_by_its_head(
    tmp_path: Path, calm: dict[str, Any], end_head: Callable[[Raylets], None]
) -> None:
    """Take the head from a run that has saved something: one sentence, without a dump of Ray's, and
    the same command completes the study on a cluster that is started anew at its address."""
    study, out = tmp_path / "study.json", tmp_path / "out"
    study.write_text(json.dumps({**lab.LONG, "name": "long", "resources": {"checkpoint_s": 0.3}}))
    with cluster_of(1) as own:
        first = start(study, out, own.address, "one", tmp_path / "1.log")
        lab.wait_for(lambda: list(out.glob("stages/*/partial-*")))
        end_head(own)
        lost = time.monotonic()
        assert first.process.wait(timeout=60) == 3, first.text
        told_s = time.monotonic() - lost
        assert f"the cluster was lost: Ray's head at {own.address} does not answer" in first.text
        assert "run the same command again to go on" in first.text
        assert not re.search("Traceback|Check failed|Unauthenticated|cluster ID", first.text)
        own.restart()
        second = start(study, out, own.address, "one", tmp_path / "2.log")
        assert second.process.wait(timeout=200) == 0, second.text
    print(f"the loss was told after {told_s:.1f} s")
    assert lab.outcome(out) == calm["long"]


@pytest.mark.lab
def test_the_loss_of_the_head_is_one_sentence_and_the_same_command_goes_on(
    calm: dict[str, Any], tmp_path: Path
) -> None:
    """With a cluster of its own."""
    ended_by_its_head(tmp_path, calm, Raylets.lose_head)


@pytest.mark.lab
def test_a_head_that_is_started_anew_beside_a_driver_ends_it_in_the_same_sentence(
    calm: dict[str, Any], tmp_path: Path
) -> None:
    """Within seconds, as what watches over services does; Ray would end the driver with a dump."""
    ended_by_its_head(tmp_path, calm, lambda own: own.replace_head(after_s=3.0))

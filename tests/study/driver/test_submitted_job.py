"""`bimp submit` to a real cluster: a head without CPUs, and two nodes on this machine.

One of them offers a GPU to Ray where torch sees none.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.study.conftest import Command
from trainables.files.records import StudyFolder

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("aiohttp") is None, reason="needs the job server of ray[default]"),
]

STUDY: dict[str, Any] = {
    "name": "handed-over",
    "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [8]}},
    "dense": {"epochs": 1},
    "prune": {"sparsity": 0.5},
    "retrain": {"epochs": 1},
}


@pytest.fixture(scope="module")
def job_server() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    from study.driver.ray_session import _SETTINGS

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_SETTINGS, "RAY_AUTH_MODE": "disabled"}.items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        head = {"num_cpus": 0, "include_dashboard": True, "dashboard_port": port}
        cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        try:
            cluster.add_node(num_cpus=1)
            cluster.add_node(num_cpus=1, num_gpus=1)
            cluster.wait_for_nodes()
            yield f"http://127.0.0.1:{port}"
        finally:
            cluster.shutdown()


def handed_over(job_server: str, folder: Path, bimp: Command, *more: str) -> Any:
    (folder / "study.yaml").write_text(json.dumps(STUDY))
    given = ("--address", job_server, "--out", folder / "out", "--working-dir", folder, *more)
    return bimp("submit", folder / "study.yaml", *given)


def test_a_run_that_no_node_can_take_is_refused_to_whoever_submits(
    job_server: str, tmp_path: Path, bimp: Command
) -> None:
    ended = handed_over(job_server, tmp_path, bimp, "--set", "resources.gpus=0.5")
    assert ended.status == 2, ended.out + ended.err
    [sentence] = ended.err.splitlines()
    assert sentence.startswith("bimp: resources.gpus must be 0 ")
    assert "CUDA" in sentence
    assert f"missing: {socket.gethostname()}: {sentence.removeprefix('bimp: ')}" in ended.out
    assert not StudyFolder(str(tmp_path / "out")).records().records


def test_whoever_submits_hears_of_the_nodes_before_trials_run(
    job_server: str, tmp_path: Path, bimp: Command
) -> None:
    ended = handed_over(job_server, tmp_path, bimp)
    assert (ended.status, ended.err) == (0, ""), ended.out
    first, *lines, last = ended.out.splitlines()
    assert first.startswith("submitted raysubmit_")
    assert any(line.startswith("Ray is up: 3 nodes, 2 CPUs, 1 GPU") for line in lines), lines
    assert "at work" in last or "settled" in last
    end = time.monotonic() + 60
    while not (records := StudyFolder(str(tmp_path / "out")).records().records):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert [record.state for record in records] == ["done"]
    again = handed_over(job_server, tmp_path, bimp)
    assert again.status == 0
    assert again.out.splitlines()[-1].endswith("has ended, and every trial is settled")

"""A Ray cluster of several raylets on this machine, of which any part can be lost and replaced."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

QUICK = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_initial_delay_ms": "2000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
}
"""How soon a node that does not answer is taken for dead: seconds, where Ray's own take 15."""


class Raylets:
    """A head without CPUs, and nodes of one CPU each."""

    def __init__(self, n_nodes: int) -> None:
        self._n_nodes = n_nodes
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._cluster: Any = None
        self._due: list[float] = []
        self.has_head = False
        self.address = ""
        """Host and port of the head, the same after a restart."""

    def start(self) -> None:
        """Start the head and all nodes."""
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "gcs_server_port": self._port, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address = str(self._cluster.address)
        self.has_head = True
        self._due = []
        for _ in range(self._n_nodes):
            self._cluster.add_node(num_cpus=1)

    def stop(self) -> None:
        """End whatever is left."""
        self._cluster.shutdown()

    def restart(self) -> None:
        """Start all anew, at the same address."""
        self.stop()
        self.start()

    def lose_head(self) -> None:
        """End the process that knows of all the others."""
        self.has_head = False
        self._cluster.head_node.kill_gcs_server()

    def replace_head(self, after_s: float) -> None:
        """End the process that knows of all the others; a new one takes its address later."""
        self._cluster.head_node.kill_gcs_server()
        time.sleep(after_s)
        self._cluster.head_node.start_gcs_server()

    @property
    def nodes(self) -> list[Any]:
        """The nodes that run trials."""
        return sorted(self._cluster.worker_nodes, key=lambda node: _raylet(node).pid)

    def lose(self, node: Any, for_s: float) -> None:
        """End a node's processes; a new one takes its place some seconds later."""
        self._cluster.remove_node(node, allow_graceful=False)
        self._due.append(time.monotonic() + for_s)

    def tend(self, *, at_once: bool = False) -> None:
        """Replace the nodes that are due, and those that have ended by themselves."""
        for node in self.nodes:
            if _raylet(node).poll() is not None:
                self.lose(node, 0.0)
        for due in [d for d in self._due if at_once or d <= time.monotonic()]:
            self._due.remove(due)
            self._cluster.add_node(wait=False, num_cpus=1)


def _raylet(node: Any) -> Any:
    """The process of a node's raylet."""
    from ray._private import ray_constants

    [info] = node.all_processes[ray_constants.PROCESS_TYPE_RAYLET]
    return info.process


def processes_of(node: Any) -> list[psutil.Process]:
    """A node's raylet and all below it."""
    try:
        raylet = psutil.Process(_raylet(node).pid)
        return [raylet, *raylet.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def workers_of(node: Any) -> list[psutil.Process]:
    """The processes of a node that do something for a driver, those at trials first."""
    titles = {process: _title(process) for process in processes_of(node)}
    busy = [p for p, title in titles.items() if title.startswith("ray::") and "IDLE" not in title]
    return sorted(busy, key=lambda process: "Trainable" not in titles[process])


def _title(process: psutil.Process) -> str:
    """The command line of a process; nothing of one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def cluster_of(n_nodes: int, patience: Mapping[str, str] = QUICK) -> Iterator[Raylets]:
    """Within this context a cluster is up; without `patience` Ray's own."""
    from study.driver.ray_session import _SETTINGS

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_SETTINGS, "RAY_AUTH_MODE": "disabled", **patience}.items():
            patch.setenv(name, value)
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        cluster = Raylets(n_nodes)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()

"""A node whose network is out for a minute: head, nodes and driver in network namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.study.driver import fault_lab as lab
from tests.study.driver.random_faults import differences

PARTITION_S = 60.0
LONGER = {**lab.LONG, "dense": {"epochs": 100}, "retrain": {"schedule": "ft", "epochs": 30}}
"""Two trials that each take longer than one unit of a worker's work."""

HEAD, PORT = "10.91.0.1", 6391


def may_make_networks() -> bool:
    """Whether this user may make network namespaces and bridges in them."""
    command = ["unshare", "-n", "ip", "link", "add", "br0", "type", "bridge"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.lab,
    pytest.mark.skipif(not may_make_networks(), reason="needs network namespaces"),
]


class Network:
    """Namespaces that a bridge in the first one joins; each is held by a process."""

    def __init__(self, stack: ExitStack, n_nodes: int) -> None:
        self._holders = [stack.enter_context(_holder()) for _ in range(1 + n_nodes)]
        self.do(0, "ip link set lo up")
        self.do(0, "ip link add br0 type bridge")
        self.do(0, f"ip addr add {HEAD}/24 dev br0")
        self.do(0, "ip link set br0 up")
        for number in range(1, n_nodes + 1):
            there = self._holders[number].pid
            self.do(0, f"ip link add h{number} type veth peer name n0 netns {there}")
            self.do(0, f"ip link set h{number} master br0")
            self.do(0, f"ip link set h{number} up")
            self.do(number, "ip link set lo up")
            self.do(number, f"ip addr add {self.address(number)}/24 dev n0")
            self.do(number, "ip link set n0 up")

    def address(self, number: int) -> str:
        """The address of a node, from 1."""
        return f"10.91.0.{1 + number}"

    def within(self, number: int) -> list[str]:
        """What makes a command run in a namespace; 0 is the head's."""
        return ["nsenter", f"--net=/proc/{self._holders[number].pid}/ns/net"]

    def do(self, number: int, command: str) -> None:
        """Run a command in a namespace."""
        subprocess.run([*self.within(number), *command.split()], check=True)

    def cut(self, number: int) -> None:
        """Take a node off the network."""
        self.do(0, f"ip link set h{number} down")

    def join(self, number: int) -> None:
        """Put a node on the network again."""
        self.do(0, f"ip link set h{number} up")


@contextmanager
def _holder() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a network namespace of its own."""
    process = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
    mine = os.readlink("/proc/self/ns/net")
    try:
        lab.wait_for(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != mine)
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _ray(within: Sequence[str], log: Path, options: str, *, alone: bool) -> Iterator[None]:
    """A head or a node, `alone` with processes and a folder for sockets of its own."""
    command = [lab.RAY, "start", "--block", "--disable-usage-stats", *options.split()]
    if alone:
        mount = 'mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray && exec "$@"'
        apart = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
        command = [*apart, "sh", "-c", mount, "sh", *command]
    with log.open("wb") as output:
        process = psutil.Popen(
            [*within, *command], stdout=output, stderr=output,
            env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        )  # fmt: skip
    try:
        lab.wait_for(lambda: "will now block forever" in log.read_text())
        yield
    finally:
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()


def test_a_node_off_the_network_for_a_minute_costs_the_time_until_ray_knows(
    tmp_path: Path,
) -> None:
    """It goes on training meanwhile, on the same store; then it comes back."""
    (tmp_path / "study.json").write_text(
        json.dumps({**LONGER, "name": "long", "resources": {"checkpoint_s": 0.3}})
    )
    out = tmp_path / "out"
    with ExitStack() as stack:
        network = Network(stack, 2)
        options = f"--head --port {PORT} --node-ip-address {HEAD} --num-cpus 0"
        options += " --include-dashboard false"
        stack.enter_context(_ray(network.within(0), tmp_path / "head.log", options, alone=False))
        for number in (1, 2):
            options = f"--address {HEAD}:{PORT} --node-ip-address {network.address(number)}"
            log = tmp_path / f"node-{number}.log"
            options += " --num-cpus 1"
            stack.enter_context(_ray(network.within(number), log, options, alone=True))
        command = [lab.BIMP, "run", str(tmp_path / "study.json"), "--out", str(out)]
        driver = subprocess.Popen(
            [*network.within(0), *command, "--address", f"{HEAD}:{PORT}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        )  # fmt: skip
        stack.callback(driver.kill)
        lab.wait_for(lambda: len(list(out.glob("stages/*/partial-*"))) >= 2)
        network.cut(2)
        cut = time.monotonic()
        timer = threading.Timer(PARTITION_S, network.join, (2,))
        timer.start()
        stack.callback(timer.cancel)
        text, _ = driver.communicate(timeout=250)
        ended = time.monotonic() - cut
    assert driver.returncode == 0, text
    assert "Traceback" not in text
    calm = lab.undisturbed(lab.study("long", LONGER), tmp_path / "calm")
    assert differences(out, calm) == []
    print(f"the study ended {ended:.0f} s after the node was cut off")

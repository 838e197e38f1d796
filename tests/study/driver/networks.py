"""A Ray cluster whose head and nodes are in network namespaces, of which any can be cut off."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from tests.study.driver import fault_lab as lab

HEAD, PORT = "10.91.0.1", 6391


def may_make_networks() -> bool:
    """Whether this user may make network namespaces and bridges in them."""
    command = ["unshare", "-n", "ip", "link", "add", "br0", "type", "bridge"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


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


def node_in(network: Network, number: int, log: Path) -> AbstractContextManager[None]:
    """A node of one CPU at its address; leaving the context ends it, all at once."""
    options = f"--address {HEAD}:{PORT} --node-ip-address {network.address(number)} --num-cpus 1"
    return _ray(network.within(number), log, options, alone=True)


@contextmanager
def cluster_in(logs: Path, n_nodes: int, spare: int = 0) -> Iterator[Network]:
    """Within this context a head without CPUs and nodes of one CPU each are up.

    `spare` are places for further nodes.
    """
    with ExitStack() as stack:
        network = Network(stack, n_nodes + spare)
        options = f"--head --port {PORT} --node-ip-address {HEAD} --num-cpus 0"
        options += " --include-dashboard false"
        stack.enter_context(_ray(network.within(0), logs / "head.log", options, alone=False))
        for number in range(1, n_nodes + 1):
            stack.enter_context(node_in(network, number, logs / f"node-{number}.log"))
        yield network


@contextmanager
def driver_in(network: Network, study: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    """A driver beside the head; its output is piped."""
    command = [lab.BIMP, "run", str(study), "--out", str(out), "--address", f"{HEAD}:{PORT}"]
    driver = subprocess.Popen(
        [*network.within(0), *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip
    try:
        yield driver
    finally:
        driver.kill()
        driver.wait()

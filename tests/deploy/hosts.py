"""Hosts for tests of clusters: each in namespaces of its own, all of them on one switch.

A host has a name, an address, processes, a /tmp and a home of its own. It shares the folders that
are named, and sees everything else of this machine. Ending its first process ends all of it: no
process, interface or mount is left. Needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SUBNET: Final = "10.77.0"

# Hosts end with the process that made them, however that ends.
_APART: Final = (
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "-n",
    "-m",
    "-u",
    "-p",
    "-f",
    "--kill-child",
    "--mount-proc",
)

_FIRST: Final = r"""
set -e
hostname "$1"; shift
ip link set lo up
mount -t tmpfs tmpfs /mnt
for private in /tmp "$HOME"; do
    mkdir -p "/mnt/before$private"
    mount --rbind "$private" "/mnt/before$private"
    mount -t tmpfs -o mode=1777 tmpfs "$private"
done
for shared in "$@"; do
    if [ -e "/mnt/before$shared" ]; then
        mkdir -p "$shared"
        mount --rbind "/mnt/before$shared" "$shared"
    fi
done
echo up
exec "$PYTHON" -c "$FIRST"
"""

# Orphans, of which `ray start` leaves some, come to the first process of a machine and end there.
_WAIT: Final = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    signal.pause()
"""


@dataclass(frozen=True)
class Host:
    """A host: its name, its address on the switch, and its first process as seen from outside."""

    name: str
    address: str
    first: int

    def command(self, *words: object) -> list[str]:
        """Return the command that runs `words` on the host."""
        return ["nsenter", "-t", str(self.first), "-n", "-m", "-u", "-p", *map(str, words)]

    def run(
        self, *words: object, seconds: float = 60.0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host to its end, and return it with what it printed."""
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, timeout=seconds,
            env={**os.environ, **environment},
        )  # fmt: skip

    def processes(self) -> list[str]:
        """Return the command lines of the host's processes, less its own and those that ended."""
        lines = self.run("ps", "-e", "-o", "args=").stdout.splitlines()
        own = (f"{sys.executable} -c  import signal", "ps -e")
        return [line for line in lines if not line.startswith(own) and "<defunct>" not in line]


def possible(*commands: str) -> bool:
    """Whether hosts can be made here, and all commands are there that they are to run."""
    tools = ("ip", "nsenter", "setpriv", "unshare", *commands)
    if os.geteuid() or not all(map(shutil.which, tools)):
        return False
    apart = [*_APART, "sh", "-c", "ip link add x type bridge && mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(apart, capture_output=True, check=False).returncode == 0


@contextmanager
def hosts(names: Sequence[str], *shared: Path) -> Iterator[list[Host]]:
    """Within this context there are hosts that share folders, the project's own among them."""
    folders = [*map(str, shared), str(ROOT), sys.prefix, sys.base_prefix]
    with ExitStack() as stack:
        switch = stack.enter_context(_namespaces("switch", folders))
        _in_network(switch, "ip", "link", "add", "switch", "type", "bridge")
        _in_network(switch, "ip", "link", "set", "switch", "up")
        made = []
        for number, name in enumerate(names, 1):
            first = stack.enter_context(_namespaces(name, folders))
            host = Host(name, f"{SUBNET}.{number}", first)
            _plug_in(host, switch)
            made.append(host)
        yield made


@contextmanager
def _namespaces(name: str, folders: Sequence[str]) -> Iterator[int]:
    """The first process of new namespaces; they end with it."""
    outer = subprocess.Popen(
        [*_APART, "bash", "-c", _FIRST, "bash", name, *folders], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHON": sys.executable, "FIRST": _WAIT},
    )  # fmt: skip
    try:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "up\n", f"{name} did not come up"
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        yield int(children[0])
    finally:
        outer.kill()
        outer.communicate()


def _plug_in(host: Host, switch: int) -> None:
    """Join a host to the switch, and give it its address."""
    port = f"to-{host.name}"
    peer = ["peer", "name", "eth0", "netns", str(host.first)]
    _in_network(switch, "ip", "link", "add", port, "type", "veth", *peer)
    _in_network(switch, "ip", "link", "set", port, "master", "switch", "up")
    _in_network(host.first, "ip", "address", "add", f"{host.address}/24", "dev", "eth0")
    _in_network(host.first, "ip", "link", "set", "eth0", "up")


def _in_network(first: int, *words: str) -> None:
    subprocess.run(["nsenter", "-t", str(first), "-n", *words], check=True, capture_output=True)


@contextmanager
def service(
    host: Host, *words: object, log: Path, environment: Mapping[str, str] = os.environ
) -> Iterator[subprocess.Popen[bytes]]:
    """Within this context a command runs on a host and writes to a log; it is then terminated."""
    whole = ("setpriv", "--pdeathsig", "TERM", *words)  # `nsenter` passes no signals on
    with log.open("wb") as output:
        process = subprocess.Popen(
            host.command(*whole), stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            env=dict(environment),
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)

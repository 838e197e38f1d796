"""`deploy/ssh/cluster.sh` between three hosts with a real sshd each, from a fourth.

`apt-get install openssh-server openssh-client`, then `pytest -m lab tests/deploy`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.hosts import ROOT, Host, hosts, possible, service
from trainables.files.records import StudyFolder

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not possible("sshd", "ssh", "ssh-keygen"), reason="needs root, namespaces and OpenSSH"
    ),
]

SCRIPT = ROOT / "deploy" / "ssh" / "cluster.sh"
BIMP = Path(sys.executable).with_name("bimp")
PATHS = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
SMALL: dict[str, Any] = {
    "name": "by-ssh",
    "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [8]}},
    "dense": {"epochs": 2},
    "prune": {"sparsity": 0.5},
    "retrain": {"schedule": {"grid": ["ft", "llr"]}, "epochs": 2},
    "seeds": [0, 1],
}
DAEMON = """
ListenAddress {host.address}
HostKey {folder}/host-key
PidFile none
AuthorizedKeysFile {folder}/client-key.pub
PasswordAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
SetEnv PYTHONPATH={paths}
"""
CLIENT = """
IdentityFile {folder}/client-key
UserKnownHostsFile {folder}/known-hosts
"""


@dataclass(frozen=True)
class Lab:
    """A desk, and machines that it reaches by SSH."""

    desk: Host
    machines: Sequence[Host]
    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def environment(self) -> dict[str, str]:
        return {"DIR": str(self.project), "SSH": f"ssh -F {self.folder}/client -o BatchMode=yes"}

    def cluster(self, verb: str, names: Sequence[str], **more: str) -> Any:
        """The script, called at the desk with a list of hosts as a person writes it."""
        listed = self.folder / "hosts"
        listed.write_text("# the head first\n" + "\n\n".join(f"{name}  " for name in names) + "\n")
        environment = {**self.environment, **more}
        return self.desk.run(SCRIPT, verb, listed, seconds=150, **environment)

    def ssh(self, host: Host, command: str) -> Any:
        words = ["ssh", "-n", "-F", f"{self.folder}/client", host.address, command]
        return self.desk.run(*words, seconds=150)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("ssh")
    with hosts(["desk", "h0", "h1", "h2"], folder) as (desk, *machines):
        (folder / "project").mkdir()
        (folder / "project" / ".venv").symlink_to(sys.prefix)
        with ExitStack() as stack:
            for host in _with_keys(machines, folder):
                stack.enter_context(_sshd(host, folder))
            yield Lab(desk, machines, folder)


def _with_keys(machines: Sequence[Host], folder: Path) -> Sequence[Host]:
    """The machines, once host and client have keys and know each other."""
    for name in ("host-key", "client-key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    public = (folder / "host-key.pub").read_text()
    known = "".join(f"{host.address} {public}" for host in machines)
    (folder / "known-hosts").write_text(known)
    (folder / "client").write_text(CLIENT.format(folder=folder))
    return machines


@contextmanager
def _sshd(host: Host, folder: Path) -> Iterator[None]:
    Path("/run/sshd").mkdir(exist_ok=True)  # Debian's sshd asks for it
    configuration = folder / f"sshd-{host.name}"
    configuration.write_text(DAEMON.format(host=host, folder=folder, paths=PATHS))
    words = [shutil.which("sshd"), "-D", "-e", "-f", configuration]
    log = folder / f"sshd-{host.name}.log"
    with service(host, *words, log=log):
        end = time.monotonic() + 20
        while "Server listening" not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield


def test_a_study_runs_on_machines_from_a_list_and_nothing_is_left_of_the_cluster(lab: Lab) -> None:
    names = [host.address for host in lab.machines]
    out = lab.folder / "out"
    up = lab.cluster("up", names, OUT=str(out))
    assert up.returncode == 0, up.stdout + up.stderr
    assert "up: 3 hosts, head 10.77.0.2:6379" in up.stdout
    assert up.stdout.count("shared, writable") == 3, up.stdout
    tokens = {lab.ssh(host, "stat -c %a ~/.ray/auth_token; cat ~/.ray/auth_token").stdout
              for host in lab.machines}  # fmt: skip
    assert len(tokens) == 1 and tokens.pop().startswith("600\n")
    (lab.folder / "study.yaml").write_text(json.dumps(SMALL))
    command = next(line for line in up.stdout.splitlines() if "bimp run STUDY" in line)
    command = command.partition(": ")[2].replace("STUDY", str(lab.folder / "study.yaml"))
    ended = lab.ssh(lab.machines[0], command.replace("SHARED/FOLDER", str(out)))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    records = StudyFolder(str(out)).records().records
    assert [record.state for record in records] == ["done"] * 4
    again = lab.cluster("up", names)
    assert again.returncode != 0, "a cluster is up already"
    assert lab.cluster("down", names).returncode == 0
    left = [line for host in lab.machines for line in host.processes() if "sshd" not in line]
    assert left == []


def test_hosts_that_came_up_are_ended_where_another_does_not(lab: Lab) -> None:
    names = [lab.machines[0].address, "10.77.0.99"]
    up = lab.cluster("up", names, SSH=f"{lab.environment['SSH']} -o ConnectTimeout=2")
    assert up.returncode != 0
    left = [line for line in lab.machines[0].processes() if "sshd" not in line]
    assert left == []


@pytest.mark.skipif(find_spec("aiohttp") is None, reason="needs the job server of ray[default]")
def test_a_study_is_handed_over_through_a_tunnel(lab: Lab) -> None:
    """`bimp submit` from the desk: the job server listens on the head's loopback alone."""
    head = lab.machines[1]
    assert lab.cluster("up", [head.address]).returncode == 0
    token = lab.ssh(head, "cat ~/.ray/auth_token").stdout.strip()
    given = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "PYTHONPATH": PATHS}
    study, out = lab.folder / "studies" / "submitted.yaml", lab.folder / "submitted"
    study.parent.mkdir()
    study.write_text(json.dumps({**SMALL, "name": "submitted"}))
    tunnel = ["ssh", "-N", "-F", f"{lab.folder}/client", "-L", "8265:127.0.0.1:8265", head.address]
    with service(lab.desk, *tunnel, log=lab.folder / "tunnel.log"):
        time.sleep(2)
        handed = lab.desk.run(
            BIMP, "submit", study, "--address", "http://127.0.0.1:8265", "--out", out,
            "--working-dir", study.parent, **given,
        )  # fmt: skip
        assert handed.returncode == 0, handed.stdout + handed.stderr
        end = time.monotonic() + 120
        while len(StudyFolder(str(out)).records().records) < 4:
            logs = "cat /tmp/ray/session_latest/logs/job-driver-*.log"
            assert time.monotonic() < end, lab.ssh(head, logs).stdout
            time.sleep(0.5)
    assert lab.cluster("down", [head.address]).returncode == 0

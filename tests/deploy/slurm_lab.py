"""A Slurm of Debian's packages on hosts of `tests.deploy.hosts`: a controller, and nodes."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.deploy.hosts import Host, service

COMMANDS: Final = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel")

_DEVICES: Final = ("/dev/null", "/dev/zero")
"""What stands for the GPUs of a node, so that scripts may ask for some."""

# No cgroups: containers seldom may make any.
_CONFIGURATION: Final = """
ClusterName=lab
SlurmctldHost={head.name}({head.address})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
KillWait=20
SlurmdTimeout=60
GresTypes=gpu
{nodes}
PartitionName=lab Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
_NODE: Final = "NodeName={host.name} NodeAddr={host.address} CPUs={cpus} Gres=gpu:2 State=UNKNOWN"


@dataclass(frozen=True)
class Slurm:
    """A Slurm that is up: where commands are given, its files, and the environment of jobs."""

    head: Host
    folder: Path
    environment: Mapping[str, str]

    def command(self, *words: object, seconds: float = 60.0, **more: str) -> str:
        """Return what a command prints on the head; AssertionError where it fails."""
        ended = self.head.run(*words, seconds=seconds, **{**self.environment, **more})
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def submit(self, script: Path, *options: str, **environment: str) -> str:
        """Submit a script and return the job's number."""
        out = ("--output", f"{self.folder}/%j.out", "--chdir", str(self.folder))
        return self.command("sbatch", "--parsable", *out, *options, script, **environment).strip()

    def state(self, job: str) -> str:
        """Return the state of a job, such as RUNNING."""
        match = re.search(r"JobState=(\S+)", self.command("scontrol", "show", "job", job))
        assert match is not None
        return match[1]

    def wait(self, job: str, *states: str, seconds: float = 200.0) -> str:
        """Return the state of a job once it is one of some."""
        end = time.monotonic() + seconds
        while (state := self.state(job)) not in states:
            assert time.monotonic() < end, f"{state} after {seconds:g} s\n{self.output(job)}"
            time.sleep(0.5)
        return state

    def output(self, job: str) -> str:
        """Return what a job has printed so far."""
        path = self.folder / f"{job}.out"
        return path.read_text() if path.exists() else ""


@contextmanager
def slurm(machines: Sequence[Host], folder: Path, cpus: int = 2) -> Iterator[Slurm]:
    """Within this context a Slurm is up on hosts that share `folder`; the first is its controller.

    Each node offers `cpus` CPUs, and two GPUs by name.
    """
    configuration, key = folder / "slurm.conf", folder / "munge.key"
    nodes = "\n".join(_NODE.format(host=host, cpus=cpus) for host in machines)
    head = machines[0]
    configuration.write_text(_CONFIGURATION.format(folder=folder, head=head, nodes=nodes))
    (folder / "gres.conf").write_text("".join(f"Name=gpu File={path}\n" for path in _DEVICES))
    (folder / "state").mkdir()
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    daemons = [
        (head, "munged", "--foreground", "--force", f"--key-file={key}",
         f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
         f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"),
        (head, "slurmctld", "-D", "-f", configuration),
        *((host, "slurmd", "-D", "-f", configuration) for host in machines),
    ]  # fmt: skip
    with ExitStack() as stack:
        for host, name, *words in daemons:
            path, log = shutil.which(str(name)), folder / f"{name}-{host.name}.log"
            stack.enter_context(service(host, path, *words, log=log, environment=environment))
            _wait_for_socket(folder)
        made = Slurm(head, folder, {"SLURM_CONF": str(configuration)})
        _wait_for_nodes(made, len(machines))
        yield made


def _wait_for_socket(folder: Path) -> None:
    """Wait until munged listens; whatever comes after it asks it."""
    end = time.monotonic() + 20
    while not (folder / "munge.socket").exists():
        assert time.monotonic() < end, (folder / "munged.log").read_text()
        time.sleep(0.05)


def _wait_for_nodes(made: Slurm, number: int) -> None:
    end = time.monotonic() + 60
    while True:
        shown = made.head.run("sinfo", "-h", "-N", "-o", "%t", **made.environment).stdout
        if shown.split().count("idle") == number:
            return
        assert time.monotonic() < end, shown + (made.folder / "slurmctld-h0.log").read_text()
        time.sleep(0.2)

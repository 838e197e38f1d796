"""Drivers on a cluster, each a process of its own that may have a host name of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.study.driver import fault_lab as lab


@dataclass
class Driver:
    """A driver under way or ended; `log` is what it has printed."""

    process: subprocess.Popen[bytes]
    host: str
    log: Path
    began: float = field(default_factory=time.monotonic)

    @property
    def age_s(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.began

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.log.read_text()

    @property
    def last_sentence(self) -> str:
        """The last line that says why it ended, without what differs from run to run."""
        lines = self.text.splitlines() or [""]
        why = [line for line in lines if line.startswith(("bimp:", "the run ended early:"))]
        return (why or [lines[-1]])[-1]


def start(
    study: Path, out: str | Path, address: str, host: str, log: Path, *, impatient: bool = True
) -> Driver:
    """Start a driver on what calls itself `host`; elsewhere where this user may not name hosts."""
    command = [lab.BIMP, "run", str(study), "--out", str(out), "--address", address]
    if impatient:
        module = [sys.executable, "-m", "tests.study.driver.fault_lab", "run"]
        command = [*module, str(study), str(out), address]
    if lab.may_mount():
        named = ["sh", "-c", 'hostname "$0" && exec "$@"', host]
        command = ["unshare", "-u", *named, *command]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    return Driver(process, host, log)

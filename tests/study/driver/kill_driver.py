"""Drivers to be killed: runs of a small study, each in a process of its own.

`python -m tests.study.kill_driver run STUDY OUT [N before|after]` runs the study, and with N ends
itself by SIGKILL before or after its n-th write. `... lab STUDY ROOT RANDOM STRIDE` kills drivers
at every STRIDE-th write and at RANDOM times, runs each study again, and prints what differs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.files.storage import LocalFolder

_write = LocalFolder.write


def kill_self_at(n: int, when: str) -> None:
    """Make this process end by SIGKILL before or after its n-th write."""
    count = 0

    def write(self: LocalFolder, name: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == n and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        _write(self, name, data)
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)

    LocalFolder.write = write  # type: ignore[method-assign]


def run(study: str, out: str, at: Sequence[str] = ()) -> None:
    """Run a study as `bimp run` does."""
    from study import Study

    if at:
        kill_self_at(int(at[0]), at[1])
    summary = Study.load(study).run(out)
    assert summary.complete, summary


def start(study: str, out: Path, *at: str) -> subprocess.Popen[bytes]:
    """Start a driver."""
    command = [sys.executable, "-m", "tests.study.driver.kill_driver", "run", study, str(out), *at]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def outcome(out: Path) -> dict[str, Any]:
    """Records without times, and digests of the final weights."""
    from tests.trainables.trials.kill_lab import outcome

    return outcome(out)


def settled_files(out: Path) -> dict[str, bytes]:
    """The records that are settled, byte for byte."""
    found = {}
    for path in (out / "records").glob("*.json"):
        data = path.read_bytes()
        if json.loads(data)["state"] in ("done", "diverged", "stopped"):
            found[path.name] = data
    return found


def check_again(study: str, out: Path, calm: dict[str, Any], name: str) -> list[str]:
    """Run a disturbed study again; return what is wrong with it."""
    before = settled_files(out)
    if start(study, out).wait() != 0:
        return [f"{name}: the second run failed"]
    after = settled_files(out)
    faults = [f"{name}: {k} was run again" for k in before if after.get(k) != before[k]]
    if outcome(out) != calm:
        faults.append(f"{name}: differs from the undisturbed run")
    return faults


def lab(study: str, root: Path, n_random: int, stride: int) -> None:
    """Kill drivers and print, as JSON, how many were killed and what went wrong."""
    began = time.monotonic()
    assert start(study, root / "calm").wait() == 0
    length = time.monotonic() - began
    calm = outcome(root / "calm")
    faults, at_writes, at_random = [], 0, 0
    for when in ("before", "after"):
        n = 1
        while (driver := start(study, root / f"{when}-{n}", str(n), when)).wait() != 0:
            assert driver.returncode == -signal.SIGKILL
            at_writes += 1
            faults += check_again(study, root / f"{when}-{n}", calm, f"{when} write {n}")
            n += stride
    draw = random.Random(0)
    for k in range(n_random):
        driver = start(study, root / f"random-{k}")
        after_s = draw.uniform(0.3, 1.0) * length
        time.sleep(after_s)
        driver.kill()
        at_random += driver.wait() == -signal.SIGKILL
        faults += check_again(study, root / f"random-{k}", calm, f"killed after {after_s:.1f} s")
    told = {"trials": len(calm), "at_writes": at_writes, "at_random": at_random, "faults": faults}
    print(json.dumps(told))


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        lab(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))

"""What tests of faults share: nodes in namespaces of their own, small studies, and what they left.

`python -m tests.study.driver.fault_lab run STUDY OUT ADDRESS` is `bimp run` with less patience for
what gives no sign: a head, another driver, a worker.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from tests.study.driver.kill_driver import outcome
from tests.trainables.trials.plain import cache, job_for, run_job
from trainables.files.leases import is_local
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record

__all__ = ["outcome"]

RAY = str(Path(sys.executable).with_name("ray"))
BIMP = str(Path(sys.executable).with_name("bimp"))
LEASE_S = 6.0
"""How long a lease lasts for an impatient driver."""

SMALL: dict[str, Any] = {
    "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [16]}},
    "dense": {"epochs": 2},
    "prune": {"sparsity": 0.8},
    "retrain": {"schedule": {"grid": ["ft", "llr", "allr"]}, "epochs": 2},
    "seeds": [0, 1],
}
"""Six trials of a second, over two dense runs."""
LONG: dict[str, Any] = {
    **SMALL,
    "task": {"dataset": "digits", "model": {"name": "cnn", "channels": [8, 8]}},
    "dense": {"epochs": 30},
    "retrain": {"schedule": "ft", "epochs": 10},
    "seeds": [0, 1],
}
"""Two trials of some seconds."""


def study(name: str, base: Mapping[str, Any], **resources: Any) -> StudyFile:
    """A study with resources of its own."""
    return StudyFile.of({**base, "name": name, "resources": resources})


def records_in(folder: Path) -> list[Record]:
    return StudyFolder(str(folder)).records().records


def undisturbed(study: StudyFile, folder: Path) -> dict[str, Any]:
    """What a study leaves whose trials run one after another in this process, without Ray."""
    tasks = cache()
    for trial in resolve(study).trials or ():
        job = job_for(trial.config, folder, trial.seed)
        report = run_job(replace(job, context=replace(job.context, study=study.name)), tasks)
        assert report.outcome == "done", report
    return dict(outcome(folder))


def wait_for(found: Callable[[], Any], seconds: float = 150.0) -> Any:
    """Return what a function finds, tried again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if thing := found():
            return thing
        time.sleep(0.02)
    raise AssertionError("waited too long")


def may_mount() -> bool:
    """Whether this user may make namespaces and mount in them."""
    return subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    ).returncode == 0  # fmt: skip


@contextmanager
def node(address: str, setup: str = "true", cpus: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """A node of a cluster in namespaces of its own, for mounts and processes.

    `setup` is what its shell does first; ending the process ends the node, all at once.
    """
    alone = "mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray"  # Ray's sockets are of one name
    start = f"{RAY} start --address={address} --num-cpus={cpus} --block"
    apart = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
    process = subprocess.Popen(
        [*apart, "sh", "-c", f"{alone} && {setup} && {start}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_only(folder: Path) -> str:
    """What makes a folder read-only in a node's shell."""
    return f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"


def not_shared(folder: Path) -> str:
    """What gives a node's shell another, empty folder in the place of one."""
    return f"mount -t tmpfs tmpfs {folder}"


def n_alive() -> int:
    import ray

    return sum(entry["Alive"] for entry in ray.nodes())  # type: ignore[no-untyped-call]


def foreign_partial(folder: Path) -> bool:
    """Whether a worker that is of another host by its lease has saved a partial state."""
    for lease in folder.glob("stages/*/lease-*.json"):
        with suppress(OSError):
            if not is_local(lease.read_text()) and any(lease.parent.glob("partial-*")):
                return True
    return False


def main(arguments: list[str]) -> None:
    """Run a study as the command does, impatiently."""
    from functools import partial

    from study.cli import main as command
    from study.driver import head, launch, run_lease, searcher, step_clock, work

    head.PATIENCE_S = 2.0  # type: ignore[misc]
    head.EVERY_S = 0.5  # type: ignore[misc]
    look = partial(run_lease.refuse_another_run, timeout_s=LEASE_S, poll_s=0.5)
    launch.refuse_another_run = look  # type: ignore[assignment]
    foreign = partial(searcher.ForeignStages, timeout_s=LEASE_S)
    searcher.ForeignStages = foreign  # type: ignore[assignment,misc]
    searcher.POLL_S = searcher.REMOTE_POLL_S = 0.5
    work.STATUS_EVERY_S = work.REMOTE_STATUS_EVERY_S = 1.0
    step_clock.LEAST_S = 12.0  # type: ignore[misc]
    study, out, address = arguments
    sys.argv = ["bimp", "run", study, "--out", out, "--address", address]
    command()


if __name__ == "__main__":
    main(sys.argv[2:])

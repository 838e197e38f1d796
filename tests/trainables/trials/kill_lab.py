"""A process that runs a tiny study again and again, killed at every point where it writes.

Each attempt is a forked child that SIGKILLs itself just before or just after its n-th write; a
second child then runs the study to its end. Prints, as JSON, what differs from an undisturbed run.
Run as `python -m tests.trainables.kill_lab FOLDER CHECKPOINT_S [STRIDE]`: every STRIDE-th write.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.trainables.trials.plain import cache, job_for, last_stage, run_job, timeless, tiny
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.trials.stage_store import Stage
from trainables.trials.task_cache import TaskCache

CONFIGS = [
    tiny(prune={"cycles": 2}, retrain={"schedule": "allr", "epochs": 3}),
    tiny(
        dense={"optimiser": "adamw", "lr": 0.01},
        prune={"cycles": 2},
        retrain={"schedule": "ft", "epochs": 3},
    ),
]
_write = LocalFolder.write


def study(folder: Path, checkpoint_s: float, tasks: TaskCache) -> None:
    """Run what is not settled, as a driver and its worker would."""
    for config in CONFIGS:
        job = job_for(config, folder, checkpoint_s=checkpoint_s)
        known = StudyFolder(str(folder)).read_record(job.fingerprint)
        if known is None or not known.settled:
            run_job(job, tasks)


def in_child(work: Callable[[], None]) -> int:
    """Run a function in a forked child; return its wait status."""
    pid = os.fork()
    if pid == 0:
        try:
            torch.set_num_threads(1)
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def kill_at(n: int, *, after: bool) -> None:
    """Make this process end by SIGKILL before or after its n-th write."""
    count = 0

    def write(self: LocalFolder, name: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == n and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        _write(self, name, data)
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)

    LocalFolder.write = write  # type: ignore[method-assign]


def outcome(folder: Path) -> dict[str, Any]:
    """What a study left: records without times, and a digest of the final weights and momentum."""
    found = {}
    for record in StudyFolder(str(folder)).records().records:
        found[record.fingerprint] = {
            "record": timeless(record),
            "tensors": tensors(last_stage(folder, record)),
        }
    return found


def tensors(stage: Stage) -> dict[str, str]:
    """Each tensor of a stage as the hexadecimal text of its bytes' hash."""
    import hashlib

    both = {**stage.weights, **{f"state.{k}": v for k, v in stage.state.items()}}
    return {
        k: hashlib.sha256(v.contiguous().numpy().tobytes()).hexdigest() for k, v in both.items()
    }


def main(root: Path, checkpoint_s: float, stride: int = 1) -> None:
    """Kill at every write, before and after, and compare."""
    tasks = cache()
    tasks.loaded(CONFIGS[0])  # read the data once, before the children are forked
    assert in_child(lambda: study(root / "calm", checkpoint_s, tasks)) == 0
    calm = outcome(root / "calm")
    faults, kills = [], 0
    for after in (False, True):
        n = 1
        while True:
            folder = root / f"{'after' if after else 'before'}-{n}"

            def disturbed(n: int = n, after: bool = after, folder: Path = folder) -> None:
                kill_at(n, after=after)
                study(folder, checkpoint_s, tasks)

            status = in_child(disturbed)
            if not os.WIFSIGNALED(status):
                break
            kills += 1
            if in_child(lambda folder=folder: study(folder, checkpoint_s, tasks)) != 0:
                faults.append(f"{folder.name}: the second run failed")
            elif outcome(folder) != calm:
                faults.append(f"{folder.name}: differs from the undisturbed run")
            n += stride
    print(json.dumps({"kills": kills, "trials": len(calm), "faults": faults}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int((*sys.argv, 1)[3]))

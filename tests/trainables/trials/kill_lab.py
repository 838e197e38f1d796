"""A process that runs a tiny study again and again, killed at every point where it writes.

Each attempt is a forked child that SIGKILLs itself just before or just after its n-th write; a
second child then runs the study to its end. Prints, as JSON, what differs from an undisturbed run,
and how often each trial was the one that was killed. Run as

    python -m tests.trainables.trials.kill_lab FOLDER CHECKPOINT_S [STRIDE [SET]]

for every STRIDE-th write of one of `SETS`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tests.trainables.methods import lab
from tests.trainables.trials.plain import cache, job_for, last_stage, run_job, timeless, tiny
from trainables.config.chain import fingerprint
from trainables.config.trial import TrialConfig
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.trials.stage_store import Stage
from trainables.trials.task_cache import TaskCache

ADAMW: dict[str, Any] = {"optimiser": "adamw", "lr": 0.01, "weight_decay": 0.1}
_FORMS: list[tuple[str, dict[str, Any]]] = [
    ("gmp", {}), ("gmp", {"method": {"recover": True}}), ("dpf", {}), ("dnw", {}), ("cs", {}),
    ("dst", {}),
]  # fmt: skip

SETS: dict[str, dict[str, TrialConfig]] = {
    "imp": {
        "sgd": tiny(prune={"cycles": 2}, retrain={"schedule": "allr", "epochs": 3}),
        "adamw": tiny(
            dense={"optimiser": "adamw", "lr": 0.01},
            prune={"cycles": 2},
            retrain={"schedule": "ft", "epochs": 3},
        ),
    },
    "adamw": {
        "imp": tiny(dense=ADAMW, prune={"cycles": 2}, retrain={"schedule": "allr", "epochs": 2}),
        "bimp": TrialConfig.of(
            {
                "task": {"dataset": {"name": "digits", "n_train": 100}, "model": "mlp"},
                "dense": {"batch_size": 16, **ADAMW},
                "method": "bimp",
                "prune": {"sparsity": 0.8, "cycles": 2},
                "budget": {"epochs": 4, "dense_fraction": 0.5},
            }
        ),
        **{
            name + "".join(over.get("method", {})): lab.config(name, **over, dense=ADAMW)
            for name, over in _FORMS
        },
    },
}
"""Trials by name: of IMP under both optimisers; under AdamW of every method that allows it."""

Configs = Mapping[str, TrialConfig]
_write = LocalFolder.write


def study(configs: Configs, folder: Path, checkpoint_s: float, tasks: TaskCache) -> None:
    """Run what is not settled, as a driver and its worker would."""
    for config in left(configs, folder).values():
        run_job(job_for(config, folder, checkpoint_s=checkpoint_s), tasks)


def left(configs: Configs, folder: Path) -> dict[str, TrialConfig]:
    """The trials without a settled record."""
    known = {r.fingerprint for r in StudyFolder(str(folder)).records().records if r.settled}
    return {name: c for name, c in configs.items() if fingerprint(c, 0) not in known}


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


def main(root: Path, checkpoint_s: float, stride: int = 1, which: str = "imp") -> None:
    """Kill at every write, before and after, and compare."""
    tasks, configs = cache(), SETS[which]
    tasks.loaded(next(iter(configs.values())))  # read the data once, before the children are forked
    assert in_child(lambda: study(configs, root / "calm", checkpoint_s, tasks)) == 0
    calm = outcome(root / "calm")
    faults, kills, killed = [], 0, Counter[str]()
    for after in (False, True):
        n = 1
        while True:
            folder = root / f"{'after' if after else 'before'}-{n}"

            def disturbed(n: int = n, after: bool = after, folder: Path = folder) -> None:
                kill_at(n, after=after)
                study(configs, folder, checkpoint_s, tasks)

            status = in_child(disturbed)
            if not os.WIFSIGNALED(status):
                break
            kills += 1
            killed.update(list(left(configs, folder))[:1])
            if in_child(lambda folder=folder: study(configs, folder, checkpoint_s, tasks)) != 0:
                faults.append(f"{folder.name}: the second run failed")
            elif outcome(folder) != calm:
                faults.append(f"{folder.name}: differs from the undisturbed run")
            n += stride
    print(json.dumps({"kills": kills, "killed": killed, "trials": len(calm), "faults": faults}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), *map(int, sys.argv[3:4]), *sys.argv[4:])

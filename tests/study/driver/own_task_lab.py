"""A user's task on an image folder, disturbed: workers, loader processes and drivers are killed.

`python -m tests.study.driver.own_task_lab ROOT` writes pictures and a task, runs its study calmly,
with other numbers of loader processes, with its pictures in memory, on two nodes that have not got
the code, and disturbed, and prints as JSON what differs. Six schedules, two sparsities, two seeds;
a depthwise convolution, tied weights, dropout in the forward, random transforms, label smoothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
import psutil
from PIL import Image

from tests.study.driver.kill_driver import outcome

BIMP = str(Path(sys.executable).with_name("bimp"))
ENVIRONMENT = {**os.environ, "RAY_AUTH_MODE": "disabled"}

TASK = """
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from trainables.tasks import Classification, Splits, hold_out

class Pictures(torch.utils.data.Dataset):
    def __init__(self, root, train):
        self.files = sorted(Path(root).glob("*/*.png"))
        self.labels = [int(f.parent.name) for f in self.files]
        self.train = train
    def __len__(self):
        return len(self.files)
    def decode(self, i):
        with Image.open(self.files[i]) as picture:
            return np.array(picture.convert("RGB")), self.labels[i]
    def transform(self, item):
        from transforms_of_mine import evaluation, training
        change = training() if self.train else evaluation()
        return change(Image.fromarray(item[0])), item[1]
    def __getitem__(self, i):
        return self.transform(self.decode(i))

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.one, self.two = nn.Linear(width, width), nn.Linear(width, width)
        self.two.weight = self.one.weight
        self.head = nn.Linear(width, 3)
    def forward(self, x):
        x = functional.relu(self.depthwise(functional.relu(self.norm(self.stem(x)))))
        x = functional.dropout(x.amax((2, 3)), 0.1, self.training)
        return self.head(functional.relu(self.two(functional.relu(self.one(x)))))

class Mine(Classification):
    smoothing = 0.1
    def __init__(self, root: Path, width: int = 8) -> None:
        self.root, self.width = root, width
    def splits(self):
        plain, noisy = Pictures(self.root / "train", False), Pictures(self.root / "train", True)
        train, val = hold_out(plain, 0.2, labels=plain.labels)
        train = type(train)(noisy, train.indices)
        return Splits(train, val, Pictures(self.root / "test", False))
    def model(self):
        return Net(self.width)
"""

TRANSFORMS = """
def training():
    import torch
    from torchvision.transforms import v2
    return v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(16, padding=2),
                       v2.ColorJitter(0.2), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

def evaluation():
    import torch
    from torchvision.transforms import v2
    return v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
"""

STUDY = """
name: mine
task: {use: "my_task:Mine", width: 8}
dense: {epochs: 4, lr: 0.05, batch_size: 32}
prune: {sparsity: {grid: [0.5, 0.8]}}
retrain: {schedule: {grid: [ft, lrw, slr, clr, llr, allr]}, epochs: 2}
seeds: [0, 1]
resources: {checkpoint_s: 0.2}
"""


def write_study(root: Path, n: int = 300) -> Path:
    """Write pictures of three classes, the task, its helper and the study; return the study."""
    draw = np.random.default_rng(0)
    for part, many in (("train", n), ("test", n // 5)):
        for index in range(many):
            kind = index % 3
            picture = draw.integers(0, 120, (16, 16, 3))
            picture[4:12, 4:12, kind] += 110
            path = root / "data" / part / str(kind) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.astype(np.uint8)).save(path)
    code = root / "code"
    code.mkdir()
    (code / "my_task.py").write_text(TASK)
    (code / "transforms_of_mine.py").write_text(TRANSFORMS)
    (code / "study.yaml").write_text(f"{STUDY}data: {{root: {root / 'data'}}}\n")
    return code / "study.yaml"


def start(
    study: Path, out: Path, processes: int, memory: str = "off", *more: str
) -> subprocess.Popen[bytes]:
    """Start a driver whose trials load with so many processes."""
    sets = ("--set", f"data.processes={processes}", "--set", f"data.memory={memory}")
    log = (out.parent / f"{out.name}.log").open("ab")
    return subprocess.Popen(
        [BIMP, "run", str(study), "--out", str(out), *sets, *more],
        stdout=log, stderr=subprocess.STDOUT, env=ENVIRONMENT,
    )  # fmt: skip


@contextmanager
def two_nodes_without(code: Path, log: Path) -> Iterator[str]:
    """Start a head and two nodes of one CPU that see an empty folder where the code is; needs root.

    Yields the cluster's address.
    """
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    ray = f"exec {Path(sys.executable).with_name('ray')} start --block --disable-usage-stats"
    hidden = f"mount -t tmpfs tmpfs {code} && {ray} --address {address} --num-cpus 1"
    port = address.partition(":")[2]
    head = f"{ray} --head --port {port} --num-cpus 0 --include-dashboard false"
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        for command in (["sh", "-c", head], *[["unshare", "-m", "sh", "-c", hidden]] * 2):
            output = log.open("ab")
            nodes.append(
                subprocess.Popen(
                    command, stdout=output, stderr=output, env=ENVIRONMENT, start_new_session=True
                )
            )
            while log.read_text().count("will now block forever") < len(nodes):
                assert nodes[-1].poll() is None, log.read_text()
                time.sleep(0.5)
        yield address
    finally:
        for node in reversed(nodes):
            for process in [*_below(psutil.Process(node.pid)), node]:
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    process.kill()
            node.wait()


def workers(driver: int) -> list[psutil.Process]:
    """The processes that run trials, of any Ray below a driver."""
    return [p for p in _below(psutil.Process(driver)) if "Trainable" in _title(p)]


def loaders(driver: int) -> list[psutil.Process]:
    """The loader processes of trials."""
    return [child for worker in workers(driver) for child in _below(worker)
            if "resource_tracker" not in _title(child)]  # fmt: skip


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _title(process: psutil.Process) -> str:
    """The command line of a process; nothing of one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def killed(study: Path, out: Path, victims: Callable[[int], list[Any]], times: int) -> int:
    """Run to the end while processes are killed now and then; return how many were."""
    kills = 0
    for _ in range(times + 6):
        driver = start(study, out, 1)
        while driver.poll() is None:
            time.sleep(1.0)
            if kills < times and any((out / "stages").glob("*/partial-*")):
                for victim in victims(driver.pid)[:1]:
                    with suppress(psutil.NoSuchProcess):
                        victim.send_signal(signal.SIGKILL)
                        kills += 1
        if driver.returncode == 0:
            return kills
    raise AssertionError(f"{out} did not end")


def the_driver(pid: int) -> list[psutil.Process]:
    """The driver itself."""
    return [psutil.Process(pid)]


def lab(root: Path, times: int) -> None:
    """Run everything, and print what differs from the calm run."""
    study = write_study(root)
    assert start(study, root / "calm", 0).wait() == 0
    calm, report = outcome(root / "calm"), {"trials": 0, "kills": {}, "faults": []}
    report["trials"] = len(calm)
    for processes, memory in ((1, "off"), (3, "off"), (0, "on"), (1, "on")):
        out = root / f"processes-{processes}-memory-{memory}"
        assert start(study, out, processes, memory).wait() == 0
        if outcome(out) != calm:
            report["faults"].append(f"{processes} loader processes, memory {memory}: differs")
    with two_nodes_without(study.parent, root / "nodes.log") as address:
        assert start(study, root / "nodes", 1, "off", "--address", address).wait() == 0
    if outcome(root / "nodes") != calm:
        report["faults"].append("two nodes without the code differ")
    for name, victims in (("worker", workers), ("loader", loaders), ("driver", the_driver)):
        report["kills"][name] = killed(study, root / name, victims, times)
        if outcome(root / name) != calm:
            report["faults"].append(f"killing a {name} makes a difference")
    print(json.dumps(report))


if __name__ == "__main__":
    lab(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4)

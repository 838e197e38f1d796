"""How long a fault makes a study take: the same small study without it and with it, in turn.

`python -m tests.study.driver.fault_times N FAULT...` runs an undisturbed study and then one with
each fault, N times, and prints what was lost and how busy the machine was; `partition` alone has a
cluster of its own. A fault comes at a fixed point: once both trials have been saved three times.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from tests.study.driver import fault_lab as lab
from tests.study.driver.drivers import Driver, start
from tests.study.driver.faulty_stores import Disk, small_disk
from tests.study.driver.networks import cluster_in, driver_in
from tests.study.driver.random_faults import differences
from tests.study.driver.raylets import Raylets, cluster_of, workers_of

STUDY: dict[str, Any] = {
    **lab.LONG,
    "name": "timed",
    "dense": {"epochs": 60},
    "resources": {"checkpoint_s": 0.5},
}
"""Two trials of some seconds at once, saved twice a second."""

OUTAGE_S = 8.0
PARTITION_S = 60.0
SAVES = 3


@dataclass
class Lab:
    """A cluster of two nodes, a disk, and one study after another on them."""

    root: Path
    cluster: Raylets
    disk: Disk
    _number: Any = field(default_factory=count)

    def begin(self) -> Path:
        """Write the study of a new folder."""
        at = Path(self.disk.location(f"{next(self._number)}"))
        self.study = at.with_suffix(".json")
        self.study.write_text(json.dumps(STUDY))
        return at

    def driver(self, out: Path, host: str = "one") -> Driver:
        log = self.root / f"driver-{next(self._number)}.log"
        return start(self.study, out, self.cluster.address, host, log, impatient=False)

    def worker(self) -> psutil.Process:
        """A process at a trial."""
        return next(w for node in self.cluster.nodes for w in workers_of(node))


def both_saved(out: Path) -> None:
    """Return once both trials have been saved so often."""
    times: dict[str, set[int]] = {}

    def enough() -> bool:
        for path in out.glob("stages/*/partial-*"):
            with suppress(OSError):
                times.setdefault(path.name, set()).add(path.stat().st_mtime_ns)
        return sum(len(each) >= SAVES for each in times.values()) >= 2

    lab.wait_for(enough)


def ends(driver: Driver, status: int) -> None:
    """Wait until a driver ends, with the status that it must have."""
    assert driver.process.wait(timeout=600) == status, driver.text
    assert "Traceback" not in driver.text, driver.text


def twice(lab_: Lab, out: Path, first: Driver, status: int) -> None:
    """Wait for a driver's end, and run the same command again."""
    ends(first, status)
    ends(lab_.driver(out), 0)


def outage(lab_: Lab, out: Path, driver: Driver) -> None:
    """The disk of the study is read-only for seconds."""
    lab_.disk.fail("is read-only")
    time.sleep(OUTAGE_S)
    lab_.disk.heal()
    ends(driver, 0)


def worker(lab_: Lab, out: Path, driver: Driver) -> None:
    """A worker is killed."""
    lab_.worker().kill()
    ends(driver, 0)


def stopped(lab_: Lab, out: Path, driver: Driver) -> None:
    """A worker is stopped for ever."""
    process = lab_.worker()
    process.suspend()
    ends(driver, 0)
    assert not process.is_running()


def node(lab_: Lab, out: Path, driver: Driver) -> None:
    """A node dies; another one joins a second later."""
    lab_.cluster.lose(lab_.cluster.nodes[0], 0.0)
    time.sleep(1.0)
    lab_.cluster.tend()
    ends(driver, 0)


def nodes(lab_: Lab, out: Path, driver: Driver) -> None:
    """Both nodes die at once; two others join a second later."""
    for each in lab_.cluster.nodes:
        lab_.cluster.lose(each, 0.0)
    time.sleep(1.0)
    lab_.cluster.tend()
    ends(driver, 0)


def head(lab_: Lab, out: Path, driver: Driver) -> None:
    """The head is killed; the cluster is started anew once the driver has said so."""
    lab_.cluster.lose_head()
    ends(driver, 3)
    lab_.cluster.restart()
    ends(lab_.driver(out), 0)


def sigterm(lab_: Lab, out: Path, driver: Driver) -> None:
    """SIGTERM to the driver, and the same command again."""
    driver.process.terminate()
    twice(lab_, out, driver, 1)


def sigkill(lab_: Lab, out: Path, driver: Driver) -> None:
    """SIGKILL to the driver, and the same command again at once."""
    driver.process.kill()
    twice(lab_, out, driver, -signal.SIGKILL)


def frozen(lab_: Lab, out: Path, driver: Driver) -> None:
    """The driver is frozen for ever, and the same command given on another host."""
    driver.process.send_signal(signal.SIGSTOP)
    ends(lab_.driver(out, "two"), 0)
    driver.process.send_signal(signal.SIGCONT)
    ends(driver, 1)


def second(lab_: Lab, out: Path, driver: Driver) -> None:
    """The same command is given on another host while the driver is at work."""
    other = lab_.driver(out, "two")
    ends(driver, 0)
    assert other.process.wait(timeout=200) in (0, 2), other.text


def bad(lab_: Lab, out: Path, driver: Driver) -> None:
    """A third node has the folder read-only from before the start."""
    ends(driver, 0)


Fault = Callable[[Lab, Path, Driver], None]
FAULTS: dict[str, Fault] = {
    deed.__name__: deed
    for deed in (
        outage, worker, stopped, node, nodes, head, sigterm, sigkill, frozen, second, bad,
    )
}  # fmt: skip


def seconds_of(lab_: Lab, fault: Fault | None, calm: dict[str, Any]) -> float:
    """Return how long the study takes from its first driver's start to its end, and check it."""
    out = lab_.begin()
    with ExitStack() as stack:
        if fault is bad:
            from tests.study.driver.test_cluster_faults import wait_for_nodes

            stack.enter_context(lab.node(lab_.cluster.address, lab.read_only(Path(out).parent)))
            wait_for_nodes(lab_.cluster, 4)
        began = time.monotonic()
        driver = lab_.driver(out)
        stack.callback(driver.process.kill)
        if fault is None:
            ends(driver, 0)
        else:
            both_saved(out)
            fault(lab_, out, driver)
        seconds = time.monotonic() - began
    assert differences(out, calm) == []
    return seconds


def partition(root: Path, cut: bool, calm: dict[str, Any]) -> float:
    """The same where head and nodes have networks of their own; `cut` takes one node off it."""
    root.mkdir()
    (root / "study.json").write_text(json.dumps(STUDY))
    out = root / "out"
    with cluster_in(root, 2) as network:
        began = time.monotonic()
        with driver_in(network, root / "study.json", out) as driver, ExitStack() as stack:
            both_saved(out)
            if cut:
                network.cut(2)
                timer = threading.Timer(PARTITION_S, network.join, (2,))
                timer.start()
                stack.callback(timer.cancel)
            text, _ = driver.communicate(timeout=300)
            seconds = time.monotonic() - began
    assert driver.returncode == 0, text
    assert differences(out, calm) == []
    return seconds


@dataclass
class Times:
    """The seconds of one fault's studies, each with those of the undisturbed one of its round."""

    pairs: list[tuple[float, float]] = field(default_factory=list)

    def line(self, name: str) -> str:
        """Return what was lost, the median first."""
        lost = [disturbed - calm for calm, disturbed in self.pairs]
        shown = ", ".join(f"{calm:.1f} and {disturbed:.1f}" for calm, disturbed in self.pairs)
        return (
            f"{name}: {statistics.median(lost):.1f} s lost ({min(lost):.1f} to {max(lost):.1f},"
            f" n={len(lost)}); without and with it {shown} s"
        )


def rounds(names: Sequence[str], n: int, root: Path) -> dict[str, Times]:
    """Measure an undisturbed study and then one with each fault, so often."""
    calm = lab.undisturbed(lab.study("timed", STUDY, **STUDY["resources"]), root / "calm")
    times = {name: Times() for name in names}
    with ExitStack() as stack:
        stack.enter_context(small_disk(root / "disk", "256m"))
        cluster = stack.enter_context(cluster_of(2, patience={}))
        lab_ = Lab(root, cluster, Disk(root / "disk"))
        for _ in range(n):
            plain = seconds_of(lab_, None, calm)
            for name in names:
                times[name].pairs.append((plain, seconds_of(lab_, FAULTS[name], calm)))
                print(f"{times[name].line(name)}; load {os.getloadavg()[0]:.0f}", flush=True)
    return times


def partitions(n: int, root: Path) -> Times:
    """Measure a study without and with a node off the network, so often."""
    calm = lab.undisturbed(lab.study("timed", STUDY, **STUDY["resources"]), root / "calm")
    times = Times()
    for k in range(n):
        plain = partition(root / f"whole-{k}", False, calm)
        times.pairs.append((plain, partition(root / f"cut-{k}", True, calm)))
    return times


def main(names: Sequence[str], n: int) -> None:
    """Measure and print."""
    root = Path(tempfile.mkdtemp(prefix="fault-times-"))
    times = {"partition": partitions(n, root)} if "partition" in names else rounds(names, n, root)
    for name, each in times.items():
        print(each.line(name))
    print(f"load {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(sys.argv[2:], int(sys.argv[1]))

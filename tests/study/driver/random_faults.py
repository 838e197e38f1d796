"""Faults drawn at random from a seed while small studies run on a cluster of several raylets.

`python -m tests.study.driver.random_faults SEED SECONDS` prints the seed, every fault, how drivers
ended, and what differs from an undisturbed run.
"""

from __future__ import annotations

import heapq
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from tests.ailing_s3 import FlakyGate, s3_server
from tests.study.driver import fault_lab as lab
from tests.study.driver.drivers import Driver, start
from tests.study.driver.faulty_stores import (
    Bucket,
    Disk,
    FaultyStore,
    copied,
    small_disk,
)
from tests.study.driver.raylets import Raylets, cluster_of, processes_of, workers_of

STUDY: dict[str, Any] = {
    "task": {"dataset": "digits", "model": {"name": "cnn", "channels": [8, 8]}},
    "dense": {"epochs": 12},
    "prune": {"sparsity": 0.8, "cycles": 2},
    "retrain": {"schedule": {"grid": ["ft", "llr", "allr"]}, "epochs": 4},
    "seeds": [0, 1],
}
"""Six trials of some seconds, over two dense runs."""

PAUSE_S = 1.0
"""Between two faults, on the average; twice that while a driver starts."""

N_FAULTS = 25
"""So many faults disturb a study; then all is mended, and it goes on to its end."""

PATIENCE_S = 240.0
"""How long it may take from then."""

HOSTS = ("one", "two")


@dataclass
class Report:
    """What a lab has seen."""

    seed: int
    studies: int = 0
    faults: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    sentences: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def as_text(self) -> str:
        """Return all of it, one thing per line."""
        kinds = Counter(fault.partition(": ")[2].partition(",")[0] for fault in self.faults)
        return "\n".join(
            [
                f"seed {self.seed}: {len(self.faults)} faults in {self.studies} studies,"
                f" {len(self.differences)} differences",
                *(f"{n} times {kind}" for kind, n in kinds.most_common()),
                *(f"{n} drivers ended with {status}" for status, n in self.statuses.items()),
                *(f"{n} times: {sentence}" for sentence, n in self.sentences.most_common()),
                *(f"DIFFERENCE: {difference}" for difference in self.differences),
            ]
        )


class Lab:
    """One study after another under faults, for some seconds and at least `least` faults."""

    def __init__(
        self,
        seed: int,
        seconds: float,
        root: Path,
        cluster: Raylets,
        stores: list[FaultyStore],
        least: int,
    ) -> None:
        self.report = Report(seed)
        self._draw, self._root, self._cluster = random.Random(seed), root, cluster
        self._stores = stores
        self._least = least
        self._began = time.monotonic()
        self._end = self._began + seconds
        self._next = self._began
        self._undo: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._drivers: list[Driver] = []

    def run(self, calm: Mapping[str, Any]) -> Report:
        """Run studies for so long."""
        while len(self.report.faults) < self._least or time.monotonic() < self._end:
            self._one_study(calm)
        return self.report

    def _one_study(self, calm: Mapping[str, Any]) -> None:
        number = self.report.studies
        self.report.studies += 1
        self._store = self._stores[(self.report.seed + number) % len(self._stores)]
        self._location = self._store.location(f"study-{number}")
        self._study = self._root / f"study-{number}.json"
        resources = {"retries": 50, "checkpoint_s": 0.3, "store_patience": 60}
        raw = {**STUDY, "name": "disturbed", "resources": resources}
        self._study.write_text(json.dumps(raw))
        if not self._runs_to_its_end():
            self._differs(f"study {number} did not end in {PATIENCE_S:.0f} s without faults")
        self._mend()
        self._end_drivers()
        try:
            folder = copied(self._location, self._root / f"copy-{number}")
            for difference in differences(folder, calm):
                self._differs(f"study {number}: {difference}")
        except Exception as error:
            self._differs(f"study {number} cannot be read: {error!r}")

    def _runs_to_its_end(self) -> bool:
        faults_before, calm_since = len(self.report.faults), None
        while calm_since is None or time.monotonic() < calm_since + PATIENCE_S:
            now, n = time.monotonic(), len(self.report.faults) - faults_before
            if calm_since is None and (n >= N_FAULTS or (now >= self._end and n >= self._least)):
                calm_since = now
                self._mend()
            while self._undo and self._undo[0][0] <= now:
                heapq.heappop(self._undo)[2]()
            self._tend()
            if self._bury():
                return True
            if self._cluster.has_head and not self._drivers:
                self._start(self._draw.choice(HOSTS))
            if calm_since is None and now >= self._next:
                self._fault()
                pause = self._draw.expovariate(1 / PAUSE_S)
                self._next = now + pause * (1 if self._at_work else 2)
            time.sleep(0.05)
        return False

    @property
    def _at_work(self) -> bool:
        return any("Ray is up" in driver.text for driver in self._drivers)

    def _tend(self) -> None:
        if self._cluster.has_head:
            self._cluster.tend()
        elif not self._drivers:
            self._cluster.restart()

    def _start(self, host: str) -> None:
        log = self._root / f"driver-{next(self._number)}.log"
        self._drivers.append(start(self._study, self._location, self._cluster.address, host, log))

    def _bury(self) -> bool:
        """Look at the drivers that have ended; whether one has completed the study."""
        complete = False
        for driver in [d for d in self._drivers if d.process.poll() is not None]:
            self._drivers.remove(driver)
            status, text = driver.process.returncode, driver.log.read_text()
            self.report.statuses[status] += 1
            if status not in (0, -signal.SIGKILL):
                self.report.sentences[driver.last_sentence] += 1
            if "Traceback" in text or status not in (0, 1, 2, 3, -signal.SIGKILL):
                self._differs(f"a driver ended with status {status}, see {driver.log}")
            complete |= status == 0
        return complete

    def _end_drivers(self) -> None:
        end = time.monotonic() + 60
        while self._drivers and time.monotonic() < end:
            self._bury()
            time.sleep(0.05)
        for driver in self._drivers:
            self._differs(f"a driver did not end, see {driver.log}")
            driver.process.kill()
            driver.process.wait()
        self._drivers.clear()

    def _differs(self, what: str) -> None:
        print(f"DIFFERENCE: {what}", flush=True)
        self.report.differences.append(what)

    def _mend(self) -> None:
        """Undo all that is out of order, but what has been killed."""
        while self._undo:
            heapq.heappop(self._undo)[2]()
        self._store.heal()
        if self._cluster.has_head:
            self._cluster.tend(at_once=True)

    def _later(self, seconds: float, undo: Callable[[], None]) -> None:
        heapq.heappush(self._undo, (time.monotonic() + seconds, next(self._number), undo))

    def _fault(self) -> None:
        kinds, weights = zip(*KINDS.items(), strict=True)
        [kind] = self._draw.choices(kinds, weights)
        if self._cluster.has_head and (text := kind(self)):
            at = time.monotonic() - self._began
            self.report.faults.append(f"{at:6.1f} s: {text}")
            print(self.report.faults[-1], flush=True)

    def _worker(self) -> psutil.Process | None:
        workers = [worker for node in self._cluster.nodes for worker in workers_of(node)]
        return self._draw.choice(workers) if workers else None

    def kill_worker(self) -> str:
        if (worker := self._worker()) is None:
            return ""
        with suppress(psutil.NoSuchProcess):
            worker.kill()
        return f"worker killed, process {worker.pid}"

    def stop_worker(self) -> str:
        if (worker := self._worker()) is None:
            return ""
        return self._stopped("worker stopped", [worker], self._draw.uniform(0.3, 5.0))

    def stop_node(self) -> str:
        node = self._draw.choice(self._cluster.nodes) if self._cluster.nodes else None
        if node is None:
            return ""
        processes = processes_of(node)
        return self._stopped("node stopped", processes, self._draw.uniform(1.0, 12.0))

    def _stopped(self, what: str, processes: list[psutil.Process], seconds: float) -> str:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()

        def go_on() -> None:
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

        self._later(seconds, go_on)
        return f"{what}, {len(processes)} processes for {seconds:.1f} s"

    def kill_node(self) -> str:
        if not self._cluster.nodes:
            return ""
        seconds = self._draw.uniform(0.0, 4.0)
        self._cluster.lose(self._draw.choice(self._cluster.nodes), seconds)
        return f"node killed, a new one after {seconds:.1f} s"

    def kill_driver(self) -> str:
        if not self._drivers:
            return ""
        driver = self._draw.choice(self._drivers)
        driver.process.kill()
        return f"driver killed, {driver.age_s:.1f} s old"

    def stop_driver(self) -> str:
        """For a while, or until a driver of another host has taken its lease for a dead one's."""
        if len(self._drivers) != 1:
            return ""
        [driver] = self._drivers
        process = psutil.Process(driver.process.pid)
        if self._draw.random() < 0.4:
            return self._stopped("driver stopped", [process], self._draw.uniform(0.5, 4.0))
        host = self._draw.choice(HOSTS)
        seconds = lab.LEASE_S + self._draw.uniform(4.0, 12.0)
        text = self._stopped("driver stopped beside another", [process], seconds)
        self._start(host)
        return f"{text}; on {driver.host}, the other on {host}"

    def kill_head(self) -> str:
        self._cluster.lose_head()
        return "head killed"

    def fail_store(self) -> str:
        outage, seconds = self._draw.choice(self._store.outages), self._draw.uniform(0.3, 5.0)
        self._store.heal()
        self._store.fail(outage)
        self._later(seconds, self._store.heal)
        return f"store {outage}, for {seconds:.1f} s"


KINDS: dict[Callable[[Lab], str], float] = {
    Lab.kill_worker: 6,
    Lab.stop_worker: 5,
    Lab.fail_store: 6,
    Lab.kill_node: 1.2,
    Lab.stop_node: 1.0,
    Lab.kill_driver: 1.2,
    Lab.stop_driver: 1.2,
    Lab.kill_head: 0.4,
}
"""What may happen, and how often in proportion."""


def differences(folder: Path, calm: Mapping[str, Any]) -> list[str]:
    """Return what of a study is not as it is where nothing disturbs it."""
    outcome = lab.outcome(folder)
    trials = sorted(calm.keys() | outcome.keys())
    different = [f"{t} differs" for t in trials if outcome.get(t) != calm.get(t)]
    trained: Counter[str] = Counter()
    for record in lab.records_in(folder):
        trained.update(record.provenance.get("stages_trained", ()))
    return different + [f"stage {s} was trained {n} times" for s, n in trained.items() if n > 1]


def lab_run(seed: int, seconds: float, root: Path, least: int = 8) -> Report:
    """Run the lab for so long and so many faults, and its last study to its end."""
    calm = lab.undisturbed(lab.study("disturbed", STUDY), root / "calm")
    with ExitStack() as stack:
        uri, gate = stack.enter_context(s3_server(FlakyGate))
        stores: list[FaultyStore] = [Bucket(uri, gate)]
        if lab.may_mount():
            stack.enter_context(small_disk(root / "disk", "64m"))
            stores.append(Disk(root / "disk"))
        cluster = stack.enter_context(cluster_of(2))
        return Lab(seed, seconds, root, cluster, stores, least).run(calm)


if __name__ == "__main__":
    report = lab_run(int(sys.argv[1]), float(sys.argv[2]), Path(tempfile.mkdtemp(prefix="faults-")))
    print(report.as_text())
    sys.exit(bool(report.differences))

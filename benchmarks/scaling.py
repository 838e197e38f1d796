"""How a study's cost grows with its trials: time a trial and the driver's memory along one run.

python benchmarks/scaling.py [--trials 3000]
"""

from __future__ import annotations

import argparse
import tempfile
import time

import psutil

from study.definition.studyfile import StudyFile
from study.driver import launch
from study.driver.progress import PlainDisplay, Tally
from study.points.resolve import resolve

MARKS = (100, 1000, 2000, 3000)


class Marks(PlainDisplay):
    """Notes the time and the memory as the count of settled trials passes each mark."""

    def __init__(self) -> None:
        super().__init__(every_s=30)
        self.passed: dict[int, tuple[float, float]] = {}
        self._process = psutil.Process()

    def show(self, tally: Tally, running: int, waiting: int) -> None:
        for mark in MARKS:
            if tally.settled >= mark and mark not in self.passed:
                memory = self._process.memory_info().rss / 2**20
                self.passed[mark] = (time.monotonic(), memory)
        super().show(tally, running, waiting)


def trivial(trials: int) -> StudyFile:
    """A grid of trials that train for a few milliseconds each, all after one dense run."""
    discounts = [round((k + 1) / trials, 6) for k in range(trials)]
    return StudyFile.of(
        {
            "name": "trivial",
            "task": {
                "dataset": {"name": "digits", "n_train": 32},
                "model": {"name": "mlp", "hidden": [4]},
            },
            "dense": {"epochs": 1, "batch_size": 32},
            "prune": {"sparsity": 0.5},
            "retrain": {"schedule": "allr", "epochs": 1, "discount": {"grid": discounts}},
        }
    )


def main() -> None:
    """Run once and print a line a mark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=MARKS[-1])
    trials = parser.parse_args().trials
    marks = Marks()
    with tempfile.TemporaryDirectory() as scratch:
        work = launch.Launch(resolve(trivial(trials)), scratch)
        work.check_before(None)
        summary = work.go(None, marks)
    assert summary.complete
    print("trials  driver MiB  ms per trial since the mark before")
    before: tuple[int, float] | None = None
    pace = {}
    for mark, (at, memory) in marks.passed.items():
        since = "" if before is None else f"{(at - before[1]) / (mark - before[0]) * 1e3:.1f}"
        if before is not None:
            pace[mark] = (at - before[1]) / (mark - before[0])
        print(f"{mark:6}  {memory:10.0f}  {since}")
        before = (mark, at)
    if 3000 in pace:
        print(f"2,000 to 3,000 against 100 to 1,000: {pace[3000] / pace[1000]:.2f}")


if __name__ == "__main__":
    main()

"""Seconds of overhead a trial of the digits grid, and the grid against a plain Tune script.

Overhead: slots x wall time from the first result on, minus the time spent in training, evaluation
and BatchNorm passes, over the trials; start-up is reported apart. With `--plain`, the same grid
is run by `benchmarks/plain_tune.py` too, whole commands against each other.

    python benchmarks/overhead.py [--plain]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from study.definition import studyfile
from study.driver import launch
from study.points.resolve import resolve
from study.views.plan import plan
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.jobs.job import Context


def work_s(folder: Path) -> float:
    """Seconds of training, evaluation and BatchNorm passes in all stages of a study folder."""
    every = [m for m in manifests.every(LocalFolder(folder / "stages")) if isinstance(m, Manifest)]
    return sum(m.metrics.get(key, 0.0) for m in every for key in ("train_s", "eval_s", "bn_s"))


def measured(folder: Path) -> None:
    """Run the grid in this process and print its overhead."""
    summary = launch.run(resolve(studyfile.load("digits")), str(folder))
    assert summary.complete
    assert summary.seconds_to_first_result is not None
    trials = len(StudyFolder(str(folder)).records().records)
    slots = len(os.sched_getaffinity(0))
    wall = summary.seconds - summary.seconds_to_first_result
    before = slots * Context.unit_s  # work done up to the first result, at most
    overhead = (slots * wall - max(work_s(folder) - before, 0.0)) / trials
    print(f"start-up until the first result: {summary.seconds_to_first_result:.1f} s")
    print(f"wall time from the first result on: {wall:.1f} s, {slots} slots, {trials} trials")
    print(f"training, evaluation, BatchNorm passes: {work_s(folder):.1f} s")
    print(f"overhead a trial: {overhead:.3f} s")


def seconds(command: list[str]) -> float:
    """Return the wall time of a whole command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="also run the plain Tune script")
    with tempfile.TemporaryDirectory() as scratch:
        measured(Path(scratch) / "overhead")
        if not parser.parse_args().plain:
            return
        bimp = str(Path(sys.executable).with_name("bimp"))
        ours = seconds([bimp, "run", "digits", "--out", f"{scratch}/ours"])
        script = str(Path(__file__).with_name("plain_tune.py"))
        plain = seconds([sys.executable, script, "--out", f"{scratch}/plain"])
    training = plan(resolve(studyfile.load("digits")), "/nonexistent").training
    assert training is not None
    print(f"bimp run digits: {ours:.1f} s; plain Tune script: {plain:.1f} s; {plain / ours:.1f}x")
    print(f"ratio of epochs that `bimp plan` predicts: {training.sharing:.1f}x")


if __name__ == "__main__":
    main()

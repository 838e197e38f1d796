"""Seconds of overhead per trial of the digits grid, and the grid against plain Tune scripts.

Overhead: slots x wall time from the first result on, minus the time spent in training, evaluation
and BatchNorm passes, over the trials; start-up is reported apart. With `--plain`, the same grid
is run by `benchmarks/plain_tune.py` too, on fresh actors and on reused ones, whole commands against
each other. `--small` takes two trials of it, to see that all runs to its end.

    python benchmarks/overhead.py [--plain] [--small]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from study.definition import studyfile
from study.driver import launch
from study.points.resolve import resolve
from study.views.plan import plan
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.storage import LocalFolder


def work_s(folder: Path) -> float:
    """Seconds of training, evaluation and BatchNorm passes in all stages of a study folder."""
    every = [m for m in manifests.every(LocalFolder(folder / "stages")) if isinstance(m, Manifest)]
    return sum(m.metrics.get(key, 0.0) for m in every for key in ("train_s", "eval_s", "bn_s"))


SMALL = (
    "seeds=[0]",
    "prune.sparsity=0.9",
    "retrain.epochs=1",
    "retrain.schedule={grid: [ft, allr]}",
)
"""The trials of plain_tune.py's `--small`."""


def measured(folder: Path, sets: Sequence[str]) -> None:
    """Run the grid in this process and print its overhead."""
    summary = launch.run(resolve(studyfile.load("digits", sets)), str(folder))
    assert summary.complete
    assert summary.seconds_to_first_result is not None
    slots = len(os.sched_getaffinity(0))
    wall = summary.seconds - summary.seconds_to_first_result
    overhead = (slots * wall - work_s(folder)) / summary.settled
    print(f"start-up until the first result: {summary.seconds_to_first_result:.1f} s")
    print(f"wall time from the first result on: {wall:.1f} s, {slots} slots,"
          f" {summary.settled} trials")  # fmt: skip
    print(f"training, evaluation, BatchNorm passes: {work_s(folder):.1f} s")
    print(f"overhead per trial: {overhead:.3f} s")


def seconds(command: list[str]) -> float:
    """Return the wall time of a whole command; what it says is shown where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return time.perf_counter() - start


def compare(scratch: Path, sets: Sequence[str]) -> None:
    """Run the grid as three whole commands and print how they compare."""
    code = "from study.cli import main; main()"
    options = [part for assignment in sets for part in ("--set", assignment)]
    command = [sys.executable, "-c", code, "run", "digits", "--out", str(scratch / "ours")]
    ours = seconds([*command, *options])
    print(f"bimp run digits: {ours:.1f} s")
    script = str(Path(__file__).with_name("plain_tune.py"))
    small = ["--small"] if sets else []
    for name, mode in (("fresh", []), ("reused", ["--reuse"])):
        out = str(scratch / name)
        plain = seconds([sys.executable, script, "--out", out, *mode, *small])
        print(f"plain Tune script on {name} actors: {plain:.1f} s; {plain / ours:.1f}x")
    training = plan(resolve(studyfile.load("digits", sets)), "/nonexistent").training
    assert training is not None
    print(f"ratio of epochs that `bimp plan` predicts: {training.sharing:.1f}x")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="also run the plain Tune scripts")
    parser.add_argument("--small", action="store_true", help="two trials alone")
    given = parser.parse_args()
    sets = SMALL if given.small else ()
    with tempfile.TemporaryDirectory() as scratch:
        measured(Path(scratch) / "overhead", sets)
        if given.plain:
            compare(Path(scratch), sets)


if __name__ == "__main__":
    main()

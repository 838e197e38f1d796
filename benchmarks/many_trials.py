"""Seconds and memory of looking at a large study that is settled: status, plan, and a run with
nothing to do.

    python benchmarks/many_trials.py WORK [--trials 20000] [--repeats 3]

WORK is a folder for the study, written where missing and used again: a grid of five schedules,
twenty sparsities and as many lengths of retraining as the trials take at ten seeds, each with a
record of as many numbers as a real one. Prints one JSON line per command: seconds of wall and
processor time of fresh processes (medians of runs that alternate) and the most memory that one of
them held.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from multiprocessing import Process
from pathlib import Path
from typing import Any

import numpy as np
from make_records import trial_record
from start import keep_byte_code

from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from trainables.files.parquet import parquet
from trainables.files.records import StudyFolder
from trainables.files.tables import record_table
from trainables.files.trial_record import encode

_BIMP = (sys.executable, "-c", "from study.cli import main; main()")
SCHEDULES = ("ft", "slr", "clr", "llr", "allr")
N_SPARSITIES = 20
N_SEEDS = 10


def study_of(n_trials: int) -> dict[str, Any]:
    """Return a study file that wants about so many trials."""
    n_lengths = max(1, n_trials // (len(SCHEDULES) * N_SPARSITIES * N_SEEDS))
    sparsities = [round(0.5 + 0.49 * n / N_SPARSITIES, 4) for n in range(N_SPARSITIES)]
    return {
        "name": "many",
        "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [64, 32]}},
        "dense": {"epochs": 20, "schedule": "multistep", "milestones": [10]},
        "prune": {"sparsity": {"grid": sparsities}, "cycles": 2},
        "retrain": {
            "schedule": {"grid": list(SCHEDULES)},
            "epochs": {"grid": list(range(2, 2 + n_lengths))},
        },
        "seeds": list(range(N_SEEDS)),
    }


def write_settled(folder: Path, raw: dict[str, Any]) -> None:
    """Write a study folder in which every trial is done: loose records, and the table of them."""
    trials = resolve(StudyFile.of(raw)).trials or ()
    rng = np.random.default_rng(0)
    loose = folder / "records"
    loose.mkdir(parents=True)
    records = []
    for trial in trials:
        stages = [stage.hash for stage in trial.chain]
        record = trial_record(rng, trial.config, trial.seed, stages)
        (loose / f"{record.fingerprint}.json").write_bytes(encode(record))
        records.append(record)
    records.sort(key=lambda record: record.fingerprint)
    StudyFolder(str(folder)).folder.write("tables/records.parquet", parquet(record_table(records)))
    (folder / "study.yaml").write_text(json.dumps(raw))


def measured(command: list[str]) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and the most MiB held by one process."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command} ended with {process.returncode}: {errors}")
    return time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Print one line of JSON per command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    folder = given.work / f"many-{given.trials}"
    if not folder.exists():  # in a process of its own: what it held would count as the commands'
        writer = Process(target=write_settled, args=(folder, study_of(given.trials)))
        writer.start()
        writer.join()
    keep_byte_code(given.work.absolute() / "bytecode")
    study, out = str(folder / "study.yaml"), ["--out", str(folder)]
    commands = {
        "status": ["status", str(folder)],
        "plan": ["plan", study, *out],
        "run": ["run", study, *out],
    }
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(given.repeats + 1):  # the first makes the byte code
        for name, words in commands.items():
            runs[name].append(measured([*_BIMP, *words]))
    for name, (_, *rows) in runs.items():
        wall_s, cpu_s, _ = (statistics.median(column) for column in zip(*rows, strict=True))
        most = max(row[2] for row in rows)
        figures = {"wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2), "most_mib": round(most)}
        print(json.dumps({"command": name, "trials": given.trials, **figures}))


if __name__ == "__main__":
    main()

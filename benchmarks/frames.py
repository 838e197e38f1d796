"""How long reading takes: this project's frames, and Ray Tune's own analysis of as many trials.

    python benchmarks/frames.py WORK --trials 10000 --epochs 50 [--tune-trials 1000]

WORK is a folder for the data, made where missing and used again. Each time is that of a fresh
process, its imports apart. The Tune folder is Tune's own: one trial is really run, and its files
are repeated under other trial ids.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from make_records import write_study

_OURS = """
import sys, time
start = time.perf_counter()
from analysis import frames
loaded, used = time.perf_counter(), time.process_time()
study = frames.read(sys.argv[1])
rows = len(study.trials), len(study.epochs)
print(loaded - start, time.perf_counter() - loaded, time.process_time() - used, *rows)
"""
_TUNES = """
import sys, time
start = time.perf_counter()
import pandas as pd
from ray.tune import ExperimentAnalysis
loaded, used = time.perf_counter(), time.process_time()
analysis = ExperimentAnalysis(sys.argv[1])
trials = analysis.dataframe()
epochs = pd.concat(analysis.trial_dataframes, names=["trial"])
rows = len(trials), len(epochs)
print(loaded - start, time.perf_counter() - loaded, time.process_time() - used, *rows)
"""


def measured(code: str, folder: Path, repeats: int) -> dict[str, float]:
    """Return seconds of importing and reading in fresh processes (medians), and rows read.

    `cpu_s` is the processor time of reading, which other work on the machine disturbs less.
    """
    runs = []
    for _ in range(repeats):
        command = [sys.executable, "-c", code, str(folder)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        runs.append([float(number) for number in out.split()])
    imports, seconds, cpu, n_trials, n_epochs = (list(column) for column in zip(*runs, strict=True))
    return {
        "import_s": round(statistics.median(imports), 3),
        "read_s": round(statistics.median(seconds), 3),
        "cpu_s": round(statistics.median(cpu), 3),
        "n_trials": int(n_trials[0]),
        "n_epochs": int(n_epochs[0]),
    }


def our_folder(work: Path, n_trials: int, n_epochs: int, compacted: bool) -> Path:
    """Return a study folder of that size, with or without its compacted tables."""
    folder = work / f"study-{n_trials}x{n_epochs}"
    if not folder.exists():
        write_study(str(folder), n_trials, n_epochs)
    shutil.rmtree(folder / "tables", ignore_errors=True)
    if compacted:
        from trainables.files.records import StudyFolder

        StudyFolder(str(folder)).compact()
    return folder


def tune_folder(work: Path, n_trials: int, n_epochs: int) -> Path:
    """Return a Tune experiment folder of that many trials, all but the first one repeated."""
    folder = work / f"tune-{n_trials}x{n_epochs}"
    if folder.exists():
        return folder
    _run_one_trial(folder, n_epochs)
    (state_file,) = folder.glob("experiment_state-*.json")
    state = json.loads(state_file.read_text())
    ((trial, metadata),) = state["trial_data"]
    (trial_folder,) = [path for path in folder.iterdir() if path.is_dir()]
    old = _trial_id(trial)
    texts = {path.name: path.read_text() for path in trial_folder.iterdir() if _is_text(path)}
    for number in range(1, n_trials):
        new = f"{old.split('_')[0]}_{number:05d}"
        state["trial_data"].append([trial.replace(old, new), metadata.replace(old, new)])
        copy = folder / trial_folder.name.replace(old, new)
        copy.mkdir()
        for name, text in texts.items():
            (copy / name).write_text(text.replace(old, new))
    state_file.write_text(json.dumps(state))
    return folder


def _trial_id(trial: str) -> str:
    return str(json.loads(trial)["trial_id"])


def _is_text(path: Path) -> bool:
    return path.suffix in (".json", ".csv")


def _run_one_trial(folder: Path, n_epochs: int) -> None:
    """Run one trial that reports as often, and as many numbers, as one of ours."""
    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    import ray
    from ray import tune

    def report(_: dict[str, Any]) -> None:
        for epoch in range(n_epochs):
            numbers = {"val_accuracy": 0.9, "val_loss": 0.2, "train_loss": 0.1, "lr": 0.01}
            tune.report({**numbers, "epoch": epoch, "step": epoch, "train_s": 0.1, "cycle": 1})

    ray.init(num_cpus=1, include_dashboard=False)
    tuner = tune.Tuner(
        report,
        param_space={f"setting{n}": n for n in range(35)},
        run_config=tune.RunConfig(storage_path=str(folder.parent), name=folder.name, verbose=0),
    )
    tuner.fit()
    ray.shutdown()


def main() -> None:
    """Print one line of JSON a measurement."""
    parser = argparse.ArgumentParser(description="How long reading takes.")
    parser.add_argument("work", type=Path, help="folder for the data, used again where it exists")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--tune-trials", type=int, default=0, help="compare with Tune on as many")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    work = asked.work.absolute()
    for n_trials in dict.fromkeys(n for n in (asked.trials, asked.tune_trials) if n):
        for kind in ("loose", "compacted"):
            folder = our_folder(work, n_trials, asked.epochs, compacted=kind == "compacted")
            _say(kind, measured(_OURS, folder, asked.repeats))
    if asked.tune_trials:
        folder = tune_folder(work, asked.tune_trials, asked.epochs)
        _say("ray tune", measured(_TUNES, folder, asked.repeats))


def _say(kind: str, numbers: dict[str, float]) -> None:
    print(json.dumps({"from": kind, **numbers}), flush=True)


if __name__ == "__main__":
    main()

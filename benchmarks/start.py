"""How long the command takes to start, beside what Python takes to import pyarrow and pydantic.

    python benchmarks/start.py WORK [--repeats 5]

WORK is a folder for 100 synthetic trials beside the digits study, made where missing, used again.
Prints one JSON line per command: seconds of wall and processor time of fresh processes (medians of
runs that alternate), the wall time over that of the imports alone, and the seconds that importing
takes in one run, as `python -X importtime` counts. Byte code is kept in WORK and made by a run
before, as on any machine where the command has been used once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from make_records import write_study

from study.definition.studyfile import load

_BIMP = ("-c", "from study.cli import main; main()")
_IMPORTS = ("-c", "import pyarrow, pydantic")
_IMPORT = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)


def commands(study: Path) -> dict[str, tuple[list[str], int]]:
    """Return what is timed: name, arguments of Python, and the status it must end with."""
    verbs = {
        "help": (["--help"], 0),
        "status": (["status", str(study)], 0),
        "plan": (["plan", "digits"], 0),
        "results": (["results", str(study)], 0),
        "refusal": (["plan", "digits", "--set", "prune.sparsity=1.5"], 2),
    }
    bimp = {name: ([*_BIMP, *words], status) for name, (words, status) in verbs.items()}
    return {"imports": (list(_IMPORTS), 0), **bimp}


def keep_byte_code(folder: Path) -> None:
    """Let the processes that are started from here on keep byte code in a folder."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def times(arguments: list[str], status: int) -> tuple[float, float]:
    """Return wall and processor seconds of one run; RuntimeError when it ends otherwise."""
    used, begun = _child_s(), time.perf_counter()
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - begun
    if done.returncode != status:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return wall_s, _child_s() - used


def _child_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def import_s(arguments: list[str]) -> float:
    """Return the seconds that all imports of one run take together."""
    command = [sys.executable, "-X", "importtime", *arguments]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return sum(map(int, _IMPORT.findall(text))) / 1e6


def main() -> None:
    """Print one line of JSON per command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    study = given.work / "study-100x5"
    if not study.exists():
        write_study(str(study), 100, 5).compact()
        (study / "study.yaml").write_text(json.dumps(load("digits").raw()))
    keep_byte_code(given.work.absolute() / "bytecode")
    timed = commands(study)
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in timed}
    for _ in range(given.repeats + 1):
        for name, (arguments, status) in timed.items():
            runs[name].append(times(arguments, status))
    medians = {
        name: [statistics.median(column) for column in zip(*each[1:], strict=True)]
        for name, each in runs.items()
    }
    for name, (wall_s, cpu_s) in medians.items():
        figures = {
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "import_s": import_s(timed[name][0]),
            "over_imports": wall_s / medians["imports"][0],
        }
        print(json.dumps({"command": name} | {k: round(v, 3) for k, v in figures.items()}))


if __name__ == "__main__":
    main()

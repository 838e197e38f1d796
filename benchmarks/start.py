"""How long the command takes to start: to say its help, to list results, to refuse a wrong study.

    python benchmarks/start.py WORK [--repeats 5]

WORK is a folder for a study of 100 synthetic trials, made where missing and used again. Prints one
JSON line a command: seconds of wall and processor time of fresh processes (medians), and the
seconds that importing takes in one of them, as `python -X importtime` counts. Byte code is kept in
WORK and made by a run before, as on any machine where the command has been used once.
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

_BIMP = ("-c", "from study.cli import main; main()")
_IMPORT = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)


def commands(study: Path) -> dict[str, tuple[list[str], int]]:
    """Return what is timed: name, arguments of `bimp`, and the status it must end with."""
    return {
        "help": (["--help"], 0),
        "results": (["results", str(study)], 0),
        "refusal": (["plan", "digits", "--set", "prune.sparsity=1.5"], 2),
    }


def keep_byte_code(folder: Path) -> None:
    """Let the processes that are started from here on keep byte code in a folder."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def times(arguments: list[str], status: int) -> tuple[float, float]:
    """Return wall and processor seconds of one run; RuntimeError when it ends otherwise."""
    used, begun = _child_s(), time.perf_counter()
    command = [sys.executable, *_BIMP, *arguments]
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
    command = [sys.executable, "-X", "importtime", *_BIMP, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return sum(map(int, _IMPORT.findall(said))) / 1e6


def main() -> None:
    """Print one line of JSON a command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    study = asked.work / "study-100x5"
    if not study.exists():
        write_study(str(study), 100, 5).compact()
    keep_byte_code(asked.work.absolute() / "bytecode")
    for name, (arguments, status) in commands(study).items():
        times(arguments, status)
        runs = [times(arguments, status) for _ in range(asked.repeats)]
        wall_s, cpu_s = (statistics.median(column) for column in zip(*runs, strict=True))
        found = {"wall_s": wall_s, "cpu_s": cpu_s, "import_s": import_s(arguments)}
        print(json.dumps({"command": name} | {k: round(v, 3) for k, v in found.items()}))


if __name__ == "__main__":
    main()

"""How long a report takes to write, and how large it is.

    python benchmarks/report.py WORK --trials 10000 --epochs 50

WORK is a folder for the data, made where missing and used again. Prints one JSON line: seconds of
reading and of writing, processor seconds of both, megabytes of the page and of its parts, and
what each figure adds. The study is synthetic; see `make_records.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from make_records import write_study

LIMIT_MB = 15.0
"""A page larger than this no longer opens quickly or passes through mail."""


def measured(folder: Path, output: Path) -> dict[str, Any]:
    """Write the report of a folder and return times in seconds and sizes in megabytes."""
    from analysis.frames.study_frames import read
    from analysis.report.exhibits import exhibits
    from analysis.report.page import write_report

    start, used = time.perf_counter(), time.process_time()
    study = read(str(folder))
    rows = len(study.trials), len(study.epochs)
    read_s = time.perf_counter() - start
    write_report([str(folder)], output)
    total_s, cpu_s = time.perf_counter() - start, time.process_time() - used
    shown, absent = exhibits(study)
    return {
        "trials": rows[0],
        "epochs": rows[1],
        "read_s": round(read_s, 2),
        "write_s": round(total_s - read_s, 2),
        "cpu_s": round(cpu_s, 2),
        "page_mb": round(output.stat().st_size / 1e6, 2),
        "figures_mb": {panel.figure.name: round(len(panel.payload) / 1e6, 3) for panel in shown},
        "absent": [one.figure.name for one in absent],
    }


def main() -> None:
    """Make the data where it is missing, measure, and end with status 1 beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50)
    arguments = parser.parse_args()
    folder = arguments.work / f"study-{arguments.trials}-{arguments.epochs}"
    if not folder.exists():
        write_study(str(folder), arguments.trials, arguments.epochs).compact()
    found = measured(folder, arguments.work / "report.html")
    print(json.dumps(found))
    if found["page_mb"] > LIMIT_MB:
        sys.exit(f"the page has {found['page_mb']} MB, more than {LIMIT_MB}")


if __name__ == "__main__":
    main()

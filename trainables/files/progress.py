"""What a run at work in a study folder says of itself from time to time, and whether it lives.

This module alone knows the file's name and its form. A run lives while it holds the folder's lease;
what it said is news for two minutes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Final

from trainables.files.leases import Leases
from trainables.files.storage import Folder, reason

NAME: Final = "progress.json"

RUN_LEASE: Final = "run"
"""The lease, in a study folder, of the run that is at work in it."""

FRESH_S: Final = 120.0
"""Age up to which what a run last said of itself counts as now."""


@dataclass(frozen=True)
class RunProgress:
    """Where a run stands: counts of trials, the pace of all its workers together, time left.

    `at` is the time of saying it, ISO 8601 with its zone. `seconds_left` is None while there is no
    ground for a guess. `running` counts trials; dense runs that trials wait for are counted apart.
    """

    at: str
    pid: int
    wanted: int
    settled: int
    failed: int
    running: int
    waiting: int
    epochs_per_s: float
    seconds_left: float | None
    dense_running: int = 0

    def age_s(self, now: datetime) -> float:
        """Seconds since it was said; 0 where this machine's clock is behind."""
        return max(0.0, (now - datetime.fromisoformat(self.at)).total_seconds())


@dataclass(frozen=True)
class LiveRun:
    """A run that holds a folder; `progress` is None while it has said nothing lately.

    `fault` says in words why nobody can tell whether there is one; "" where that is known.
    """

    progress: RunProgress | None
    age_s: float = 0.0
    fault: str = ""


def write(folder: Folder, progress: RunProgress) -> None:
    """Write where the run stands, replacing what was said before."""
    folder.write(NAME, json.dumps(asdict(progress)).encode())


def read(folder: Folder) -> RunProgress | None:
    """Return what the last run in a folder last said; None when it is nothing, torn or foreign."""
    try:
        raw = json.loads(folder.read(NAME))
        progress = RunProgress(
            **{f.name: raw[f.name] for f in fields(RunProgress) if f.name in raw}
        )
        zone = datetime.fromisoformat(progress.at).tzinfo
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return progress if zone is not None and _is_sound(progress) else None


def _is_sound(progress: RunProgress) -> bool:
    """Whether counts are counts, pace and time left finite: the file may be anybody's."""
    p = progress
    counts = (p.pid, p.wanted, p.settled, p.failed, p.running, p.waiting, p.dense_running)
    measures = (p.epochs_per_s, p.seconds_left or 0.0)
    return all(type(n) is int and 0 <= n < 2**63 for n in counts) and all(
        type(x) in (int, float) and abs(x) < sys.float_info.max for x in measures
    )


def live_run(folder: Folder, now: datetime) -> LiveRun | None:
    """Return the run at work in a folder at a time with a zone; None when no live run holds it.

    One with a fault where that cannot be read.
    """
    try:
        held = Leases(folder, "reader").others(RUN_LEASE)
    except OSError as error:
        return LiveRun(None, fault=f"{RUN_LEASE}: cannot be read ({reason(error)})")
    if not held:
        return None
    progress = read(folder)
    if progress is None or (age_s := progress.age_s(now)) > FRESH_S:
        return LiveRun(None)
    return LiveRun(progress, age_s)

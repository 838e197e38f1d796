"""Where a study folder stands, in numbers and words: settled, failed, missing, running now.

Reads only, and needs neither torch nor ray.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from study.definition.locations import RUN_LEASE, existing
from study.points.suggestions import taken_up
from study.views.standing import own_records
from trainables.files.leases import Leases
from trainables.files.records import Record
from trainables.files.storage import Folder
from trainables.vocabulary.schema import STATES
from trainables.vocabulary.wording import counted, duration

FRESH_S = 120.0
"""Age up to which what a run last said of itself counts as now."""
MOST_NAMED = 20
_SAID = ("running", "waiting", "epochs_per_s", "seconds_left", "pid")


@dataclass(frozen=True)
class Status:
    """How a study's trials stand.

    `states` counts the wanted trials by state; `missing` have no record; `others` are records of
    the folder that the study as it is now does not want. `running` is what a live run last said
    of itself, empty where it has not said anything yet, None where no run holds the folder.
    """

    name: str
    strategy: str
    location: str
    wanted: int
    states: Mapping[str, int]
    missing: int
    others: int
    failed: list[Record]
    running: Mapping[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """Trials that need no further run."""
        return sum(n for state, n in self.states.items() if state != "failed")


def status(location: str, now: datetime | None = None) -> Status:
    """Return how the study folder stands; Refusal when it is none."""
    folder, study = existing(location)
    reading = folder.records()
    records, _ = taken_up(study, folder.folder, reading.records)
    wanted, own = own_records(study, records)
    counted = Counter(record.state for record in own)
    return Status(
        name=study.name,
        strategy=study.search.strategy,
        location=folder.location,
        wanted=wanted,
        states={state: counted[state] for state in STATES},
        missing=max(0, wanted - len(own)),
        others=len({r.fingerprint for r in records} - {r.fingerprint for r in own}),
        failed=[record for record in own if record.state == "failed"],
        running=running(folder.folder, now or datetime.now(UTC)),
        warnings=reading.warnings,
    )


def running(folder: Folder, now: datetime) -> dict[str, Any] | None:
    """Return what the run at work in a folder last said of itself: its `progress.json`.

    None when no live run holds the folder; empty when one does and has said nothing lately.
    """
    if not Leases(folder, "reader").others(RUN_LEASE):
        return None
    try:
        said = json.loads(folder.read("progress.json"))
        age_s = (now - datetime.fromisoformat(said["at"])).total_seconds()
        kept = {key: said[key] for key in _SAID}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {**kept, "age_s": max(0.0, age_s)} if age_s <= FRESH_S else {}


def table(stands: Status) -> str:
    """Return a status as lines of words and numbers."""
    s = stands
    kinds = ", ".join(f"{s.states[state]} {state}" for state in STATES if state != "failed")
    lines = [
        ("study", f"{s.name} ({s.strategy})"),
        ("folder", s.location),
        ("wanted", counted(s.wanted, "trial")),
        ("settled", f"{s.settled} ({kinds})"),
        ("failed", f"{s.states['failed']}"),
        ("missing", f"{s.missing}"),
        ("running now", _running_words(s.running)),
    ]
    if s.others:
        lines.append(
            ("outside", f"{counted(s.others, 'trial')} that the study as it is now does not want")
        )
    width = max(len(name) for name, _ in lines)
    text = [f"{name:<{width}}  {value}" for name, value in lines]
    return "\n".join([*text, *_failures(s.failed), *(f"warning: {w}" for w in s.warnings)])


def _running_words(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return "nothing"
    if not said:
        return "a run that has said nothing lately: it is starting, or its process is lost"
    return (
        f"{said['running']} trials, {said['waiting']} waiting, {said['epochs_per_s']:.1f} epochs/s,"
        f" left {duration(said['seconds_left'])} (process {said['pid']},"
        f" {duration(said['age_s'])} ago)"
    )


def _failures(failed: list[Record]) -> list[str]:
    """One line for each failed trial, up to a limit: name, seed, attempt and message."""
    lines = [
        f"failed: {r.fingerprint} (seed {r.seed}, attempt {r.attempt}):"
        f" {' '.join((r.message or 'no message').split())}"
        for r in failed[:MOST_NAMED]
    ]
    if (more := len(failed) - MOST_NAMED) > 0:
        lines.append(f"... and {more} more failed trials")
    if failed:
        lines.append("bimp run starts failed trials again")
    return lines

"""Where a study folder stands, in numbers and words: settled, failed, missing, running now.

Reads only, and needs neither torch nor ray.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from study.definition.locations import existing
from study.definition.own_code import LOOKS, kept_code, names_code
from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from study.points.standing import Standing
from study.views.named_lines import named_lines
from trainables.config.settings import FactsMissing
from trainables.files.progress import LiveRun, live_run
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.schema import STATES
from trainables.vocabulary.wording import counted, duration

MOST_NAMED = 20


@dataclass(frozen=True)
class Status:
    """How a study's trials stand.

    `states` counts the wanted trials by state; `missing` have no record; `others` are records of
    the folder that the study as it is now does not want. Where `wanted` is None nobody can tell
    which these are, and `states` counts all records of the study. `running` is the run at work,
    None where no live run holds the folder.
    """

    name: str
    strategy: str
    location: str
    wanted: int | None
    states: Mapping[str, int]
    missing: int | None
    others: int
    failed: list[Record]
    running: LiveRun | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def settled(self) -> int:
        """Trials that need no further run."""
        return sum(n for state, n in self.states.items() if state != "failed")


def status(location: str, now: datetime | None = None) -> Status:
    """Return how the study folder stands; Refusal when it is none."""
    folder, study = existing(location)
    reading = folder.records()
    warnings = list(reading.warnings)
    members, standing, more = _standing(study, folder, reading.records)
    warnings += more
    if standing is None:
        warnings.append(_NO_FACTS)
    counts = Counter(record.state for record in members)
    return Status(
        name=study.name,
        strategy=study.search.strategy,
        location=folder.location,
        wanted=standing.wanted if standing else None,
        states={state: counts[state] for state in STATES},
        missing=max(0, standing.fresh) if standing else None,
        others=standing.others if standing else 0,
        failed=[record for record in members if record.state == "failed"],
        running=live_run(folder.folder, now or datetime.now(UTC)),
        warnings=warnings,
    )


_NO_FACTS = (
    f"{LOOKS} of the folder is missing or damaged, so that nobody can tell which trials the study"
    " wants: all of its records are counted; bimp run looks at your code again and writes it"
)


def _standing(
    study: StudyFile, folder: StudyFolder, records: Sequence[Record]
) -> tuple[list[Record], Standing | None, Sequence[str]]:
    """The records of wanted trials, their counts, and warnings; all of the study's, and None, where
    nothing is known of code or data that decide what it wants."""
    code = kept_code(folder.folder.read)
    lacking = not code.looks and names_code(study)
    resolved = resolve(study, code)
    try:
        earlier = resolved.earlier(folder.folder, records)
        members = resolved.members(earlier.records)
        standing = Standing.of(resolved.n_trials, members, earlier.records)
        return members, standing, earlier.warnings
    except FactsMissing:
        pass
    except Refusal:  # a rule may hang on what is not known
        if not lacking:
            raise
    return [record for record in records if record.study == study.name], None, ()


def table(stands: Status, width: int | None = None) -> str:
    """Return a status as lines of words and numbers, wrapped beyond `width` characters if given."""
    s = stands
    kinds = ", ".join(f"{s.states[state]} {state}" for state in STATES if state != "failed")
    lines = [
        ("study", f"{s.name} ({s.strategy})"),
        ("folder", s.location),
        ("wanted", "unknown" if s.wanted is None else counted(s.wanted, "trial")),
        ("settled", f"{s.settled} ({kinds})"),
        ("failed", f"{s.states['failed']}"),
        ("missing", "unknown" if s.missing is None else f"{s.missing}"),
        ("running now", _running_words(s.running)),
    ]
    if s.others:
        lines.append(
            ("outside", f"{counted(s.others, 'trial')} that the study as it is now does not want")
        )
    text = named_lines(lines, width)
    return "\n".join([text, *_failures(s.failed), *(f"warning: {w}" for w in s.warnings)])


def _running_words(run: LiveRun | None) -> str:
    if run is None:
        return "nothing"
    if run.fault:
        return f"unknown: {run.fault}"
    if run.progress is None:
        return "a run that has said nothing lately: it is starting, or its process is lost"
    p = run.progress
    dense = f" and {counted(p.dense_running, 'dense run')}" if p.dense_running else ""
    return (
        f"{counted(p.running, 'trial')}{dense}, {p.waiting} waiting, {p.epochs_per_s:.1f} epochs/s,"
        f" left {duration(p.seconds_left)} (process {p.pid}, {duration(run.age_s)} ago)"
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

"""Where a study folder stands against a study: settled, failed, new, and why, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from study.space import Trial, blocks, grid_trials
from study.studyfile import StudyFile
from trainables.records import Record


@dataclass(frozen=True)
class Standing:
    """Counts of a study's trials before a run."""

    wanted: int
    settled: int
    failed: int
    others: int

    @property
    def fresh(self) -> int:
        """Trials that have no record yet."""
        return self.wanted - self.settled - self.failed


def grid_standing(trials: Sequence[Trial], records: Iterable[Record]) -> Standing:
    """Return how a grid's trials stand by the records there are."""
    by_fingerprint = {record.fingerprint: record for record in records}
    found = [by_fingerprint.get(t.fingerprint) for t in trials]
    settled = sum(r is not None and r.settled for r in found)
    failed = sum(r is not None and not r.settled for r in found)
    wanted = {t.fingerprint for t in trials}
    return Standing(len(trials), settled, failed, len(by_fingerprint.keys() - wanted))


def optuna_standing(study: StudyFile, keys: Sequence[str], records: Iterable[Record]) -> Standing:
    """Return how a search stands: of each block's trials, those that records hold."""
    wanted = len(keys) * (study.search.trials or 0) * len(study.seeds)
    own = [r for r in records if r.origin.get("block_key") in keys and r.seed in study.seeds]
    states = Counter("settled" if r.settled else "failed" for r in own)
    return Standing(wanted, states["settled"], states["failed"], 0)


def own_records(study: StudyFile, records: Iterable[Record]) -> tuple[int, list[Record]]:
    """Return how many trials the study wants, and those of the records that are among them."""
    if study.search.strategy == "grid":
        wanted = {trial.fingerprint for trial in grid_trials(study)}
        return len(wanted), [r for r in records if r.fingerprint in wanted]
    keys = {block.key for block in blocks(study)}
    own = [r for r in records if r.origin.get("block_key") in keys and r.seed in study.seeds]
    return len(keys) * (study.search.trials or 0) * len(study.seeds), own


def sentences(before: StudyFile | None, study: StudyFile, stands: Standing) -> list[str]:
    """Return in plain words what a run will do: start, resume, retry, extend."""
    if before is None and not stands.settled and not stands.failed:
        return [f"starting: {stands.wanted} trials"]
    if stands.settled >= stands.wanted and not stands.failed:
        said = [f"complete: all {stands.wanted} trials are settled, nothing to run"]
    else:
        said = [f"resuming: {stands.settled} of {stands.wanted} trials are settled"]
    if stands.failed:
        said.append(f"retrying: {stands.failed} failed trials")
    if before is not None:
        said += _changes(before, study, stands)
    return said


def _changes(before: StudyFile, study: StudyFile, stands: Standing) -> list[str]:
    said = []
    if added := sorted(set(study.seeds) - set(before.seeds)):
        said.append(f"extending: seeds {', '.join(map(str, added))} are new")
    more = (study.search.trials or 0) - (before.search.trials or 0)
    if more > 0:
        said.append(f"extending: {more} more configurations in each block")
    if (study.space, study.spaces) != (before.space, before.spaces):
        said.append("extending: the space has changed")
    if stands.others:
        said.append(f"keeping: {stands.others} trials outside the study as it is now")
    return said

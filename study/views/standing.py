"""Where a study folder stands against a study: settled, failed, new, and why, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.definition.space import Trial, blocks, grid_trials
from study.definition.studyfile import StudyFile
from study.points.winners import winners
from trainables.files.records import Record
from trainables.vocabulary.wording import counted


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
    own = _searched(study, keys, records)
    states = Counter("settled" if r.settled else "failed" for r in own)
    return Standing(len(keys) * study.trials_a_block, states["settled"], states["failed"], 0)


def own_records(study: StudyFile, records: Iterable[Record]) -> tuple[int, list[Record]]:
    """Return how many trials the study wants, and those of the records that are among them."""
    if study.search.strategy == "grid":
        wanted = {trial.fingerprint for trial in grid_trials(study)}
        return len(wanted), [r for r in records if r.fingerprint in wanted]
    keys = [block.key for block in blocks(study)]
    return len(keys) * study.trials_a_block, _searched(study, keys, records)


def _searched(study: StudyFile, keys: Sequence[str], records: Iterable[Record]) -> list[Record]:
    """The records of a search's blocks at the seeds searched, then those that confirm."""
    by_block: dict[str, list[Record]] = {key: [] for key in keys}
    for record in records:
        if record.origin.get("block_key") in by_block and record.seed in study.seeds:
            by_block[record.origin["block_key"]].append(record)
    if study.search.confirm is None:
        return [r for own in by_block.values() for r in own]
    return [r for own in by_block.values() for r in _with_confirmations(study, own)]


def _with_confirmations(study: StudyFile, own: Sequence[Record]) -> list[Record]:
    """One block's records at the seeds searched, and its winners' at the others."""
    first = [r for r in own if r.seed in study.search_seeds]
    ended: dict[int, tuple[Mapping[str, Any], list[Record]]] = {}
    for record in first:
        ended.setdefault(record.origin["number"], (record.config, []))[1].append(record)
    if len(ended) < (study.search.trials or 0) and len(first) == len(own):
        return first  # still searching; a search that ended early has confirmed its winners
    chosen = winners(study.search, ended)
    further = [r for r in own if r.origin["number"] in chosen and r.seed not in study.search_seeds]
    return first + further


def sentences(before: StudyFile | None, study: StudyFile, stands: Standing) -> list[str]:
    """Return in plain words what a run will do: start, resume, retry, extend."""
    if before is None and not stands.settled and not stands.failed:
        return [f"starting: {counted(stands.wanted, 'trial')}"]
    if stands.settled >= stands.wanted and not stands.failed:
        said = [f"complete: all {stands.wanted} trials are settled, nothing to run"]
    else:
        said = [f"resuming: {stands.settled} of {stands.wanted} trials are settled"]
    if stands.failed:
        said.append(f"retrying: {counted(stands.failed, 'failed trial')}")
    if before is not None:
        said += _changes(before, study, stands)
    return said


def _changes(before: StudyFile, study: StudyFile, stands: Standing) -> list[str]:
    said = []
    if added := sorted(set(study.seeds) - set(before.seeds)):
        said.append(f"extending: seeds {', '.join(map(str, added))} are new")
    more = (study.search.trials or 0) - (before.search.trials or 0)
    if more > 0:
        said.append(f"extending: {counted(more, 'more configuration')} in each block")
    if study.search.confirm and study.search.confirm != before.search.confirm:
        said.append(f"extending: the {study.search.confirm} best of each block at every seed")
    if (study.space, study.spaces) != (before.space, before.spaces):
        said.append("extending: the space has changed")
    if stands.others:
        said.append(f"keeping: {counted(stands.others, 'trial')} outside the study as it is now")
    return said

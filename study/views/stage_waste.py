"""What of a stage store nobody needs: stages no trial goes through, faulty ones, and pieces that
were left over from the making of stages. Looked at first; removed where that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from study.definition.locations import existing, readable_store_of
from study.definition.own_code import kept_code
from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from trainables.config.settings import FactsMissing
from trainables.files import manifests
from trainables.files.leases import Leases
from trainables.files.manifests import Manifest
from trainables.files.progress import live_run
from trainables.files.records import Reading, StudyFolder
from trainables.files.storage import Folder, in_order, reason
from trainables.files.trial_record import RecordError
from trainables.files.trust import received
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import counted

_HASH: Final = re.compile(r"[0-9a-f]{16}")
"""What a stage's folder is called; no other folder of a store is touched."""

UNNEEDED: Final = "no trial goes through it"
LEFT_OVER: Final = "left over from its making"

Files = Mapping[str, int]


@dataclass(frozen=True)
class Waste:
    """Files of one stage that can go, with their bytes, and why.

    `whole`: the stage goes as well.
    """

    stage: str
    why: str
    files: Files
    whole: bool

    @property
    def n_bytes(self) -> int:
        """The room that they take."""
        return sum(self.files.values())


@dataclass(frozen=True)
class StoreWaste:
    """All waste of a store, the largest first; `n_bytes` of the store in all; `notes` for the
    reader."""

    store: str
    rows: list[Waste]
    n_bytes: int
    notes: list[str]


def waste(location: str) -> StoreWaste:
    """Return what can go from the stage store of a study folder; Refusal when it is none.

    A stage that another process may be making is left alone. Of a store that several studies share
    nobody knows here which stages the others need, so none counts as unneeded.
    """
    folder, study = existing(location)
    store = received(readable_store_of(study, folder))
    try:
        sizes = store.sizes()
    except OSError as error:
        rule = "must be a folder that can be read"
        raise Refusal(f"the stage store {rule}, got {store.location} ({reason(error)})") from error
    needed, notes = _needed(study, folder)
    stages = _by_stage(sizes)
    read = _manifests(store, manifests.stages_in(sizes) & stages.keys())
    rows = []
    for stage, files in stages.items():
        row = _waste(stage, files, read.get(stage), needed)
        if row is not None and not _held(store, stage, files):
            rows.append(row)
    rows.sort(key=lambda row: (-row.n_bytes, row.stage))
    return StoreWaste(store.location, rows, sum(sizes.values()), notes)


def remove(location: str, listing: StoreWaste) -> None:
    """Delete what `waste` has listed; Refusal while a run is at work in the folder."""
    folder, _ = existing(location)
    if live_run(folder.folder, datetime.now(UTC)) is not None:
        raise Refusal(f"DIR must have no run at work in it, got {folder.location}")
    store = received(listing.store)
    for row in listing.rows:
        if row.whole:
            store.delete(f"{row.stage}/{manifests.NAME}")  # first: a stage is whole or not there
        for name in row.files:
            store.delete(f"{row.stage}/{name}")
        if row.whole:
            store.delete(row.stage)


def _by_stage(sizes: Files) -> dict[str, dict[str, int]]:
    """The files of each stage, by their name in its folder."""
    stages: dict[str, dict[str, int]] = {}
    for path, size in sizes.items():
        stage, mark, name = path.partition("/")
        if mark and _HASH.fullmatch(stage):
            stages.setdefault(stage, {})[name] = size
    return stages


def _manifests(store: Folder, stages: Iterable[str]) -> dict[str, Manifest | RecordError]:
    def reading(stage: str) -> Manifest | RecordError:
        try:
            return manifests.read(store, stage)
        except RecordError as fault:
            return fault
        except OSError as error:  # nobody knows what it needs: all of it stays
            raise Refusal(
                f"the stage store must be one that can be read, got {stage}/{manifests.NAME}"
                f" ({reason(error)})"
            ) from error

    names = sorted(stages)
    return dict(zip(names, in_order(reading, names, store), strict=True))


def _needed(study: StudyFile, folder: StudyFolder) -> tuple[Set[str] | None, list[str]]:
    """The stages that trials of the study go through, made or not; None, and why, where that is not
    known."""
    if study.stage_store is not None:
        return None, ["studies share this store: none of its stages counts as unneeded here"]
    reading = folder.records()
    if reading.warnings:
        return None, [*reading.warnings, "so no stage counts as unneeded"]
    users = {stage for record in reading.records for stage in record.stages}
    missing = _missing(study, folder, reading)
    if missing is None:
        return None, ["the study is not at its end: no stage counts as unneeded yet"]
    return users | missing, []


def _missing(study: StudyFile, folder: StudyFolder, reading: Reading) -> set[str] | None:
    """The stages of trials that the study still wants; None where they are not known."""
    try:
        resolved = resolve(study, kept_code(folder.folder.read))
        settled = {record.fingerprint for record in reading.records if record.settled}
        if resolved.trials is not None:
            left = (trial for trial in resolved.trials if trial.fingerprint not in settled)
            return {stage.hash for trial in left for stage in trial.chain}
        records = resolved.earlier(folder.folder, reading.records).records
        standing = resolved.standing(records)
    except FactsMissing:
        return None
    return set() if standing.settled >= standing.wanted else None


def _waste(
    stage: str,
    files: Files,
    manifest: Manifest | RecordError | None,
    needed: Set[str] | None,
) -> Waste | None:
    """What of one stage can go, None where all of it stays."""
    if needed is not None and stage not in needed:
        return Waste(stage, UNNEEDED, files, whole=True)
    if isinstance(manifest, RecordError):
        return Waste(stage, f"faulty: {manifest}", files, whole=True)
    if manifest is None:
        kept = {name for name in files if name.startswith("partial-")}
    else:
        kept = {manifests.NAME, *manifest.files}
        if lost := sorted(kept - files.keys()):
            return Waste(stage, f"faulty: {', '.join(lost)} is missing", files, whole=True)
    rest = {name: size for name, size in files.items() if name not in kept}
    return Waste(stage, LEFT_OVER, rest, whole=False) if rest else None


def _held(store: Folder, stage: str, files: Files) -> bool:
    """Whether another process may be at work on a stage."""
    leased = any(name.startswith("lease-") for name in files)
    return leased and bool(Leases(store, "reader").others(stage))


def table(listing: StoreWaste, *, removed: bool) -> str:
    """Return the waste as a table for a terminal, with what it comes to."""
    from tabulate import tabulate

    rows = [[row.stage, row.why, len(row.files), size_words(row.n_bytes)] for row in listing.rows]
    total = sum(row.n_bytes for row in listing.rows)
    of = f"{size_words(total)} of the {size_words(listing.n_bytes)} in {listing.store}"
    lines = [*listing.notes]
    if rows:
        columns = ["stage", "why", "files", "size"]
        lines.append(tabulate(rows, columns, tablefmt="simple", disable_numparse=True))
    end = "removed" if removed else "can go; --delete removes them"
    lines.append(
        f"{counted(len(rows), 'stage')}: {of} {end}" if rows else f"nothing to prune: {of}"
    )
    return "\n".join(lines)


def size_words(n_bytes: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"

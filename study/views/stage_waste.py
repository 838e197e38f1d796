"""What of a stage store nobody needs: stages no trial goes through, faulty ones, and pieces that
were left over from the making of stages. Looked at first; removed where that is asked for, each
stage after a second look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from study.definition.locations import existing, readable_store_of, written_into
from study.definition.own_code import kept_code
from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from study.views.named_lines import wrapped
from trainables.config.settings import FactsMissing
from trainables.files import manifests
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE, live_run
from trainables.files.readable import few
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder, LocalFolder, abandoned, in_order, reason
from trainables.files.token import sharers
from trainables.files.trial_record import OtherVersion, RecordError
from trainables.files.trust import received
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import counted

_HASH: Final = re.compile(r"[0-9a-f]{16}")
"""What a stage's folder is called; no other folder of a store is touched."""

UNNEEDED: Final = "no trial goes through it"
LEFT_OVER: Final = "left over from its making"
SHARED: Final = "studies share this store: none of its stages counts as unneeded here"

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
    reader; `faults` say what could not be removed."""

    store: str
    rows: list[Waste]
    n_bytes: int
    notes: list[str]
    faults: Sequence[str] = ()


def waste(location: str) -> StoreWaste:
    """Return what can go from the stage store of a study folder; Refusal when it is none.

    A stage that another process may be making is left alone. Of a store that several studies share
    nobody knows here which stages the others need, so none counts as unneeded.
    """
    folder, study = existing(location)
    store = received(readable_store_of(study, folder))
    try:
        sizes = _sizes(store)
        shared = study.stage_store is not None or bool(sharers(store, folder.location))
    except OSError as error:
        rule = "must be a folder that can be read"
        raise Refusal(f"the stage store {rule}, got {store.location} ({reason(error)})") from error
    needed, notes = (None, [SHARED]) if shared else _needed(study, folder, store)
    stages = _by_stage(sizes)
    looks = in_order(
        lambda stage: _look(store, stage, stages[stage], needed), sorted(stages), store
    )
    faults = manifests.closed(store, {name.partition("/")[0] for name in sizes})
    rows = []
    for look in looks:
        if isinstance(look, Waste):
            rows.append(look)
        elif look is not None:
            faults.append(look)
    rows.sort(key=lambda row: (-row.n_bytes, row.stage))
    notes += few(faults, store.location)
    return StoreWaste(store.location, rows, sum(sizes.values()), notes)


def prune(location: str) -> StoreWaste:
    """Delete what `waste` returns, and return what went; Refusal while a run is at work there.

    The folder is held meanwhile, as by a run, so that none begins. Each stage is looked at again
    before it goes: what has changed since is left alone.
    """
    folder, _ = existing(location)
    lease = Leases(folder.folder)
    if live_run(folder.folder, datetime.now(UTC)) is not None:
        raise _busy(folder)
    with written_into(folder.location):
        lease.beat(RUN_LEASE)
    try:
        if lease.others(RUN_LEASE):  # two that began at once
            raise _busy(folder)
        listing = waste(location)
        store = received(listing.store)
        ends = in_order(partial(_removed, store, folder, lease), listing.rows, store)
        pairs = list(zip(listing.rows, ends, strict=True))
    finally:
        lease.release(RUN_LEASE)
    gone = [end for _, end in pairs if isinstance(end, Waste)]
    faults = [end for _, end in pairs if isinstance(end, str)]
    return replace(listing, rows=gone, faults=few(faults, listing.store))


def _busy(folder: StudyFolder) -> Refusal:
    return Refusal(f"DIR must have no run at work in it, got {folder.location}")


def _removed(store: Folder, folder: StudyFolder, lease: Leases, row: Waste) -> Waste | str | None:
    """Remove one stage's waste: what went, why it could not, or None where it is waste no more."""
    try:
        if lease.others(RUN_LEASE):
            return f"{row.stage}: left alone, a run has begun in {folder.location}"
        lease.beat_in_time(RUN_LEASE)
        files = _sizes(store, row.stage)
        needed: Set[str] | None = set() if row.why == UNNEEDED else None
        again = _look(store, row.stage, files, needed)
        if not isinstance(again, Waste) or again.why != row.why:
            return None
        names = sorted(row.files.keys() & again.files.keys())
        _delete(store, row, names)
    except OSError as error:
        return f"{row.stage}: could not be removed ({reason(error)})"
    return replace(row, files={name: row.files[name] for name in names})


def _delete(store: Folder, row: Waste, names: Sequence[str]) -> None:
    """Delete files of a stage, or all of one that nobody needs: at once, for an object store, where
    each file would be a request."""
    if row.whole:
        store.delete(f"{row.stage}/{manifests.NAME}")  # first: a stage is whole or not there
    if row.why == UNNEEDED:
        store.delete(row.stage)
        names = store.names(row.stage)  # alone, what could not be deleted says why
    for name in names:
        store.delete(f"{row.stage}/{name}")
    if row.whole and names and not store.names(row.stage):
        store.delete(row.stage)


def _sizes(store: Folder, under: str = "") -> dict[str, int]:
    """Bytes of all files, those that writers who were killed have left among them."""
    return {**store.sizes(under), **abandoned(store, under)}


def _by_stage(sizes: Files) -> dict[str, dict[str, int]]:
    """The files of each stage, by their name in its folder."""
    stages: dict[str, dict[str, int]] = {}
    for path, size in sizes.items():
        stage, mark, name = path.partition("/")
        if mark and _HASH.fullmatch(stage):
            stages.setdefault(stage, {})[name] = size
    return stages


def _needed(
    study: StudyFile, folder: StudyFolder, store: Folder
) -> tuple[Set[str] | None, list[str]]:
    """The stages that trials of the study go through, made or not; None, and why, where that is not
    known."""
    if _linked(store, folder.folder):
        return None, [f"{store.location} is a link, and {SHARED.replace('studies', 'studies may')}"]
    reading = folder.records()
    if reading.warnings:
        return None, [*reading.warnings, "so no stage counts as unneeded"]
    try:
        resolved = resolve(study, kept_code(folder.folder.read))
        records = resolved.earlier(folder.folder, reading.records).records
        standing = resolved.standing(records)
        trials = resolved.trials or ()
        wanted = {stage.hash for trial in trials for stage in trial.chain}
    except FactsMissing:
        return None, [_NOT_AT_ITS_END]
    if resolved.trials is None and standing.settled < standing.wanted:
        return None, [_NOT_AT_ITS_END]
    return {stage for record in reading.records for stage in record.stages} | wanted, []


_NOT_AT_ITS_END: Final = "the study is not at its end: no stage counts as unneeded yet"


def _linked(store: Folder, folder: Folder) -> bool:
    """Whether a folder's own store lies elsewhere, behind a link, where others may use it too."""
    if not isinstance(store, LocalFolder) or not isinstance(folder, LocalFolder):
        return False
    return store.path.resolve() != Path(folder.path.resolve(), "stages")


def _look(store: Folder, stage: str, files: Files, needed: Set[str] | None) -> Waste | str | None:
    """What of one stage can go, None where all of it stays; a sentence where it stays because its
    manifest cannot be read, or is another version's."""
    if any(name.startswith("lease-") for name in files) and Leases(store, "reader").others(stage):
        return None  # another process may be at work on it
    if needed is not None and stage not in needed:
        return Waste(stage, UNNEEDED, files, whole=True)
    if manifests.NAME not in files:
        if manifests.exists(store, stage):  # finished since it was listed
            return None
        kept = {name for name in files if name.startswith("partial-")}
    else:
        try:
            kept = {manifests.NAME, *manifests.read(store, stage).files}
        except OtherVersion as fault:
            return f"{fault}: it stays"
        except RecordError as fault:
            return Waste(stage, f"faulty: {fault}", files, whole=True)
        except OSError as error:
            return f"{stage}/{manifests.NAME}: cannot be read ({reason(error)}): it stays"
        if lost := sorted(kept - files.keys()):
            return Waste(stage, f"faulty: {', '.join(lost)} is missing", files, whole=True)
    rest = {name: size for name, size in files.items() if name not in kept}
    return Waste(stage, LEFT_OVER, rest, whole=False) if rest else None


def table(listing: StoreWaste, *, removed: bool, width: int | None = None) -> str:
    """Return the waste as a table for a terminal, with what it comes to; no wider than `width`
    characters, if given."""
    from tabulate import tabulate

    rows = [[row.stage, row.why, len(row.files), size_words(row.n_bytes)] for row in listing.rows]
    lines = [wrapped(note, width) for note in listing.notes]
    if rows:
        columns = ["stage", "why", "files", "size"]
        room = None if width is None else [None, max(width - _BESIDE, _LEAST), None, None]
        grid = tabulate(rows, columns, tablefmt="simple", disable_numparse=True, maxcolwidths=room)
        lines.append(grid)
    lines.append(wrapped(_in_all(listing, removed), width))
    return "\n".join(lines)


_BESIDE: Final = len("0123456789abcdef  ") + len("  files") + len("  12.3 MB")
"""Characters of a line of the table that the reason does not take."""

_LEAST: Final = 20
"""Characters that the reason takes at least."""


def _in_all(listing: StoreWaste, removed: bool) -> str:
    """What the waste comes to, in words."""
    total = size_words(sum(row.n_bytes for row in listing.rows))
    of = f"{total} of the {size_words(listing.n_bytes)} in {listing.store}"
    whole = sum(row.whole for row in listing.rows)
    pieces = len(listing.rows) - whole
    what = [counted(whole, "whole stage")] if whole else []
    what += [f"pieces of {counted(pieces, 'stage')} that stay"] if pieces else []
    if not what:
        return f"nothing {'was removed' if removed else 'to prune'}: {of}"
    end = "removed" if removed else "can go; --delete removes them"
    return f"{' and '.join(what)}: {of} {end}"


def size_words(n_bytes: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"

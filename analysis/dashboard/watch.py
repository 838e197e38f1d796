"""Study folders under watch: what they hold now, read again only when something has changed.

Asking whether something changed costs a few file attributes, or a listing on an object store.
Reads only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.names import KEYS
from analysis.dashboard.address import Address
from analysis.dashboard.cache import Cache
from analysis.dashboard.filters import FilterIndex, filter_index
from analysis.figures import source_frame
from analysis.figures.record import FrameName
from analysis.frames.record_frames import trial_columns
from analysis.frames.study_frames import StudyFrames, read
from analysis.selection.objectives import declared_objectives
from trainables.files import progress
from trainables.files.notes import STUDY, Note, write_note
from trainables.files.progress import LiveRun, live_run
from trainables.files.storage import Folder, is_remote
from trainables.files.trial_record import Record
from trainables.files.trust import received
from trainables.vocabulary.homes import expanded, without_scheme
from trainables.vocabulary.schema import Direction

_WATCHED: Final = ("records", "tables", "latency", "notes", "study.yaml")
"""A trial's record is written last, after its curve."""


class Snapshot:
    """One state of the folders: frames made when first asked for, and what could not be read.

    `version` names the state; equal versions hold equal frames. `margin` is the difference that
    does not matter, in the unit shown; None where nobody said one. `notable` says whether readers
    may write notes.
    """

    def __init__(
        self,
        study: StudyFrames | None,
        version: str,
        faults: Sequence[str],
        margin: float | None = None,
        notable: bool = False,
    ) -> None:
        self.study = study
        self.margin = margin
        self.notable = notable
        self.version = version
        self._faults = list(faults)
        self._lock = threading.RLock()
        self._frames: dict[FrameName, pd.DataFrame] = {}
        self._owners: dict[FrameName, NDArray[np.int64]] = {}
        self.cache = Cache()

    @cached_property
    def trials(self) -> pd.DataFrame:
        """All trials of the folders that could be read."""
        with self._lock:
            if self.study is None:
                return pd.DataFrame(columns=trial_columns([])).astype({"study": "str"})
            return self.study.trials

    @cached_property
    def filters(self) -> FilterIndex:
        """What the filters know of the trials."""
        return filter_index(self.trials)

    @cached_property
    def objectives(self) -> dict[str, Direction]:
        """The objectives that the folders' searches share, where these are several."""
        with self._lock:
            return declared_objectives(self.study.settings, self.trials) if self.study else {}

    @cached_property
    def records(self) -> dict[tuple[str, str], Record]:
        """Every trial's record by (study, fingerprint)."""
        with self._lock:
            pairs = self.study.records if self.study else []
            return {(study, record.fingerprint): record for study, record in pairs}

    @cached_property
    def notes(self) -> dict[tuple[str, str], Note]:
        """What people noted, by study and what it is about."""
        with self._lock:
            return self.study.notes if self.study is not None else {}

    @property
    def warnings(self) -> list[str]:
        """What could not be read so far, one sentence each."""
        return [*self._faults, *(self.study.warnings if self.study else [])]

    def chosen(self, address: Address) -> pd.DataFrame:
        """Return the trials that the address's filters let through."""
        keep = self.filters.keep(address)
        return self.trials if keep.all() else self.trials[keep].reset_index(drop=True)

    def source(self, source: FrameName) -> pd.DataFrame:
        """Return a whole frame that figures start from, all trials in it."""
        if source == "trials" or self.study is None:
            return self.trials
        with self._lock:
            if source not in self._frames:
                self._frames[source] = source_frame(self.study, source)
            return self._frames[source]

    def rows(self, source: FrameName, trials: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a source that belong to some of the trials."""
        if source == "trials" or len(trials) == len(self.trials):
            return trials if source == "trials" else self.source(source)
        frame = self.source(source)
        wanted = pd.MultiIndex.from_frame(trials[list(KEYS)])
        keep = self._index.isin(wanted)
        return frame[keep[self._owner(source)]].reset_index(drop=True)

    @cached_property
    def _index(self) -> pd.MultiIndex:
        return pd.MultiIndex.from_frame(self.trials[list(KEYS)])

    def _owner(self, source: FrameName) -> NDArray[np.int64]:
        """The position, among all trials, of each row of a source."""
        with self._lock:
            if source not in self._owners:
                positions = self.trials[list(KEYS)].assign(_position=np.arange(len(self.trials)))
                rows = self.source(source)[list(KEYS)].merge(positions, on=list(KEYS), how="left")
                self._owners[source] = rows["_position"].to_numpy(dtype=np.int64)
            return self._owners[source]


class Watch:
    """Study folders, and the newest state read of them. Safe to be asked from several threads.

    `notable` lets readers write notes into the folders; nothing else is ever written.
    """

    def __init__(
        self, locations: Sequence[str], margin: float | None = None, notable: bool = False
    ) -> None:
        self.margin = margin
        self.locations = tuple(dict.fromkeys(locations))
        self.notable = notable
        self._lock = threading.Lock()
        self._snapshot = self._read(self.state())

    @property
    def snapshot(self) -> Snapshot:
        """The newest state read."""
        return self._snapshot

    def refresh(self) -> Snapshot:
        """Return the newest state, after reading again if something has changed in a folder.

        While one caller reads, others get the state before.
        """
        if not self._lock.acquire(blocking=False):
            return self._snapshot
        try:
            state = self.state()
            if state != self._snapshot.version:
                self._snapshot = self._read(state)
            return self._snapshot
        finally:
            self._lock.release()

    def state(self) -> str:
        """Return a short text that changes whenever records, curves, tables or study.yaml do."""
        marks = [_remote_marks(at) if is_remote(at) else _local_marks(at) for at in self.locations]
        return blake2b(repr(marks).encode(), digest_size=8).hexdigest()

    def _read(self, version: str) -> Snapshot:
        study, faults = _read_all(self.locations)
        snapshot = Snapshot(study, version, faults, self.margin, self.notable)
        _ = snapshot.filters
        return snapshot

    def note(self, study: str, about: str, text: str) -> str:
        """Keep a note on a study, or on one of its trials; return what came of it, in words."""
        current = self._snapshot.study
        home = current.homes.get(study) if current is not None else None
        if not self.notable or home is None:
            return "Notes cannot be written here."
        known = self._snapshot.trials
        if about != STUDY and about not in set(known["fingerprint"][known["study"] == study]):
            return "There is no such trial any more."
        try:
            write_note(received(home), about, text, datetime.now(UTC))
        except (OSError, ValueError) as error:
            return f"Not saved: {error}."
        return "Saved." if text.strip() else "Taken away."

    def runs(self, now: datetime | None = None) -> list[LiveRun]:
        """Return the live runs that hold the folders, with what they said lately, if anything."""
        moment = now or datetime.now(UTC)
        runs = [_live_run(location, moment) for location in self.locations]
        return [run for run in runs if run is not None]


def _read_all(locations: Sequence[str]) -> tuple[StudyFrames | None, list[str]]:
    """The study that the folders hold, and a sentence for each of them that cannot be read."""
    try:
        return read(*locations), []
    except (OSError, ValueError):
        reasons = [(location, _fault(location)) for location in locations]
    readable = [location for location, fault in reasons if fault is None]
    faults = [f"{location}: cannot be read: {fault}" for location, fault in reasons if fault]
    return (read(*readable) if readable else None), faults


def _fault(location: str) -> str | None:
    """Why a folder cannot be read; None when it can."""
    try:
        read(location)
    except (OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return None


def _local_marks(location: str) -> list[Any]:
    """When each watched folder last got, lost or replaced a file; None for what is absent."""
    root = expanded(without_scheme(location))
    marks: list[Any] = [location]
    for name in _WATCHED:
        try:
            status = os.stat(root / name)
            marks.append((status.st_mtime_ns, status.st_ino))
        except OSError as error:
            marks.append(type(error).__name__)
    return marks


def _remote_marks(location: str) -> list[Any]:
    """Names of records, and the counts that a run writes as it goes."""
    try:
        folder = received(location)
        return [location, folder.names("records"), _counts(folder)]
    except (OSError, ValueError) as error:
        return [location, type(error).__name__]


def _counts(folder: Folder) -> tuple[int, int, int] | None:
    latest = progress.read(folder)
    return None if latest is None else (latest.wanted, latest.settled, latest.failed)


def _live_run(location: str, now: datetime) -> LiveRun | None:
    """The live run that holds a folder; None without one, or where the folder cannot be read."""
    try:
        return live_run(received(location), now)
    except (OSError, ValueError):
        return None

"""Study folders as pandas frames: one row per trial, cycle, epoch or layer.

Reads records, curves and stage manifests, writes nothing, and needs neither torch nor ray. What
cannot be read becomes a warning that names it; the rest is read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns
from analysis.columns.revisions import older_sentences
from analysis.frames.epoch_frames import epoch_frame
from analysis.frames.latency_frames import latency_frame
from analysis.frames.record_frames import (
    cycle_frame,
    layer_frame,
    measures_in,
    separable,
    trial_columns,
    trial_frame,
)
from analysis.frames.twins import without_twins
from analysis.frames.work_frame import work_frame
from trainables.files.notes import Note, read_notes
from trainables.files.plain_yaml import plain
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder, is_remote, reason
from trainables.files.tables import table_records
from trainables.files.trial_record import Record, RecordError
from trainables.files.trust import distrust, received
from trainables.vocabulary.homes import expanded, without_scheme
from trainables.vocabulary.schema import at_level

_REPLICATE = ("seed", RETRAIN_SEED)


@dataclass(frozen=True)
class _FolderTable:
    """One study folder's records, each trial once, and their trials frame.

    `labels` holds each row's study, as all frames name it.
    """

    folder: StudyFolder
    table: pa.Table
    labels: list[str]
    trials: pd.DataFrame


def _distinct(locations: Sequence[str]) -> tuple[str, ...]:
    """Locations as they were given, without further names of the same folder: no trial is two."""
    first: dict[str, str] = {}
    for location in locations:
        first.setdefault(_same(location), location)
    return tuple(first.values())


def _same(location: str) -> str:
    """What all names of a folder have in common."""
    if is_remote(location):
        return location.rstrip("/")
    return os.path.realpath(expanded(without_scheme(location)))


class StudyFrames:
    """What one or several study folders hold, as frames made when first asked for.

    `trials`: study, fingerprint, configuration, seeds, state, metrics, then what a search and the
    run left (`record_frames.RUN_COLUMNS`). `cycles`: one row per (trial, cycle). `epochs`: every
    curve, the dense run's joined. `layers`: sparsity of each layer at the end. `latency`: what
    `bimp bench` measured of their networks. A metric that was
    not recorded is NaN, and so is every metric of a failed trial. The same trial in two folders is
    two rows; in one folder, under two fingerprints, it is one (`twins.without_twins`). Raises
    FileNotFoundError where there is no study folder.
    """

    def __init__(self, locations: Sequence[str]) -> None:
        self.locations = _distinct(locations)
        self._warnings: dict[str, None] = {}
        self._sources = self._read_sources()

    def _read_sources(self) -> list[_FolderTable]:
        folders = [StudyFolder(received(location)) for location in self.locations]
        tables = []
        for folder in folders:
            table, warnings = _read_table(folder)
            self._warn(folder, warnings)
            tables.append(table)
        labels = _labels(folders, tables)
        return list(map(self._once, folders, tables, labels))

    def _once(self, folder: StudyFolder, table: pa.Table, labels: list[str]) -> _FolderTable:
        """A folder's records without those that say to be a trial that is there already."""
        frame = trial_frame(table, labels)
        keep, sentences = without_twins(table, frame)
        self._warn(folder, sentences)
        if not sentences:
            return _FolderTable(folder, table, labels, frame)
        table, labels = table.filter(pa.array(keep)), list(compress(labels, keep))
        return _FolderTable(folder, table, labels, trial_frame(table, labels))

    def _warn(self, folder: StudyFolder, sentences: Iterable[str]) -> None:
        self._warnings.update(dict.fromkeys(f"{folder.location}: {text}" for text in sentences))

    @property
    def warnings(self) -> list[str]:
        """What could not be read so far, one sentence each, and what is of an older revision.

        The epochs frame adds its own.
        """
        return [*self._warnings, *older_sentences(self.trials)]

    @cached_property
    def records(self) -> list[tuple[str, Record]]:
        """(study, record) of every trial, in the order of the trials frame."""
        return [
            pair
            for source in self._sources
            for pair in zip(source.labels, table_records(source.table), strict=True)
        ]

    @cached_property
    def homes(self) -> dict[str, str]:
        """The location of the folder that each study was read from, by the study's label."""
        return {label: s.folder.location for s in self._sources for label in s.labels}

    @cached_property
    def notes(self) -> dict[tuple[str, str], Note]:
        """What people noted, by study and what it is about: a fingerprint, or `notes.STUDY`."""
        found: dict[tuple[str, str], Note] = {}
        for source in self._sources:
            notes, warnings = read_notes(source.folder.folder)
            self._warn(source.folder, warnings)
            for label in set(source.labels):
                found |= {(label, about): note for about, note in notes.items()}
        return found

    @cached_property
    def work(self) -> pd.DataFrame:
        """One row per trial that says when it ran, see `work_frame`."""
        return work_frame(self.records)

    @cached_property
    def settings(self) -> dict[str, dict[str, Any]]:
        """What each folder's study.yaml says, by location; {} where it is missing or unreadable."""
        return {s.folder.location: self._study_file(s.folder) for s in self._sources}

    def _study_file(self, folder: StudyFolder) -> dict[str, Any]:
        from ruamel.yaml.error import YAMLError

        try:
            content = plain(folder.folder.read("study.yaml").decode())
        except FileNotFoundError:
            return {}
        except (YAMLError, OSError, ValueError, RecursionError) as error:
            self._warn(folder, [f"study.yaml: cannot be read ({reason(error)})"])
            return {}
        return content if isinstance(content, dict) else {}

    def _each(self, frame: Callable[[pa.Table, Sequence[str]], pd.DataFrame]) -> list[pd.DataFrame]:
        """A frame of each folder; that of one with rows of no record is empty, and it is named."""
        frames = []
        for source in self._sources:
            try:
                frames.append(frame(source.table, source.labels))
            except RecordError as error:
                self._warn(source.folder, [f"left out: {error}"])
                frames.append(frame(source.table.slice(0, 0), []))
        return frames

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial."""
        whole = separable(_stacked([source.trials for source in self._sources]))
        return whole[trial_columns(whole.columns)]

    @cached_property
    def cycles(self) -> pd.DataFrame:
        """One row per (trial, cycle); configuration is joined by `with_config`."""
        return _stacked(self._each(cycle_frame))

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per (trial, layer): `layer` is the parameter's name, `sparsity` a ratio."""
        return _stacked(self._each(layer_frame))

    @cached_property
    def latency(self) -> pd.DataFrame:
        """One row per measured (trial, form, backend, batch, machine), see `latency_frames`."""
        frames = []
        for source in self._sources:
            frame, warnings = latency_frame(source.folder, source.table, source.labels)
            self._warn(source.folder, warnings)
            frames.append(frame)
        return _stacked(frames)

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per (trial, epoch), the dense run's epochs first (phase dense, cycle 0).

        `total_epoch` counts a trial's epochs from 0, the dense run's included; it is missing where
        neither the dense run's curve nor its recorded length is there.
        """
        frames = []
        for source in self._sources:
            frame, warnings = epoch_frame(
                source.folder,
                self._stage_store(source),
                source.trials,
                at_level("epoch", measures_in(source.table).values()),
            )
            self._warn(source.folder, warnings)
            frames.append(frame)
        return _stacked(frames)

    def _stage_store(self, source: _FolderTable) -> Folder:
        """Where the study keeps its stages: what its study.yaml says, or stages/ beside it."""
        store = self.settings[source.folder.location].get("stage_store")
        beside = source.folder.folder.child("stages")
        if not isinstance(store, str) or not store:
            return beside
        if (sentence := distrust(store, source.folder.location)) is not None:
            self._warn(source.folder, [f"curves of dense runs are left out: {sentence}"])
            return beside
        try:
            return received(store)
        except ValueError as error:
            self._warn(source.folder, [f"curves of dense runs are left out: stage_store: {error}"])
            return beside

    def with_config(
        self, frame: pd.DataFrame, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return a cycles, epochs or layers frame with trial columns joined.

        `columns` are columns of the trials frame, by default the configuration, seeds and state.
        """
        known = self.trials
        wanted = (
            [*config_columns(known), *_REPLICATE, "state"] if columns is None else list(columns)
        )
        return frame.merge(known[[*KEYS, *wanted]], on=list(KEYS), how="left")


def _read_table(folder: StudyFolder) -> tuple[pa.Table, list[str]]:
    """A folder's records; FileNotFoundError where there is no study at all."""
    inside = folder.folder.names()
    marks = ("study.yaml", "records", "tables")
    if not any(mark in inside for mark in marks):
        raise FileNotFoundError(
            f"no study at {folder.location}: the folder has none of {', '.join(marks)}"
        )
    return folder.table()


def _labels(folders: Sequence[StudyFolder], tables: Sequence[pa.Table]) -> list[list[str]]:
    """Each row's study, with its folder behind it where another folder read has that name too."""
    names = [table.column("study").to_pylist() for table in tables]
    seen = [name for study_names in names for name in set(study_names)]
    return [
        [name if seen.count(name) == 1 else f"{name} ({folder.location})" for name in study_names]
        for folder, study_names in zip(folders, names, strict=True)
    ]


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Frames below one another; a column that one of them lacks is missing there."""
    filled = [frame for frame in frames if len(frame)] or list(frames[:1])
    return filled[0] if len(filled) == 1 else pd.concat(filled, ignore_index=True)


def read(*locations: str) -> StudyFrames:
    """Return the study held by one or several study folders, local or `s3://...`."""
    if not locations:
        raise ValueError("read needs at least one study folder")
    return StudyFrames(locations)


def trials(*locations: str) -> pd.DataFrame:
    """Return one row per trial of the study folders."""
    return read(*locations).trials


def cycles(*locations: str) -> pd.DataFrame:
    """Return one row per (trial, cycle) of the study folders."""
    return read(*locations).cycles


def epochs(*locations: str, dense: bool = True) -> pd.DataFrame:
    """Return one row per (trial, epoch); the dense runs' own epochs only where `dense` says so."""
    frame = read(*locations).epochs
    return frame if dense else frame[frame["phase"] != "dense"].reset_index(drop=True)

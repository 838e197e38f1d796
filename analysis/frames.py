"""Study folders as pandas frames: one row a trial, a cycle, an epoch, a layer.

Reads records, curves and stage manifests, writes nothing, and needs neither torch nor ray. What
cannot be read becomes a warning that names it; the rest is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.columns import config_columns, in_schema_order
from analysis.query import group, select, sort, where
from analysis.stages import stage_curve
from trainables.records import Record, RecordError, StudyFolder
from trainables.schema import CYCLE_METRICS, EPOCH_METRICS, TRIAL_METRICS
from trainables.storage import Folder

__all__ = [
    "Study",
    "cycles",
    "epochs",
    "flatten",
    "group",
    "read",
    "select",
    "sort",
    "trials",
    "where",
]

_KEYS = ["study", "fingerprint"]


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested configuration as one flat mapping with dotted keys.

    A mapping that has a `name` gives that name under its own path and the rest below it
    (`method` and `method.interval`); lists become tuples, so that every value is hashable.
    """
    flat: dict[str, Any] = {}
    _flatten_into(flat, "", config)
    return flat


def _flatten_into(flat: dict[str, Any], path: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for key, below in value.items():
            name = path if key == "name" and path else f"{path}.{key}" if path else key
            _flatten_into(flat, name, below)
    else:
        flat[path] = _hashable(value)


def _hashable(value: Any) -> Any:
    return tuple(_hashable(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True)
class _Source:
    """One study folder's records; `labels` maps a record's study to its name among all read."""

    folder: StudyFolder
    records: list[Record]
    labels: dict[str, str]

    def label(self, record: Record) -> str:
        return self.labels[record.study]


class Study:
    """What one or several study folders hold, as frames made when first asked for.

    `trials`: study, fingerprint, configuration, seed, state, metrics, then what a search and the
    run left (`origin.block`, `origin.number`, `dense_stage`, `attempt`, `message`).
    `cycles`: one row per (trial, cycle). `epochs`: every curve, the dense run's joined.
    `layers`: sparsity of each layer at the end. A metric that was not recorded is NaN.
    """

    def __init__(self, locations: Sequence[str]) -> None:
        self.locations = tuple(dict.fromkeys(locations))
        self._warnings: list[str] = []

    @property
    def warnings(self) -> list[str]:
        """What could not be read so far, one sentence each; frames not yet made add theirs."""
        _ = self._sources
        return list(self._warnings)

    @cached_property
    def records(self) -> list[tuple[str, Record]]:
        """(study label, record) of every trial, in the order of the trials frame."""
        return [(source.label(r), r) for source in self._sources for r in source.records]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial."""
        return _trial_frame(self.records)

    @cached_property
    def cycles(self) -> pd.DataFrame:
        """One row per (trial, cycle); join configuration with `with_config`."""
        return _cycle_frame(self.records)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row per (trial, layer): `layer` is the parameter's name, `sparsity` a ratio."""
        rows = [
            (label, r.fingerprint, layer, sparsity)
            for label, r in self.records
            for layer, sparsity in r.layers.items()
        ]
        return pd.DataFrame(rows, columns=[*_KEYS, "layer", "sparsity"])

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per (trial, epoch), the dense run's epochs first (phase dense, cycle 0)."""
        return self.epochs_of(dense=True)

    def epochs_of(self, *, dense: bool) -> pd.DataFrame:
        """As `epochs`; the dense run's own epochs only where `dense` says so."""
        frames = [self._source_epochs(source, dense) for source in self._sources]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def with_config(
        self, frame: pd.DataFrame, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return a cycles, epochs or layers frame with configuration and seed columns joined."""
        known = self.trials
        wanted = [*config_columns(known), "seed", "state"] if columns is None else list(columns)
        return frame.merge(known[[*_KEYS, *wanted]], on=_KEYS, how="left")

    @cached_property
    def _sources(self) -> list[_Source]:
        sources = []
        for location in self.locations:
            folder = StudyFolder(location)
            reading = folder.records()
            self._warnings += [f"{location}: {warning}" for warning in reading.warnings]
            labels = {r.study: r.study for r in reading.records}
            sources.append(_Source(folder, reading.records, labels))
        return sources

    def _source_epochs(self, source: _Source, dense: bool) -> pd.DataFrame:
        curves, warnings = source.folder.curves()
        location = source.folder.location
        self._warnings += [f"{location}: {warning}" for warning in warnings]
        owners = pd.DataFrame(
            [(source.label(r), r.fingerprint, _dense_stage(r)) for r in source.records],
            columns=[*_KEYS, "dense_stage"],
        )
        own = owners.drop(columns="dense_stage").merge(curves.to_pandas(), on="fingerprint")
        stages, faults = _stage_curves(self._store(source), owners["dense_stage"].dropna().unique())
        self._warnings += [f"{location}: {fault}" for fault in faults]
        first = owners.dropna(subset="dense_stage").merge(
            stages.rename(columns={"fingerprint": "dense_stage"}), on="dense_stage"
        )
        whole = pd.concat([first.drop(columns="dense_stage"), own], ignore_index=True)
        whole = whole.sort_values([*_KEYS, "cycle", "epoch"], ignore_index=True)
        whole.insert(6, "total_epoch", whole.groupby(_KEYS).cumcount())
        return whole if dense else whole[whole["phase"] != "dense"].reset_index(drop=True)

    def _store(self, source: _Source) -> Folder:
        return source.folder.folder.child("stages")


def _dense_stage(record: Record) -> str | None:
    """Hash of the trial's dense run; None for methods from scratch, whose one stage is whole."""
    return record.stages[0] if record.stages and "retrain" in record.config else None


def _stage_curves(store: Folder, stages: Iterable[str]) -> tuple[pd.DataFrame, list[str]]:
    tables, warnings = [], []
    for stage in stages:
        try:
            tables.append(stage_curve(store, stage))
        except FileNotFoundError:
            warnings.append(f"stage {stage}: not in {store.location}, its dense curve is missing")
        except RecordError as error:
            warnings.append(str(error))
    frame = (
        pa.concat_tables(tables).to_pandas() if tables else pd.DataFrame(columns=["fingerprint"])
    )
    return frame, warnings


def _metric_column(entries: Sequence[Mapping[str, Any]], name: str) -> np.ndarray[Any, Any]:
    return np.array([entry.get(name, np.nan) for entry in entries], dtype=float)


def _block(record: Record) -> str | None:
    block = record.origin.get("block")
    return None if block is None else ", ".join(f"{k}={v}" for k, v in sorted(block.items()))


def _trial_frame(records: Sequence[tuple[str, Record]]) -> pd.DataFrame:
    flat = [flatten(r.config) for _, r in records]
    config = in_schema_order({key for row in flat for key in row})
    metrics = [{} if r.state == "failed" else r.metrics for _, r in records]
    columns: dict[str, Any] = {
        "study": [label for label, _ in records],
        "fingerprint": [r.fingerprint for _, r in records],
        **{key: [row.get(key) for row in flat] for key in config},
        "seed": [r.seed for _, r in records],
        "state": [r.state for _, r in records],
        **{name: _metric_column(metrics, name) for name in TRIAL_METRICS},
        "origin.block": [_block(r) for _, r in records],
        "origin.number": [r.origin.get("number") for _, r in records],
        "dense_stage": [_dense_stage(r) for _, r in records],
        "attempt": [r.attempt for _, r in records],
        "message": [r.message for _, r in records],
    }
    return pd.DataFrame(columns)


def _cycle_frame(records: Sequence[tuple[str, Record]]) -> pd.DataFrame:
    rows = [(label, r.fingerprint, cycle) for label, r in records for cycle in r.cycles]
    entries = [cycle for _, _, cycle in rows]
    columns: dict[str, Any] = {
        "study": [label for label, _, _ in rows],
        "fingerprint": [fingerprint for _, fingerprint, _ in rows],
        "cycle": [entry.get("cycle") for entry in entries],
        **{name: _metric_column(entries, name) for name in CYCLE_METRICS},
    }
    return pd.DataFrame(columns)


def read(*locations: str) -> Study:
    """Return the study held by one or several study folders, local or `s3://...`."""
    return Study(locations)


def trials(*locations: str) -> pd.DataFrame:
    """Return one row per trial of the study folders."""
    return read(*locations).trials


def cycles(*locations: str) -> pd.DataFrame:
    """Return one row per (trial, cycle) of the study folders."""
    return read(*locations).cycles


def epochs(*locations: str, dense: bool = True) -> pd.DataFrame:
    """Return one row per (trial, epoch), the dense run's own epochs first where asked for."""
    return read(*locations).epochs_of(dense=dense)


EPOCH_COLUMNS = (*_KEYS, "phase", "cycle", "epoch", "step", "total_epoch", *EPOCH_METRICS)
"""Columns of the epochs frame; `total_epoch` counts a trial's epochs from 0, dense run included."""

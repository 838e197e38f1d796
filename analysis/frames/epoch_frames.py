"""The curves of a study's trials as one frame, each trial's dense run joined from its stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.columns.names import KEYS
from analysis.frames.stages import stage_curve
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder
from trainables.files.tables import CURVE_SCHEMA, joined_curves
from trainables.files.trial_record import RecordError

EPOCH_KEYS = (*KEYS, "phase", "cycle", "epoch", "step", "total_epoch")
"""First columns of the epochs frame; then come the numbers of the tasks that were read."""

Integers = NDArray[np.int64]


def epoch_frame(
    folder: StudyFolder, store: Folder, trials: pd.DataFrame, measures: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per (trial, epoch), in the order of `trials`, and warnings.

    `trials` has study, fingerprint, dense_stage and dense_epochs; `measures` are the numbers of an
    epoch that its tasks declare, which come after `EPOCH_KEYS`. Curves without a record, of trials
    that still run, are left out.
    """
    curves, warnings = folder.curves()
    stages, faults = _stage_curves(store, trials["dense_stage"].dropna().unique())
    table = joined_curves([stages, curves]).combine_chunks()
    rows, owners = _owned_rows(table, stages.num_rows, trials)
    order = _by_position(table, rows, owners)
    ordered = table.take(pa.array(rows[order]))
    return _frame(ordered, owners[order], trials, measures), warnings + faults


def _stage_curves(store: Folder, stages: Iterable[str]) -> tuple[pa.Table, list[str]]:
    """The epochs of the stages as one table, with a warning for each that cannot be read."""
    tables, warnings = [CURVE_SCHEMA.empty_table()], []
    for stage in stages:
        try:
            tables.append(stage_curve(store, stage))
        except FileNotFoundError:
            warnings.append(f"stage {stage} is not in {store.location}: no curve of its dense run")
        except RecordError as error:
            warnings.append(f"{error}: no curve of its dense run")
    return joined_curves(tables), warnings


def _owned_rows(table: pa.Table, n_stage: int, trials: pd.DataFrame) -> tuple[Integers, Integers]:
    """Rows of the table, and the trial (a row of `trials`) that each belongs to.

    The first `n_stage` rows are dense runs', each of which belongs to every trial that used it.
    """
    names = table.column("fingerprint")
    fingerprints = pa.array(trials["fingerprint"], pa.string())
    owner = _numbers(pc.index_in(names.slice(n_stage), value_set=fingerprints))
    later = np.flatnonzero(owner >= 0)
    stage_rows = pd.DataFrame({"dense_stage": names.slice(0, n_stage).to_pandas()})
    stage_rows["row"] = np.arange(n_stage)
    users = pd.DataFrame({"dense_stage": trials["dense_stage"], "owner": np.arange(len(trials))})
    shared = stage_rows.merge(users.dropna(), on="dense_stage")
    rows = np.concatenate([shared["row"].to_numpy(), later + n_stage])
    return rows, np.concatenate([shared["owner"].to_numpy(), owner[later]])


def _numbers(column: Any) -> Integers:
    return np.asarray(pc.fill_null(column, -1).to_numpy(), dtype=np.int64)


def _by_position(table: pa.Table, rows: Integers, owners: Integers) -> Integers:
    """The order by trial, cycle (the dense run's is 0) and epoch."""
    cycle, epoch = (_numbers(table.column(name))[rows] for name in ("cycle", "epoch"))
    width = int(epoch.max(initial=0)) + 2
    depth = int(cycle.max(initial=0)) + 2
    return np.argsort((owners * depth + cycle) * width + epoch, kind="stable")


def _frame(
    table: pa.Table, owners: Integers, trials: pd.DataFrame, measures: Sequence[str]
) -> pd.DataFrame:
    frame = table.drop_columns("fingerprint").to_pandas()
    for position, key in enumerate(KEYS):
        column = pa.array(trials[key], pa.large_string()).take(pa.array(owners))
        frame.insert(position, key, pd.Series(column.to_pandas(), dtype="str"))
    frame["total_epoch"] = _running(owners, frame["phase"].to_numpy() == "dense", trials)
    return pd.DataFrame(frame[[*EPOCH_KEYS, *(n for n in measures if n in frame)]])


def _running(owners: Integers, dense: NDArray[np.bool_], trials: pd.DataFrame) -> NDArray[Any]:
    """Epochs of the same trial before each row; those of a dense run without curve are recorded."""
    first = np.searchsorted(owners, np.arange(len(trials)))
    count = np.arange(len(owners)) - first[owners]
    unseen = np.ceil(trials["dense_epochs"].to_numpy())
    unseen[trials["dense_stage"].isna().to_numpy()] = 0
    unseen[owners[dense]] = 0
    total: NDArray[Any] = count + unseen[owners]
    return total.astype(np.int64) if not np.isnan(total).any() else total

"""What ran where and when: one row per trial, from what its worker wrote of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd

from analysis.columns.names import KEYS
from trainables.files.trial_record import Record

WORK_COLUMNS: Final = (
    *KEYS, "host", "node", "worker", "device", "lane", "started", "finished", "trained", "shared",
)  # fmt: skip


def work_frame(records: Iterable[tuple[str, Record]]) -> pd.DataFrame:
    """Return one row per record that says when its trial started and finished, the earliest first.

    `started` and `finished` are in UTC. `trained` counts the stages that its worker trained itself,
    `shared` those that it found in the store, made by other trials, tries or studies; both are
    missing where the record does not say. `node` and `worker` are what a cluster called the node
    and the process that had the trial; None in older records. `lane` numbers, from 1 on each host,
    the workers that were there at the same time: a worker takes the first lane that is free, and
    keeps it from the start of its first trial to the end of its last one. A trial whose worker is
    not known takes the first free lane for itself. A trial that was lost and taken up again counts
    from its last start.
    """
    rows = [row for study, record in records if (row := _row(study, record)) is not None]
    frame = pd.DataFrame(rows, columns=[c for c in WORK_COLUMNS if c != "lane"])
    for column in ("started", "finished"):
        frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601", errors="coerce")
    frame = frame.dropna(subset=["started", "finished"])
    frame = frame[frame["finished"] >= frame["started"]]
    frame = frame.sort_values(["started", "finished", "fingerprint"], ignore_index=True)
    frame.insert(WORK_COLUMNS.index("lane"), "lane", _lanes(frame))
    return frame


def _row(study: str, record: Record) -> list[Any] | None:
    origin = record.provenance
    started, finished = origin.get("started_at"), origin.get("finished_at")
    if not (isinstance(started, str) and isinstance(finished, str)):
        return None
    return [
        study, record.fingerprint, str(origin.get("host") or "a machine without a name"),
        _named(origin, "node"), _named(origin, "worker"), _device(origin),
        started, finished, *_stages(record),
    ]  # fmt: skip


def _named(origin: Mapping[str, Any], key: str) -> str | None:
    name = origin.get(key)
    return name if isinstance(name, str) and name else None


def _device(origin: Mapping[str, Any]) -> str:
    return str(origin.get("device") or "")


def _stages(record: Record) -> tuple[float, float]:
    """Stages of the trial that its worker trained, and those that it found."""
    own = record.provenance.get("stages_trained")
    if not isinstance(own, list) or not all(isinstance(stage, str) for stage in own):
        return float("nan"), float("nan")
    trained = len(set(own) & set(record.stages))
    return float(trained), float(len(set(record.stages)) - trained)


def _lanes(frame: pd.DataFrame) -> pd.Series[int]:
    """The lane of each trial: that of its worker, or of its own where nobody recorded the worker.

    The first lane of the host that is free when the worker's first trial starts.
    """
    alone = pd.Series([f"trial {place}" for place in range(len(frame))], index=frame.index)
    crew = frame.assign(worker=("worker " + frame["worker"].astype(object)).fillna(alone))
    spans = crew.groupby(["host", "worker"], sort=False).agg(
        started=("started", "min"), finished=("finished", "max")
    )
    lanes = {}
    ends: dict[str, list[Any]] = {}
    for key, span in zip(spans.index, spans.itertuples(), strict=True):
        busy = ends.setdefault(key[0], [])
        lane = next((n for n, end in enumerate(busy) if end <= span.started), len(busy))
        busy[lane : lane + 1] = [span.finished]
        lanes[key] = lane + 1
    own = zip(crew["host"], crew["worker"], strict=True)
    return pd.Series([lanes[key] for key in own], index=frame.index, dtype="int64")

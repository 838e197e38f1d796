"""The trials of a study folder as entries for trackers, made from its frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, cast

from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns, is_missing
from analysis.frames.study_frames import StudyFrames
from study.trackers.tracker import Entry, Setting, version
from trainables.vocabulary.schema import State, at_level


def ended(frames: StudyFrames) -> dict[str, dict[str, str]]:
    """Return the version of every trial that ended, by study and fingerprint."""
    found: dict[str, dict[str, str]] = {}
    columns = (frames.trials[name] for name in ("study", "fingerprint", "state", "attempt"))
    for study, name, state, attempt in zip(*columns, strict=True):
        found.setdefault(str(study), {})[str(name)] = version(state, int(attempt))
    return found


def entries(frames: StudyFrames, fingerprints: Collection[str]) -> Iterator[Entry]:
    """Yield the trials of these names, in the order of the frame."""
    trials = frames.trials[frames.trials["fingerprint"].isin(fingerprints)]
    epochs = frames.epochs[frames.epochs["fingerprint"].isin(fingerprints)]
    curves = dict(iter(epochs.groupby("fingerprint")))
    measured = [name for name in at_level("epoch") if name in epochs]
    numbers = [name for name in at_level("trial") if name in trials]
    settings = [*config_columns(trials), "seed", RETRAIN_SEED]
    provenance = {record.fingerprint: record.provenance for _, record in frames.records}
    for row in trials.to_dict("records"):
        name = row["fingerprint"]
        curve = curves.get(name, epochs.iloc[:0])
        yield Entry(
            fingerprint=name,
            study=row[KEYS[0]],
            state=cast(State, row["state"]),
            name=_words(row),
            settings={k: _setting(row[k]) for k in settings if not is_missing(row[k])},
            numbers=_numbers(row, numbers),
            curve=[
                (int(epoch["total_epoch"]), _numbers(epoch, measured))
                for epoch in curve.to_dict("records")
                if not is_missing(epoch["total_epoch"])
            ],
            started=_moment(provenance[name].get("started_at")),
            finished=_moment(provenance[name].get("finished_at")),
            message="" if is_missing(row["message"]) else str(row["message"]),
            attempt=int(row["attempt"]),
        )


def _numbers(row: Mapping[Any, Any], names: Collection[str]) -> dict[str, float]:
    return {name: float(row[name]) for name in names if not is_missing(row[name])}


def _setting(value: Any) -> Setting:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if float(value).is_integer() else float(value)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _words(row: Mapping[Any, Any]) -> str:
    """A name that people tell trials apart by: `allr 0.9 seed 0 1a2b3c`."""
    schedule = row.get("retrain.schedule")
    first = row.get("method") if is_missing(schedule) else schedule
    sparsity = row.get("prune.sparsity")
    parts = [str(first), "" if is_missing(sparsity) else f"{float(str(sparsity)):g}"]
    parts += [f"seed {row['seed']}", str(row["fingerprint"])[:6]]
    return " ".join(part for part in parts if part)


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None

"""How fast the networks of a study's trials run, measured and kept in the study folder.

Imports the user's code where a trial's task is theirs, from the copy in the study folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.checks.readiness import check_folder
from study.definition.locations import existing, readable_store_of, written_into
from study.definition.studyfile import StudyFile
from study.views.choice import best, by_prefix
from study.views.network import network_of
from trainables.files.latencies import Latency, write_latencies
from trainables.files.records import StudyFolder
from trainables.files.storage import open_folder
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal

if TYPE_CHECKING:
    from trainables.deploy.latency import Form, Setting

ZEROS = (
    "zeros of single weights do not speed up dense kernels: a masked network computes as much as"
    " the dense one, and only what is taken out saves time"
)

MOST_EXAMPLES = 65_536
"""Examples of a call: more fit no memory that a network is run in."""

MOST_ROUNDS = 10_000


@dataclass(frozen=True)
class Order:
    """What is asked of a measurement, as the command gives it; checked by `setting`."""

    forms: tuple[str, ...] = ("dense", "masked", "removed")
    device: str = "cpu"
    backends: tuple[str, ...] = ("torch",)
    batches: tuple[int, ...] = (1, 128)
    threads: int = 1
    rounds: int = 31

    def setting(self) -> Setting:
        """Return where and how it is measured; Refusal for what is not there."""
        from trainables.deploy.backends import BACKENDS, require_backends
        from trainables.deploy.latency import FORMS, Setting, require_device
        from trainables.deploy.stopwatch import Pace

        _require_known("--form", self.forms, FORMS)
        _require_known("--backend", self.backends, tuple(BACKENDS))
        for option, values, most, reason in (
            ("--batch", self.batches, MOST_EXAMPLES, ""),
            ("--threads", [self.threads], os.cpu_count() or 1, ", the cores of this machine"),
            ("--rounds", [self.rounds], MOST_ROUNDS, ""),
        ):
            if wrong := [value for value in values if not 1 <= value <= most]:
                rule = ">= 1" if wrong[0] < 1 else f"<= {most}{reason}"
                raise Refusal(f"{option} must be {rule}, got {wrong[0]}")
        require_device(self.device)
        require_backends(self.backends, self.device, "quantised" in self.forms)
        pace = Pace(rounds=self.rounds)
        return Setting(self.device, self.backends, self.batches, self.threads, pace)


def _require_known(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise Refusal(f"{option} must be of {', '.join(known)}, got {name!r}")


@dataclass(frozen=True)
class Measurement:
    """What was measured of one trial, and sentences on what could not be."""

    record: Record
    rows: tuple[Latency, ...]
    notes: tuple[str, ...]


def measured(
    location: str, order: Order, *, trial: str | None = None, metric: str | None = None
) -> Iterator[Measurement]:
    """Yield what is measured of a study folder's trials, each kept in the folder as it is made.

    Of the one trial, the best by a metric on validation, or of every configuration its first seed
    that is done. Refusal, before anything is measured, for an order that cannot be, and where there
    is no such trial.
    """
    setting = order.setting()
    folder, study = existing(location)
    records = _chosen(folder.records().records, trial, metric)
    check_folder(folder.location, "DIR")
    for record in records:
        measurement = _measure(folder, study, record, order.forms, setting)
        with written_into(folder.location):
            write_latencies(folder.folder, record.fingerprint, measurement.rows)
        yield measurement


def _chosen(records: Sequence[Record], trial: str | None, metric: str | None) -> list[Record]:
    if trial is not None:
        return [by_prefix(records, trial)]
    if metric is not None:
        return best(records, metric)[:1]
    first: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: (r.seed, r.fingerprint)):
        if record.state == "done":
            first.setdefault(json.dumps(record.config, sort_keys=True), record)
    if not first:
        raise Refusal("DIR must hold a trial that is done, got none")
    return list(first.values())


def _measure(
    folder: StudyFolder, study: StudyFile, record: Record, forms: Sequence[Any], setting: Setting
) -> Measurement:
    from trainables.deploy.latency import forms_of, latencies

    network = network_of(folder, study, record)
    dense = _dense_weights(record, readable_store_of(study, folder)) if "dense" in forms else None
    wanted: Sequence[Form] = forms
    models, notes = forms_of(network, wanted, dense)
    rows = latencies(network, models, setting) if models else []
    return Measurement(record, tuple(rows), tuple(notes))


def _dense_weights(record: Record, store: str) -> Mapping[str, Any] | None:
    """The weights of a trial's dense run; None where it has none, or its stage is gone."""
    from trainables.trials.stage_store import StageFault, StageStore

    try:
        stage = StageStore(open_folder(store), "reader").load(record.stages[0])
    except StageFault as fault:
        raise Refusal(f"stage_store must hold the trial's stages whole, got {fault}") from fault
    return stage.weights if stage is not None and stage.kind == "dense" else None


def table(measurements: Sequence[Measurement]) -> str:
    """Return the rows as a table; `gain` is the dense network's latency over the row's."""
    from tabulate import tabulate

    rows = []
    for measurement in measurements:
        dense = {_where(row): row for row in measurement.rows if row.form == "dense"}
        for row in measurement.rows:
            reference = dense.get(_where(row))
            within = "" if row.lo_ms is None else f"{row.lo_ms:.4g} to {row.hi_ms:.4g}"
            rows.append(
                {
                    "trial": row.fingerprint,
                    "form": row.form,
                    "backend": row.backend,
                    "batch": row.batch,
                    "ms": f"{row.latency_ms:.4g}",
                    "95 %": within,
                    "gain": f"{reference.latency_ms / row.latency_ms:.3g}" if reference else "",
                    "multiply-adds": row.multiply_adds,
                    "parameters": row.n_parameters,
                }
            )
    return str(tabulate(rows, headers="keys", disable_numparse=True, stralign="right"))


def _where(row: Latency) -> tuple[Any, ...]:
    return row.backend, row.device, row.threads, row.batch


def conditions(rows: Sequence[Latency]) -> list[str]:
    """Return in words where it was measured, and what its reader must know."""
    first = rows[0]
    threads = "1 thread" if first.threads == 1 else f"{first.threads} threads"
    load = "" if first.load is None else f", load average {first.load:.2f} at the start"
    lines = [
        f"medians of {first.runs} samples in turns, on {first.machine}, {threads}{load}",
    ]
    if any(row.form == "masked" for row in rows):
        lines.append(ZEROS)
    return [*lines, *_rounding(rows)]


def _rounding(rows: Sequence[Latency]) -> list[str]:
    """What rounding to int8 does to outputs, by backend."""
    worst: dict[str, float] = {}
    for row in rows:
        if row.form == "quantised" and row.difference is not None:
            worst[row.backend] = max(worst.get(row.backend, 0.0), row.difference)
    return [
        f"in int8 outputs of {backend} differ from single precision's by up to {share:.2g} of the"
        f" largest{_ROUNDED.get(backend, '')}"
        for backend, share in worst.items()
    ]


_ROUNDED = {
    "torch": "; torch has int8 products for linear layers alone, not for convolutions",
    "compile": "; torch has int8 products for linear layers alone, not for convolutions",
    "onnxruntime": ", with inputs of layers in eight bits as well",
}

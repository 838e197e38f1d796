"""Measured latencies of a study's trials as one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Final

import pandas as pd
import pyarrow as pa

from analysis.columns.names import KEYS
from trainables.files.latencies import FOLDER, Latency, read_latencies
from trainables.files.readable import few, listed
from trainables.files.records import StudyFolder
from trainables.files.storage import reason
from trainables.files.trial_record import RecordError

SETTING: Final = "setting"
"""The column that says in words with what and on what a latency was measured."""

LATENCY_COLUMNS: Final = (
    *KEYS,
    SETTING,
    *(f.name for f in fields(Latency) if f.name not in ("fingerprint", "versions")),
)


def latency_frame(
    folder: StudyFolder, table: pa.Table, labels: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per (trial, form, backend, batch, machine), and warnings.

    `multiply_adds` and `n_parameters` are those of the form, under the names `form_multiply_adds`
    and `form_parameters`, as the trial has numbers of the dense network. Measurements of trials
    without a record are left out.
    """
    studies = dict(zip(table.column("fingerprint").to_pylist(), labels, strict=True))
    names, warnings = listed(folder.folder, FOLDER)
    rows, faults = [], []
    for fingerprint in (n.removesuffix(".json") for n in names if n.endswith(".json")):
        if fingerprint not in studies:
            continue
        try:
            latencies = read_latencies(folder.folder, fingerprint)
        except RecordError as error:
            faults.append(f"{error}: no latency of this trial")
            continue
        except OSError as error:
            name = f"{FOLDER}/{fingerprint}.json"
            faults.append(f"{name}: cannot be read ({reason(error)}): no latency of this trial")
            continue
        rows += [
            {**vars(one), "study": studies[fingerprint], SETTING: setting_words(one)}
            for one in latencies
        ]
    frame = pd.DataFrame(rows, columns=list(LATENCY_COLUMNS))
    own = {"multiply_adds": "form_multiply_adds", "n_parameters": "form_parameters"}
    return frame.rename(columns=own), [*warnings, *few(faults, FOLDER)]


def setting_words(one: Latency) -> str:
    """Return with what and on what a latency was measured: `torch, batch 1, 1 thread, Some CPU`."""
    threads = "1 thread" if one.threads == 1 else f"{one.threads} threads"
    return f"{one.backend}, batch {one.batch}, {threads}, {one.machine}"

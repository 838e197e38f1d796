"""The table of trials: which columns are shown, and their rows as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import in_percent, label, sign, titled, words
from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns, differing, is_missing
from analysis.columns.roles import choice, reported
from analysis.dashboard.address import COLUMNS, METRIC, SORT, Address
from analysis.frames.query import sort
from analysis.workbench.naming import telling_settings
from trainables.files.notes import Note
from trainables.vocabulary.schema import METRICS

NUMBERS: Final = (
    "sparsity", "theoretical_speedup", "d_adaptive", "d", "epochs", "train_s",
)  # fmt: skip
"""Metrics that are shown where some trial has them, beside the deciding ones and the address's."""

MANY_SETTINGS: Final = 12

NOTE: Final = "note"
"""The column of people's notes on trials, which the frame of trials has not."""


def with_notes(trials: pd.DataFrame, notes: Mapping[tuple[str, str], Note]) -> pd.DataFrame:
    """Return the trials with the column of notes, where there is one on any of them."""
    keys = list(zip(trials[KEYS[0]], trials[KEYS[1]], strict=True))
    if not any(key in notes for key in keys):
        return trials
    texts = [notes[key].text if key in notes else None for key in keys]
    return trials.assign(**{NOTE: pd.Series(texts, index=trials.index, dtype="str")})


def columns_of(trials: pd.DataFrame, address: Address) -> list[str]:
    """Return the columns shown for some trials: those that the address names, behind the trial's
    own name, else keys, settings that differ, numbers, messages, notes."""
    chosen = [name for name in address.all(COLUMNS) if name in trials and name != KEYS[1]]
    return [KEYS[1], *chosen] if chosen else default_columns(trials, address)


def offered_columns(trials: pd.DataFrame) -> list[tuple[str, str]]:
    """Return every column of which some trial has a value, with its words; the name aside."""
    held = [c for c in trials.columns if c != KEYS[1] and trials[c].notna().any()]
    return [(c, words(c) if words(c) == c else f"{words(c)} ({c})") for c in held]


def sorted_by(address: Address) -> list[tuple[str, str]]:
    """Return the columns that the table is sorted by, the first one first: (name, asc or desc)."""
    return [
        (name.removeprefix("-"), "desc" if name.startswith("-") else "asc")
        for name in address.all(SORT)
    ]


def default_columns(trials: pd.DataFrame, address: Address) -> list[str]:
    """Return the columns shown where none are chosen."""
    settings = telling_settings(trials) if len(trials) > 1 else []
    metric = address.one(METRIC)
    told = reported(trials)
    deciding = [choice(trials), told, f"dense_{told}", f"pruned_{told}"]
    first_metric = [metric] if metric in METRICS and metric in trials else []
    wanted = [*first_metric, *deciding, *NUMBERS]
    numbers = [c for c in dict.fromkeys(wanted) if c in trials and trials[c].notna().any()]
    study = ["study"] if trials["study"].nunique() > 1 else []
    words_of = [c for c in ("message", NOTE) if c in trials and trials[c].notna().any()]
    again = differing(trials, [RETRAIN_SEED] if RETRAIN_SEED in trials else [])
    first = ["fingerprint", *study, "state", "seed", *again]
    return [*first, *settings[:MANY_SETTINGS], *numbers, *words_of]


def column_defs(
    trials: pd.DataFrame, columns: list[str], order: Sequence[tuple[str, str]] = ()
) -> list[dict[str, Any]]:
    """Return the grid's description of each column: heading with unit, width, alignment, format.

    The first one holds the ticks. `order` says by which the rows are sorted, see `sorted_by`.
    """
    defs = [_column(trials, name) for name in columns]
    places = {name: place for place, name in enumerate(columns)}
    for rank, (name, direction) in enumerate(order):
        if name in places:
            defs[places[name]] |= {"sort": direction, "sortIndex": rank}
    return [_TICKS, *defs]


_TICKS: Final[dict[str, Any]] = {
    "colId": "tick", "headerName": "", "headerTooltip": "Tick trials to compare them.",
    "cellRenderer": "TickBox", "pinned": "left", "width": 44, "sortable": False,
    "resizable": False,
}  # fmt: skip


def _column(trials: pd.DataFrame, name: str) -> dict[str, Any]:
    numeric = pd.api.types.is_numeric_dtype(trials[name])
    heading = titled(words(name), sign(name) if numeric else "")
    column: dict[str, Any] = {
        # Column names hold dots, which the grid would read as paths into a row.
        "field": name.replace(".", "/"),
        "headerName": heading if name != "fingerprint" else "trial",
        "headerTooltip": METRICS[name].meaning if name in METRICS else name,
        "width": min(220, max(110, 28 + 8 * max(len(word) for word in heading.split()))),
    }
    if name == "fingerprint":
        return {**column, "cellRenderer": "TrialLink", "pinned": "left", "width": 180}
    if numeric:
        return {**column, "type": "rightAligned", "valueFormatter": {"function": "shown(params)"}}
    column["valueFormatter"] = {"function": "shown(params)"}
    if name in ("message", NOTE):
        return {**column, "width": 320, "tooltipField": column["field"]}
    return column


def rows_of(trials: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """Return the trials as rows of plain values, accuracies and shares in per cent.

    In the order of their settings and seeds. A missing number is None; the row's study is always
    there, so that its name can be opened.
    """
    names = [*columns, *(key for key in KEYS if key not in columns)]
    by = [c for c in columns if c in config_columns(trials)]
    seeds = ["seed", *([RETRAIN_SEED] if RETRAIN_SEED in columns else [])]
    ordered_rows = sort(trials, [*by, *seeds]) if len(trials) else trials
    plain = {name.replace(".", "/"): _plain(ordered_rows[name], name) for name in names}
    keys = list(plain)
    return [dict(zip(keys, row, strict=True)) for row in zip(*plain.values(), strict=True)]


def _plain(column: pd.Series[Any], name: str) -> list[Any]:
    if pd.api.types.is_numeric_dtype(column):
        factor = 100.0 if in_percent(name) else 1.0
        missing = column.isna()
        shown = (column * factor).round(6) if factor != 1.0 else column
        return [None if gone else v for v, gone in zip(shown.tolist(), missing, strict=True)]
    return [None if is_missing(value) else _text(value) for value in column.tolist()]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return label(value)
    return str(value)

"""The table of trials: which columns are shown, and their rows as plain values."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from analysis.columns.labels import in_percent, label, sign, titled, words
from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns, differing, is_missing
from analysis.columns.roles import choice, reported
from analysis.dashboard.address import METRIC, Address
from analysis.frames.query import sort
from trainables.vocabulary.schema import METRICS

NUMBERS: Final = (
    "sparsity", "theoretical_speedup", "d_adaptive", "d", "epochs", "train_s",
)  # fmt: skip
"""Metrics that are shown where some trial has them, beside the deciding ones and the address's."""

MANY_SETTINGS: Final = 12


def columns_of(trials: pd.DataFrame, address: Address) -> list[str]:
    """Return the columns shown for some trials: keys, settings that differ, numbers, messages."""
    settings = differing(trials, config_columns(trials)) if len(trials) > 1 else []
    metric = address.one(METRIC)
    told = reported(trials)
    deciding = [choice(trials), told, f"dense_{told}", f"pruned_{told}"]
    first_metric = [metric] if metric in METRICS and metric in trials else []
    wanted = [*first_metric, *deciding, *NUMBERS]
    numbers = [c for c in dict.fromkeys(wanted) if c in trials and trials[c].notna().any()]
    study = ["study"] if trials["study"].nunique() > 1 else []
    words_of = [c for c in ("message",) if trials[c].notna().any()]
    again = differing(trials, [RETRAIN_SEED] if RETRAIN_SEED in trials else [])
    first = ["fingerprint", *study, "state", "seed", *again]
    return [*first, *settings[:MANY_SETTINGS], *numbers, *words_of]


def column_defs(trials: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """Return the grid's description of each column: heading with unit, width, alignment, format."""
    return [_column(trials, name) for name in columns]


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
    if name == "message":
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

"""Names for a few trials that tell them apart: what differs among them, then their seeds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.columns.labels import shown, words
from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns, differing, is_missing
from analysis.columns.rows import tuples

LEADING = ("retrain.schedule", "method", "prune.sparsity")
"""Settings whose values say by themselves what they are of."""


def telling_settings(trials: pd.DataFrame) -> list[str]:
    """Return the settings that differ; of the two that say how long retraining is, the epochs."""
    settings = differing(trials, config_columns(trials))
    return [c for c in settings if c != "retrain.budget" or "retrain.epochs" not in settings]


def named_trials(trials: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return a name for each trial by its keys: `allr, 90 %, seed 0`.

    Settings that differ among the trials come first; names that would be the same have the start of
    the trial's fingerprint behind them.
    """
    rows = trials.drop_duplicates(list(KEYS))
    settings = telling_settings(rows)
    if not settings and len(rows) == 1:
        settings = [c for c in LEADING if c in rows and rows[c].notna().any()]
    columns = [*sorted(settings, key=lambda c: c not in LEADING), "seed"]
    columns += differing(rows, [RETRAIN_SEED] if RETRAIN_SEED in rows else [])
    columns += differing(rows, ["study"])
    texts = {(row["study"], row["fingerprint"]): _name(row, columns) for row in _plain(rows)}
    counts = pd.Series(list(texts.values())).value_counts()
    return {
        key: f"{text}, {key[1][:6]}" if counts[text] > 1 else text for key, text in texts.items()
    }


def _plain(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    return rows.to_dict("records")


def _name(row: dict[Any, Any], columns: list[str]) -> str:
    return ", ".join(_part(c, row[c]) for c in columns if not is_missing(row[c]))


def _part(column: str, value: Any) -> str:
    text = shown(column, value)
    return text if column in (*LEADING, "study") else f"{words(column)} {text}"


def with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of epochs or layers with the column `trial`, the name of each row's trial."""
    names = named_trials(frame)
    return frame.assign(trial=[names[row.study, row.fingerprint] for row in tuples(frame)])

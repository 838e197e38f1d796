"""The dense model behind pruned ones: its mean, where all dense runs are of one setting."""

from __future__ import annotations

import pandas as pd

from analysis.columns.names import config_columns, differing
from analysis.selection.contest import means


def dense_settings(trials: pd.DataFrame, metric: str) -> list[str]:
    """Return what the trials' dense runs differ in besides the seed: settings, or their length.

    The mean over several kinds of dense runs is that of no model.
    """
    runs = _with_dense(trials, metric)
    apart = differing(runs, [c for c in config_columns(runs) if c.startswith("dense.")])
    return apart or differing(runs, [c for c in ("dense_epochs",) if c in runs])


def _with_dense(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The trials that are done and know a metric of their dense run."""
    column = f"dense_{metric}"
    if column not in trials:
        return trials.head(0)
    return trials[(trials["state"] == "done") & trials[column].notna()]


def dense_row(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the dense model's mean as one row, over dense runs; no row where it is unknown.

    A dense run that several trials share counts once.
    """
    done = _with_dense(trials, metric)
    if done.empty:
        return pd.DataFrame()
    key = "dense_stage" if "dense_stage" in done and done["dense_stage"].notna().all() else "seed"
    runs = done.drop_duplicates(key).assign(series="dense")
    return means(runs, ["series"], f"dense_{metric}").assign(reference=True)

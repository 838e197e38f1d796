"""What a series does while it trains: when each number was measured, and the rate of every step."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.names import is_missing
from analysis.courses.rates import rates_of_cycle, rates_of_dense, warmup_steps
from analysis.drawing.thin import kept_points
from trainables.formulas.sparsity import epochs_to_steps

COLUMNS: Final = ["series", "cycle", "trained", "lr", "computed"]

DISCOUNT_USED: Final = "d"
"""In the first epoch of a cycle: the discount that the cycle used."""


def with_places(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return a series' mean epochs with `trained` and `start`, in epochs since the first of all.

    `epochs` has cycle, total_epoch and, where recorded, step (steps so far in the stage), in order.
    `trained` is how long was trained when the epoch ended, `start` when its stage began. An epoch
    that is cut short counts as what was trained of it, by its steps.
    """
    first = float(epochs["total_epoch"].iloc[0])
    per_epoch = steps_per_epoch(epochs)
    if per_epoch is None:
        trained = epochs["total_epoch"] + 1.0
    else:
        trained = first + _increments(epochs).cumsum() / per_epoch
    before = trained.shift(fill_value=first)
    starts = before.where(epochs["cycle"].diff().fillna(1) != 0).ffill()
    return epochs.assign(trained=trained.astype(float), start=starts.astype(float))


def steps_per_epoch(epochs: pd.DataFrame) -> int | None:
    """Return the steps of a whole epoch, the longest here; None where steps were not recorded."""
    if "step" not in epochs or epochs["step"].isna().any():
        return None
    return int(_increments(epochs).max())


def _increments(epochs: pd.DataFrame) -> pd.Series[float]:
    """How many steps each epoch took: `step` counts from the start of the stage."""
    same = epochs["cycle"].diff().fillna(1) == 0
    return epochs["step"] - epochs["step"].shift().where(same, 0.0)


def rates_table(epochs: pd.DataFrame, row: pd.Series[Any]) -> pd.DataFrame:
    """Return the learning rate over the whole course of one series, from its configuration.

    `epochs` are those of `with_places`, with lr (of each epoch's first step) and `d` in a cycle's
    first epoch; `row` is a trial of the series. Columns: cycle, trained, lr, computed. Where the
    formulas cannot tell, the recorded first steps stand, with computed False.
    """
    per_epoch = steps_per_epoch(epochs)
    parts = [
        _stage(part, row, per_epoch)
        for _, part in epochs.groupby((epochs["cycle"].diff().fillna(1) != 0).cumsum())
    ]
    return pd.concat(parts, ignore_index=True)


def _stage(part: pd.DataFrame, row: pd.Series[Any], per_epoch: int | None) -> pd.DataFrame:
    """The rates of one stage."""
    cycle, start = part["cycle"].iloc[0], float(part["start"].iloc[0])
    if per_epoch is not None:
        try:
            rates = _rates(part, row, per_epoch)
        except (KeyError, ValueError, TypeError):
            rates = None
        if rates is not None:
            held = np.append(np.asarray(rates, dtype=float), rates[-1:])
            changes = _changes(held)
            kept = changes[kept_points(held[changes])]
            places = start + kept / per_epoch
            return pd.DataFrame(
                {"cycle": cycle, "trained": places, "lr": held[kept], "computed": True}
            )
    before = part["trained"].shift(fill_value=start)
    return pd.DataFrame({"cycle": cycle, "trained": before, "lr": part["lr"], "computed": False})


def _changes(held: NDArray[np.float64]) -> NDArray[np.int64]:
    """The positions at which a rate that is held begins, and the last."""
    new = np.flatnonzero(np.diff(held) != 0) + 1
    return np.unique(np.concatenate([[0], new, [len(held) - 1]])).astype(np.int64)


def _rates(part: pd.DataFrame, row: pd.Series[Any], per_epoch: int) -> list[float]:
    steps = int(part["step"].iloc[-1])
    if part["cycle"].iloc[0] == 0:
        return rates_of_dense(row, steps, per_epoch)
    length = row.get("dense.epochs")
    dense_steps = None
    if length is not None and not is_missing(length):
        dense_steps = epochs_to_steps(float(length), per_epoch)
    warmup = 0 if dense_steps is None else warmup_steps(row, per_epoch)
    dense = rates_of_dense(row, dense_steps, per_epoch)
    d = part[DISCOUNT_USED].iloc[0] if DISCOUNT_USED in part else np.nan
    return rates_of_cycle(row, steps, dense, warmup, float(d))

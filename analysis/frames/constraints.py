"""Which trials lie beyond the bounds of their search, so that others stand before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd

BEYOND: Final = "origin.beyond"
"""How far a trial lies beyond its search's bounds: 0 within, missing where there are none."""


def beyond_bounds(
    frame: pd.DataFrame, setting: Sequence[str], by: Sequence[str]
) -> pd.Series[bool]:
    """Return which trials belong to a setting beyond its bounds while another is within.

    A setting is a combination of the columns `setting`, compared within each value of the keys
    `by`; it is beyond as soon as one of its trials is. Only a setting that has a trial done, and
    was tried at as many seeds, goes before it; where there is none, those beyond are all there is.
    """
    none = pd.Series(False, index=frame.index)
    if BEYOND not in frame or not (frame[BEYOND] > 0).any():
        return none
    one = _numbers(frame, [*by, *setting])
    cell = _numbers(frame, by)
    beyond = (frame[BEYOND] > 0).groupby(one).transform("max")
    tried = frame["seed"].groupby(one).transform("nunique")
    fits = tried.where(~beyond & (frame["state"] == "done"), 0)
    return beyond & (tried <= fits.groupby(cell).transform("max"))


def _numbers(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Series[int]:
    """A number for each row, equal where all keys are, a missing one matching a missing one."""
    if not keys:
        return pd.Series(0, index=frame.index)
    return frame.groupby(list(keys), dropna=False, sort=False).ngroup()

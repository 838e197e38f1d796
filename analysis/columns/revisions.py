"""Trials of an older revision: their names, and means without them.

A method or structure that was mended computes something else under the same name. What is of before
is called so wherever its name stands, and leaves means to what is newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd

from trainables.config.revisions import older
from trainables.vocabulary.wording import counted

REVISION: Final = "revision"
"""A column of the trials frame: `older`, or missing where all that a trial names is as it is now.
In a record's section the number of the revision, where it is not the first."""

OLDER: Final = "older"
_LABEL: Final = " (older revision)"
_NAMES: Final = {"task": "task.use", "method": "method", "prune": "prune.structure"}
"""By section the column that holds its name."""


def revised(config: Mapping[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat configuration with names of an older revision called so, and the column.

    `config` is the same as its record holds it.
    """
    named = {_NAMES[section]: f"{name}{_LABEL}" for section, name in older(config).items()}
    numbers = {f"{section}.{REVISION}" for section in _NAMES}
    plain = {key: value for key, value in flat.items() if key not in numbers}
    return {**plain, **named, REVISION: OLDER if named else None}


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without those of an older revision beside which there are newer ones.

    Newer are those of the same task, method and structure.
    """
    past = _older(frame)
    if not past.any():
        return frame
    names = pd.DataFrame({column: _bare(frame[column]) for column in _NAMES.values()
                          if column in frame})  # fmt: skip
    kinds = names.groupby(list(names), dropna=False, sort=False).ngroup()
    return frame[~(past & kinds.isin(kinds[~past]))]


def older_sentences(frame: pd.DataFrame) -> list[str]:
    """Return a sentence for each study with trials of an older revision, with what was mended."""
    past = frame[_older(frame)]
    sentences = []
    for study, trials in past.groupby("study", sort=False):
        names = ", ".join(_mended(trials[c] for c in _NAMES.values() if c in trials))
        sentences.append(
            f"{study}: {counted(len(trials), 'trial')} of an older revision ({names}); beside newer"
            " ones they stand in no mean"
        )
    return sentences


def _mended(columns: Iterable[pd.Series[Any]]) -> list[str]:
    """The names of which there are older ones."""
    values = dict.fromkeys(str(value) for column in columns for value in column.dropna())
    return [value.removesuffix(_LABEL) for value in values if value.endswith(_LABEL)]


def _older(frame: pd.DataFrame) -> pd.Series[bool]:
    if REVISION not in frame:
        return pd.Series(False, index=frame.index)
    return frame[REVISION] == OLDER


def _bare(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.map(lambda v: v.removesuffix(_LABEL) if isinstance(v, str) else v)

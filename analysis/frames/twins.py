"""Records of one folder that say to be one trial twice: the same settings and seeds under two
fingerprints.

No run writes such records, unless code of the user's own was changed between them: then their
stages differ. One that was copied under another name would count twice in every mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from analysis.columns.names import RETRAIN_SEED, config_columns
from analysis.stats.spread import row_groups
from trainables.config.chain import fingerprint
from trainables.config.trial import TrialConfig
from trainables.files.readable import MOST_NAMED
from trainables.vocabulary.refusal import shown
from trainables.vocabulary.wording import counted

_WORKED_OUT: Final = (("retrain", "budget"), ("dense", "epochs"), ("retrain", "epochs"))
"""Keys of which a record's configuration holds one more than a study may give."""


def without_twins(table: pa.Table, frame: pd.DataFrame) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which records of a folder to keep, and a sentence for each that is left out.

    `frame` is the trials frame of `table`, of `tables.RECORD_TABLE`. Of records of equal settings
    and seeds that one is kept whose fingerprint is that of its configuration. Where none is, or
    where that needs code of the user's own to tell, the first of those of equal stages.
    """
    settings = [*config_columns(frame), "seed", RETRAIN_SEED]
    twice = np.flatnonzero(frame.duplicated(settings, keep=False))
    copies: dict[int, int] = {}
    for _, twins in row_groups(frame.iloc[twice].assign(_row=twice), settings):
        rows = [int(row) for row in twins["_row"]]
        copies |= _copies(table.take(rows), rows)
    keep = np.ones(len(frame), dtype=bool)
    keep[list(copies)] = False
    names = frame["fingerprint"]
    sentences = [
        f"the record of {shown(names.iloc[row])} is left out: it has the settings and seeds of"
        f" {shown(names.iloc[kept])}"
        for row, kept in sorted(copies.items())[:MOST_NAMED]
    ]
    if (more := len(copies) - MOST_NAMED) > 0:
        sentences.append(f"{counted(more, 'more record')} are left out for such a reason")
    return keep, sentences


def _copies(table: pa.Table, rows: list[int]) -> dict[int, int]:
    """The rows to leave out, and beside each the row that is kept in its place."""
    records = table.select(["fingerprint", "config", "seed", "stages"]).to_pylist()
    own = [
        row
        for row, record in zip(rows, records, strict=True)
        if record["fingerprint"] in _fingerprints(record["config"], record["seed"])
    ]
    if own:
        return {row: own[0] for row in rows if row not in own}
    first: dict[tuple[str, ...], int] = {}
    places = [
        (row, first.setdefault(tuple(record["stages"]), row))
        for row, record in zip(rows, records, strict=True)
    ]
    return {row: kept for row, kept in places if row != kept}


@lru_cache(maxsize=1024)
def _fingerprints(text: str, seed: int) -> frozenset[str]:
    """What a trial of a configuration in JSON may be called; nothing where it cannot be told."""
    config = json.loads(text)
    return frozenset(filter(None, (_without(config, *key, seed) for key in _WORKED_OUT)))


def _without(config: Mapping[str, Any], section: str, key: str, seed: int) -> str | None:
    """The fingerprint of a configuration without one of its keys, None where it is none."""
    rest = {name: value for name, value in config.get(section, {}).items() if name != key}
    try:
        return fingerprint(TrialConfig.of({**config, section: rest}), seed)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
        return None

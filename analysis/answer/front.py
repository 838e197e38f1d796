"""What a search of several objectives comes to: the ends of its front, and its knee."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.answer.statements import Front, FrontPoint
from analysis.columns.names import is_missing
from analysis.columns.roles import reported
from analysis.fronts.pareto import pareto_table
from analysis.selection.blocks import inside
from analysis.selection.settings import varying, without_synonyms
from analysis.stats.fronts import end, knee
from trainables.vocabulary.schema import Direction


def front(trials: pd.DataFrame, objectives: Mapping[str, Direction]) -> Front | None:
    """Return the front of a search's objectives; None without two, or with nobody on it."""
    if len(objectives) < 2:
        return None
    table = pareto_table(trials, objectives=objectives).frame
    ones = table[table["front"]].reset_index(drop=True) if len(table) else table
    if ones.empty:
        return None
    signs = np.array([1.0 if way == "max" else -1.0 for way in objectives.values()])
    gains = ones[list(objectives)].to_numpy(dtype=float) * signs
    return Front(
        dict(objectives),
        reported(trials),
        len(table),
        len(ones),
        {
            name: _point(trials, ones.iloc[end(gains, place)], objectives)
            for place, name in enumerate(objectives)
        },
        _point(trials, ones.iloc[knee(gains)], objectives) if len(ones) > len(objectives) else None,
    )


def _point(
    trials: pd.DataFrame, row: pd.Series[Any], objectives: Mapping[str, Direction]
) -> FrontPoint:
    """One row of the front, with what is reported of its trials."""
    settings = varying(trials)
    here = inside(trials, {column: row[column] for column in settings})
    metric = reported(trials)
    seen = here.loc[here["state"] == "done", metric].mean() if metric in here else math.nan
    collapsed = int((here["collapsed_layers"] > 0).sum()) if "collapsed_layers" in here else 0
    named = [c for c in without_synonyms(trials, settings) if not is_missing(row[c])]
    return FrontPoint(
        {name: float(row[name]) for name in objectives},
        {column: row[column] for column in named},
        int(row["n"]),
        float(seen),
        collapsed,
    )

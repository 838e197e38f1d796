"""What a search of several objectives comes to: the ends of its front, and its knee."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pandas as pd

from analysis.answer.statements import Front, FrontPoint
from analysis.columns.names import is_missing
from analysis.columns.roles import reported
from analysis.figures.pareto import pareto_table
from analysis.selection.blocks import inside
from analysis.selection.settings import varying, without_synonyms
from analysis.stats.intervals import Floats
from trainables.vocabulary.schema import METRICS, Direction


def declared_objectives(
    settings: Mapping[str, Mapping[str, Any]], trials: pd.DataFrame
) -> dict[str, Direction]:
    """Return the objectives that all folders' searches share, with directions, if two or more.

    `settings` are what the folders' study files say. Nothing where one of the objectives is
    measured on test or stands in no trial.
    """
    searches = [content.get("search") for content in settings.values()]
    named = [search.get("objectives") if isinstance(search, dict) else None for search in searches]
    shared = named[0] if named and all(one == named[0] for one in named) else None
    if not isinstance(shared, dict) or len(shared) < 2:
        return {}
    known = [
        name in METRICS
        and not METRICS[name].on_test
        and name in trials
        and trials[name].notna().any()
        and way in get_args(Direction)
        for name, way in shared.items()
    ]
    return dict(shared) if all(known) else {}


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
            name: _point(trials, ones.iloc[_end(gains, place)], objectives)
            for place, name in enumerate(objectives)
        },
        _point(trials, ones.iloc[knee(gains)], objectives) if len(ones) > len(objectives) else None,
    )


def knee(gains: Floats) -> int:
    """Return which row of a front [n, objectives], more being better, is nearest to the ideal.

    The ideal is the best of every objective at once. Each objective is scaled to the range that it
    takes on the front, and distances are Euclid's; of equally near rows the first.
    """
    best, span = gains.max(axis=0), np.ptp(gains, axis=0)
    lost = (best - gains) / np.where(span > 0, span, 1.0)
    return int(np.argmin((lost**2).sum(axis=1)))


def _end(gains: Floats, objective: int) -> int:
    """The row that is best in one objective; of those that tie, the nearest to the ideal."""
    ties = np.flatnonzero(gains[:, objective] == gains[:, objective].max())
    return int(ties[knee(gains[ties])])


def _point(
    trials: pd.DataFrame, row: pd.Series[Any], objectives: Mapping[str, Direction]
) -> FrontPoint:
    """One row of the front, with what is reported of its trials."""
    settings = varying(trials)
    here = inside(trials, {column: row[column] for column in settings})
    metric = reported(trials)
    seen = here.loc[here["state"] == "done", metric].mean() if metric in here else math.nan
    named = [c for c in without_synonyms(trials, settings) if not is_missing(row[c])]
    return FrontPoint(
        {name: float(row[name]) for name in objectives},
        {column: row[column] for column in named},
        int(row["n"]),
        float(seen),
    )

"""The best setting in each place, of the one schedule or method that a study tunes.

For BIMP that is the split of its budget: the dense run's share, and the number of cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.answer.basis import Basis
from analysis.answer.statements import Best, Place, Reach
from analysis.columns.names import config_columns, differing, is_missing
from analysis.selection.blocks import blocks, inside
from analysis.selection.settings import varying, without_synonyms
from analysis.stats import Candidates, advantage, candidates, optimum, snapped

SHARE: Final = "budget.dense_fraction"
CYCLES: Final = "prune.cycles"
PARTS: Final = (SHARE, CYCLES)
"""The settings that make a split of a budget."""

_SEARCH: Final = "origin.search"
MANY_PLACES: Final = 12
"""In more places than this sparsity or budget were sampled, and no place has settings to choose."""


def is_split(trials: pd.DataFrame) -> bool:
    """Whether the split of a budget is among what a study tunes."""
    return SHARE in trials and trials[SHARE].nunique() > 1


def bests(basis: Basis) -> list[Best]:
    """Return the best setting in each place; nothing where several are compared, or none tuned."""
    if len(basis.names) > 1:
        return []
    columns = _fixed(basis.trials, basis.places)
    places = blocks(basis.trials, columns)
    if len(places) > MANY_PLACES:
        return []
    found = (_best(basis, inside(basis.standing, at), at) for at in places)
    return [one for one in found if one is not None]


def _fixed(trials: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of a place's columns that no search sampled: each of its blocks has one value."""
    if _SEARCH not in trials or trials[_SEARCH].isna().all():
        return list(columns)
    grouped = trials.dropna(subset=[_SEARCH]).groupby(_SEARCH)
    return [column for column in columns if (grouped[column].nunique() <= 1).all()]


def _best(basis: Basis, here: pd.DataFrame, at: Place) -> Best | None:
    among = differing(here, [c for c in config_columns(here) if c not in at])
    if not among:
        return None
    ones = candidates(here, among, basis.chosen_by, basis.metric)
    if len(ones.names) < 2 or not ones.seeds:
        return None
    level = snapped(ones.choice.mean(axis=1))
    best, second = np.argsort(level, kind="stable")[:2]
    named = without_synonyms(here, [c for c in varying(here) if c in among])
    lead = advantage(ones)
    return Best(
        at,
        basis.metric,
        _reach(ones, int(best)),
        _settings(ones, int(best), among, named),
        int((level == level[best]).sum()),
        _settings(ones, int(second), among, named),
        lead.mean,
        lead.interval.lo,
        lead.interval.hi,
        tuple(
            _settings(ones, int(place), among, named)
            for place in np.flatnonzero(level == level[best])
            if place != best
        ),
    )


def _settings(
    ones: Candidates, place: int, among: Sequence[str], named: Sequence[str]
) -> dict[str, Any]:
    """The settings of one candidate that have a value, those of a split alone where it has one."""
    name = ones.names[place]
    values = dict(zip(among, name if isinstance(name, tuple) else (name,), strict=True))
    shown = [c for c in PARTS if c in values] if SHARE in values else named
    return {c: values[c] for c in shown if not is_missing(values[c])}


def _reach(ones: Candidates, best: int) -> Reach:
    """What is reached: under the choice of the other seeds, where there are enough of them."""
    fit = optimum(ones)
    name = ones.names[best]
    if fit.unknown is None:
        span = fit.interval
        return Reach(name, fit.mean, span.lo, span.hi, span.n, len(ones.names))
    score = ones.score[best]
    mean = float(score.mean())
    return Reach(name, mean, n=len(score), n_tried=len(ones.names), fair=False)

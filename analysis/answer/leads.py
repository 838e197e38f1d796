"""Who is first over all places of a task, against each rival: verdicts, and where the gain is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from analysis.answer.basis import Basis
from analysis.answer.statements import Lead, Place, Rival
from analysis.figures.ranks import mean_ranks_of
from analysis.selection.blocks import blocks, inside
from analysis.selection.series import SPARSITY
from analysis.stats import Verdict, against, close, verdicts

MOST: Final = 0.5
"""Most of a gain is at one sparsity where more than this share of it is there."""


def first_by_rank(basis: Basis, task: Place) -> tuple[Any, ...]:
    """Return who is first by mean rank on validation in a task, several where they tie.

    The only one there is where nobody is compared; nobody where no place can be ranked.
    """
    if len(basis.names) == 1:
        return tuple(basis.names)
    ranks, n_blocks = mean_ranks_of(basis.trials, basis.by, task)
    if len(ranks) < 2 or not n_blocks:
        return ()
    return tuple(ranks.index[close(ranks, ranks.min())])


def tasks(basis: Basis) -> list[dict[str, Any]]:
    """Return the tasks of a study: columns with their values, one without any where all are of one.

    Only those columns tell tasks apart that tell places apart.
    """
    return blocks(basis.trials, [c for c in basis.places if c.startswith("task.")])


def lead(basis: Basis, task: Place, ranked: Sequence[Any]) -> Lead | None:
    """Return how the first of those `ranked` first stands to the rivals over all places of a task.

    None without rivals, or with one place alone.
    """
    if len(basis.names) < 2:
        return None
    gains = basis.results.gains
    if gains.empty:  # as where the metric that decides was measured in no trial
        return None
    gains = gains.iloc[inside(gains.index.to_frame(index=False), task).index]
    places = [name for name in gains.index.names if name in basis.places]
    n_places = len(gains.reset_index()[places].drop_duplicates()) if places else 1
    first = [name for name in ranked if gains[name].notna().any()]
    if n_places < 2 or not first:
        return None
    known = [name for name in basis.names if gains[name].notna().any()]
    pairs = against(verdicts(gains[known], tuned=basis.results.tuned), first[0])
    rivals = tuple(_rival(one, gains) for one in pairs if one.interval.n)
    return Lead(task, basis.by, basis.metric, tuple(first), n_places, rivals) if rivals else None


def _rival(one: Verdict, gains: pd.DataFrame) -> Rival:
    sure = one.outcome in ("better", "worse")
    return Rival(
        one.rival,
        one.gain,
        one.interval.lo,
        one.interval.hi,
        one.interval.n,
        "settled" if sure else "likely" if one.likely else None,
        one.seeds_to_settle if one.likely else None,
        _most_at((gains[one.of] - gains[one.rival]).dropna()),
    )


def _most_at(apart: pd.Series[float]) -> float | None:
    """The sparsity that more than half of a gain is at; None where there is none, or only one."""
    if SPARSITY not in apart.index.names:
        return None
    parts = apart.groupby(level=SPARSITY).sum()
    whole = float(parts.sum())
    if len(parts) < 2 or not whole:
        return None
    shares = (parts / whole).to_numpy()
    top = int(shares.argmax())
    return float(parts.index.to_numpy()[top]) if shares[top] > MOST else None

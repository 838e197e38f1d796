"""All contestants of a place against one another: verdicts, likeness, and what seeds would find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.columns.names import config_columns, differing
from analysis.columns.roles import REPORTED, named
from analysis.frames.constraints import beyond_bounds
from analysis.selection.blocks import Block, block_columns, inside
from analysis.selection.series import series_column
from analysis.stats import (
    Entrants,
    Equivalence,
    Verdict,
    against,
    entrants,
    seeds_needed,
    smallest_difference,
)


@dataclass(frozen=True)
class Family:
    """The contestants `by` in `metric` at `at`, every pair of them compared over the same seeds.

    Where `at` leaves several places open, a seed's value is its mean over them. Of several settings
    of a contestant each seed is scored by the one that the other seeds choose on validation.
    """

    metric: str
    by: str
    at: Block
    entrants: Entrants

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdict on every pair, corrected for all pairs, in the order of contestants."""
        return self.entrants.verdicts()

    def against(self, leader: Any) -> list[Verdict]:
        """Return the verdicts on one contestant against each of its rivals."""
        return against(self.verdicts, leader)

    def alike(self, margin: float) -> list[tuple[Verdict, Equivalence]]:
        """Return the pairs that are shown to differ by less than a margin, each by itself."""
        judged = ((one, one.likeness(margin)) for one in self.verdicts)
        return [(one, like) for one, like in judged if like.likeness in ("equivalent", "identical")]

    @property
    def n_seeds(self) -> int:
        """How many seeds the best-known pair is compared over."""
        return max((one.interval.n for one in self.verdicts), default=0)

    @property
    def spread(self) -> float:
        """The spread from seed to seed of a paired difference, that of the middle one of all pairs.

        Pairs that are equal at every seed (two names of one training) say nothing of it and are
        left out; missing where no pair has two seeds.
        """
        known = [one.spread for one in self.verdicts if one.spread >= 0 and not one.tied]
        return float(np.median(known)) if known else float("nan")

    def seeds_to_resolve(self, difference: float) -> int | None:
        """Return with how many seeds a true difference is found in four of five studies.

        By the spread seen, for one of all pairs; see `stats.seeds_needed`.
        """
        return seeds_needed(difference, self.spread, max(self._n_pairs, 1))

    @property
    def smallest_difference(self) -> float:
        """The least true difference that the seeds here find in four of five studies."""
        return smallest_difference(self.spread, self.n_seeds, max(self._n_pairs, 1))

    @property
    def _n_pairs(self) -> int:
        return max((one.n_family for one in self.verdicts), default=0) or len(self.verdicts)


def family(
    trials: pd.DataFrame,
    at: Block | None = None,
    by: str | None = None,
    metric: str = REPORTED,
    only: Sequence[Any] | None = None,
) -> Family:
    """Return the contestants of a place, `at` naming columns of a block with their values.

    `trials` are such as `comparable` gives, `by` is what the study compares unless given. `only`
    are the contestants that take part, all unless given. What lies beyond the bounds of its search
    takes part only where nothing within does.
    """
    series = by or series_column(trials)
    here = inside(trials, at or {})
    if only is not None:
        here = here[here[series].isin(list(only))]
    places = [column for column in block_columns(here, series) if column not in (at or {})]
    among = [c for c in differing(here, config_columns(here)) if c not in (series, *places)]
    standing = here[~beyond_bounds(here, among, [series, *places])]
    name = named(metric, trials)
    return Family(name, series, dict(at or {}), entrants(standing, name, series, places))

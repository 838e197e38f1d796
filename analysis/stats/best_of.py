"""What a search of k trials is worth: the exact expectation over which k of all were tried.

Of methods with two and with three settings to tune the second gains from every further trial, so a
table of their best after as many trials as there happened to be compares searches, not methods. The
expectation over subsets drawn without replacement is exact and unbiased for every k (Dodge et al.
2019 draw with replacement, which is not: Tang et al. 2020).

Two questions, two functions. `best_of_table` asks what the *setting* is worth that k trials choose:
chosen on the other seeds, scored at the seed left out. `in_hand_table` asks what the *network* is
worth that k trials at one seed leave in hand: chosen on its own validation, scored on its own test.
The second is higher, by the luck that the network keeps and its setting does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
import pandas as pd

from analysis.stats.closeness import snapped
from analysis.stats.crossfit import Candidates, fitted
from analysis.stats.intervals import Floats, t_quantile

PER_DRAW: Final = 12
"""`in_hand_table` has intervals while k is at most a twelfth of the trials: beyond, resampling them
covers too little (at a sixth "95 %" is .91, at a half .82; the bootstrap's is .80 and .68)."""

MANY: Final = 50
"""Beyond so many trials not every k has a point of its own."""

COLUMNS: Final = ["k", "mean", "lo", "hi", "kind", "n"]


def sizes(n: int) -> tuple[int, ...]:
    """Return the numbers k of trials at which a curve over n trials is drawn: all, thinned out."""
    further = np.geomspace(MANY, max(n, MANY), 50).round().astype(int)
    return tuple(dict.fromkeys([*range(1, min(n, MANY) + 1), *(int(k) for k in further if k <= n)]))


@cache
def chances(n: int, ks: tuple[int, ...]) -> Floats:
    """Return how likely the i-th best of n trials is the best of k drawn without replacement.

    [ks, n]: C(n - i, k - 1) / C(n, k). That of the best is k / n, and from one to the next the
    chance falls by (n - i - k + 1) / (n - i).
    """
    k, i = np.array(ks)[:, None], np.arange(1, n)
    falls = np.maximum(n - i - k + 1, 0) / (n - i)
    return np.asarray(np.cumprod(np.hstack([k / n, falls]), axis=1))


def best_of(choice: Floats, score: Floats, ks: Sequence[int] | None = None) -> Floats:
    """Return the expected score of the best of k trials, for each k, of all trials [n].

    The best is that with the least `choice`; trials that tie in it share what they score. `ks` are
    1, 2, ..., n unless given.
    """
    n = len(choice)
    level = snapped(choice)
    order = np.argsort(level, kind="stable")
    _, group = np.unique(level[order], return_inverse=True)
    shared = np.bincount(group, score[order]) / np.bincount(group)
    return np.asarray(chances(n, tuple(ks or range(1, n + 1))) @ shared[group])


def best_of_at(choice: Floats, score: Floats, ks: Sequence[int]) -> Floats:
    """Return curves [ks, n] of settings [K, n]: chosen on the other seeds, scored at each."""
    n = choice.shape[1]
    others = (choice.sum(axis=1, keepdims=True) - choice) / (n - 1)
    return np.column_stack([best_of(others[:, seed], score[:, seed], ks) for seed in range(n)])


def best_of_table(candidates: Candidates) -> pd.DataFrame:
    """Return what the setting is worth that k trials choose: k, mean, lo, hi, kind, n (seeds).

    Means and intervals are missing with two seeds or fewer, but those of k = 1; see `crossfit`.
    """
    choice, score, n = candidates.choice, candidates.score, len(candidates.seeds)
    ks = sizes(len(choice))
    curves = best_of_at(choice, score, ks) if n > 1 else score.mean(axis=0)[None].repeat(len(ks), 0)
    fits = [  # of a single trial there is no choice
        fitted(candidates.seeds, curve, len(choice), int(k > 1))
        for k, curve in zip(ks, curves, strict=True)
    ]
    rows = [
        [k, fit.mean, fit.interval.lo, fit.interval.hi, fit.interval.kind, n]
        for k, fit in zip(ks, fits, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def in_hand_table(candidates: Candidates) -> pd.DataFrame:
    """Return what the network is worth that k trials leave in hand: k, mean, lo, hi, kind, n.

    Each seed is a search of its own, and the mean is over seeds. `n` counts the trials of one seed;
    the interval is over other searches (jackknife over settings, Student's t), missing where k is
    more than a twelfth of them.
    """
    choice, score = candidates.choice, candidates.score
    n, ks = len(choice), sizes(len(choice))
    if not choice.size:
        return pd.DataFrame([], columns=COLUMNS)
    mean, half = _curve(choice, score, ks), np.full(len(ks), np.nan)
    if few := [k for k in ks if PER_DRAW * k <= n]:
        rest = (np.delete(np.arange(n), row) for row in range(n))
        left = np.array([_curve(choice[rows], score[rows], few) for rows in rest])
        error = np.sqrt((n - 1) * left.var(axis=0))
        half[: len(few)] = t_quantile(n) * error
    spans = [mean, mean - half, mean + half]
    return pd.DataFrame(dict(zip(COLUMNS, [ks, *spans, "jackknife t", n], strict=True)))


def _curve(choice: Floats, score: Floats, ks: Sequence[int]) -> Floats:
    """The mean over seeds of the curves of searches at one seed each."""
    curves = [best_of(*pair, ks) for pair in zip(choice.T, score.T, strict=True)]
    return np.asarray(np.mean(curves, axis=0))

"""Two kinds of trials compared on what else they have in common, with exact tests for few seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.names import (
    RETRAIN_SEED,
    config_columns,
    differing,
    distinct_trials,
    joined,
    ordered,
    require_columns,
)
from analysis.stats.closeness import reach
from analysis.stats.exact import caution, holm, sign_flip_p, wilcoxon_p
from analysis.stats.intervals import Floats, Interval, interval, wilson
from analysis.stats.spread import COUNTED, row_groups, summary
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.schema import METRICS

SCHEDULE: Final = "retrain.schedule"


@dataclass(frozen=True)
class Pairs:
    """Trials of two kinds matched on what else they have in common.

    `table`: the keys of `by`, then the metric under `of`, under `rival`, and `difference` = of -
    rival, in the metric's own unit. `n_unpaired` counts trials that are done but whose partner is
    not there or not done; `n_failed` and `n_diverged` the trials of both kinds that ended so.
    """

    metric: str
    column: str
    of: Any
    rival: Any
    by: tuple[str, ...]
    table: pd.DataFrame
    n_unpaired: int
    n_failed: int
    n_diverged: int


def pairing_keys(frame: pd.DataFrame, column: str, kinds: Sequence[Any]) -> list[str]:
    """Return what trials must share to be compared between kinds: the seed and every setting.

    `kinds` are the values of `column` compared. Left out are `column` itself, settings that one of
    the kinds does not have at all (the discount under a schedule without one), and constants.
    """
    sides = [frame[frame[column] == kind] for kind in kinds]
    sides = [side for side in sides if len(side)]
    settings = [key for key in config_columns(frame) if key != column]
    shared = [key for key in settings if all(side[key].notna().any() for side in sides)]
    apart = differing(pd.concat(sides), shared) if sides else shared
    return [*apart, "seed", *_retraining(frame)] if "seed" in frame else apart


def _retraining(frame: pd.DataFrame) -> list[str]:
    """Retrainings of one dense network are paired too, and count as one unit with their seed."""
    return differing(frame, [RETRAIN_SEED] if RETRAIN_SEED in frame else [])


def pairs(
    frame: pd.DataFrame,
    metric: str,
    of: Any,
    rival: Any,
    by: Sequence[str] | None = None,
    column: str = SCHEDULE,
) -> Pairs:
    """Match the trials whose `column` is `of` with those where it is `rival`, on equal `by`.

    `by` is `pairing_keys` unless given; missing values match; the same trial read from two studies
    counts once. Raises ValueError when several trials of one kind share their keys, naming the
    settings in which they differ: those must be added to `by`, or one of them chosen first.
    """
    require_columns(frame, [column, "state", metric, *(by or ())])
    once = distinct_trials(frame)
    keys = pairing_keys(once, column, (of, rival)) if by is None else list(by)
    sides = [once[once[column] == kind] for kind in (of, rival)]
    done = [side[(side["state"] == COUNTED) & side[metric].notna()] for side in sides]
    for kind, side in zip((of, rival), done, strict=True):
        require_single(side, keys, f"{column} = {kind}")
    left, right = (
        side[[*keys, metric]].rename(columns={metric: name})
        for side, name in zip(done, ("of", "rival"), strict=True)
    )
    table = left.merge(right, on=keys) if keys else left.merge(right, how="cross")
    table["difference"] = table["of"] - table["rival"]
    states = pd.concat(sides)["state"]
    return Pairs(
        metric, column, of, rival, tuple(keys), table,
        n_unpaired=len(left) + len(right) - 2 * len(table),
        n_failed=int((states == "failed").sum()),
        n_diverged=int((states == "diverged").sum()),
    )  # fmt: skip


def require_single(side: pd.DataFrame, keys: Sequence[str], what: str) -> None:
    """Raise Refusal when several trials share their keys, naming what they differ in."""
    twice = side[side.duplicated(list(keys), keep=False)] if keys else side
    if len(twice) < 2:
        return
    _, first = row_groups(twice, keys)[0]
    apart = differing(first, [c for c in [*config_columns(first), "seed"] if c in first])
    raise Refusal(
        f"{len(first)} trials with {what} share their {joined(keys) if keys else 'settings'}; they"
        f" differ in {joined(apart) if apart else 'nothing recorded'}: pair by that too, or choose"
        " one of them first"
    )


@dataclass(frozen=True)
class Comparison:
    """The mean difference of paired trials, its uncertainty and two exact tests.

    `mean` = of - rival, in the metric's unit, its `std`, `interval` (Student's t at 95 %), `p_sign`
    (sign flips of the mean) and `p_wilcoxon` are all over the same `n_units` values, the means of
    the pairs of each seed: pairs of one seed share a dense run and are no independent evidence.
    So a seed counts as one, however many of the `n` pairs are its own. A low p says that
    so large a difference would be rare if the two kinds were exchangeable. `share` is the interval
    of `improved`. `caution` is a sentence where there are too few units for any exact p to be
    small, else None.
    """

    pairs: Pairs
    mean: float
    std: float
    interval: Interval
    n: int
    n_units: int
    p_sign: float
    p_wilcoxon: float
    improved: float
    share: Interval
    caution: str | None

    @property
    def lo(self) -> float:
        return self.interval.lo

    @property
    def hi(self) -> float:
        return self.interval.hi

    @property
    def improved_lo(self) -> float:
        return self.share.lo

    @property
    def improved_hi(self) -> float:
        return self.share.hi


def paired(
    frame: pd.DataFrame,
    metric: str,
    of: Any,
    rival: Any,
    by: Sequence[str] | None = None,
    column: str = SCHEDULE,
    unit: str | None = "seed",
) -> Comparison:
    """Compare two kinds of trials pair by pair; raises as `pairs`.

    `unit` is the key whose values are independent of one another; None takes every pair for one.
    `improved` is the share of pairs in which `of` is better, the mean of the seeds' shares (see
    `improvement`), missing for a metric without a better direction.
    """
    found = pairs(frame, metric, of, rival, by, column)
    differences = unit_means(found, found.table["difference"], unit)
    total = summary(differences)
    improved, share = improvement(found, unit)
    n_units = len(differences)
    return Comparison(
        found, total.mean, total.std, interval(differences), len(found.table), n_units,
        sign_flip_p(differences), wilcoxon_p(differences), improved, share, caution(n_units),
    )  # fmt: skip


def unit_means(found: Pairs, values: pd.Series[float], unit: str | None) -> Floats:
    """Return the mean of the pairs' values within each unit; the values where there is none."""
    if unit is not None and unit in found.table:
        values = values.groupby(found.table[unit]).mean()
    return np.asarray(values, dtype=float)


def improvement(found: Pairs, unit: str | None = "seed") -> tuple[float, Interval]:
    """Return the share of pairs in which `of` is better, ties as half, and its 95 % interval.

    The share is the mean of each unit's own, so that all units count alike, as in `Comparison`.
    Wilson's score interval with the number of units for n: Student's would claim [1, 1] as soon
    as every one of three pairs improves. Missing without pairs or without a better direction.
    """
    direction = METRICS[found.metric].direction if found.metric in METRICS else None
    if direction is None or found.table.empty:
        return math.nan, wilson(math.nan, 0)
    gain = found.table["difference"] * (1 if direction == "max" else -1)
    tied = gain.abs() <= reach(found.table["of"], found.table["rival"])
    shares = unit_means(found, (np.sign(gain).mask(tied, 0.0) + 1) / 2, unit)
    share = float(shares.mean())
    return share, wilson(share, len(shares))


def gains(
    frame: pd.DataFrame,
    metric: str,
    of: Any,
    by: Sequence[str] | None = None,
    column: str = SCHEDULE,
    unit: str | None = "seed",
) -> pd.DataFrame:
    """Return `of` compared with every other value of `column`, one row each.

    Columns: rival, mean, std, lo, hi, n, n_units, n_unpaired, n_failed, n_diverged, p_sign,
    p_holm (p_sign adjusted for the number of rivals), p_wilcoxon, improved, improved_lo,
    improved_hi, caution. Raises as `pairs`.
    """
    require_columns(frame, [column])
    rivals = [kind for kind in ordered(frame[column].dropna(), column) if kind != of]
    rows = []
    for rival in rivals:
        one = paired(frame, metric, of, rival, by, column, unit)
        rows.append(
            {"rival": rival, "mean": one.mean, "std": one.std, "lo": one.lo, "hi": one.hi,
             "n": one.n, "n_units": one.n_units, "n_unpaired": one.pairs.n_unpaired,
             "n_failed": one.pairs.n_failed, "n_diverged": one.pairs.n_diverged,
             "p_sign": one.p_sign, "p_holm": math.nan, "p_wilcoxon": one.p_wilcoxon,
             "improved": one.improved, "improved_lo": one.improved_lo,
             "improved_hi": one.improved_hi, "caution": one.caution}
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=_GAINS)
    table["p_holm"] = holm(table["p_sign"].tolist())
    return table


_GAINS: Final = [
    "rival", "mean", "std", "lo", "hi", "n", "n_units", "n_unpaired", "n_failed", "n_diverged",
    "p_sign", "p_holm", "p_wilcoxon", "improved", "improved_lo", "improved_hi", "caution",
]  # fmt: skip

"""Who is better within one setting: one verdict per pair, kept honest for the whole family.

The family is all pairs of entrants, each compared by a paired t test over seeds, Holm's correction
over all of them. A leader needs no allowance of its own then: whoever it is and however it was
chosen, its comparisons are in the family. Two other families were tried on studies in which all
entrants are equally good (`benchmarks/null_studies.py`; validation and test share each network's
luck; 2 to 6 entrants; 3, 5 and 8 seeds). The comparisons of the leader chosen on the same seeds are
wrong somewhere in up to 9.5 % of studies. Those of the leader chosen on the other seeds are wrong
in up to 9 %, or, when corrected for the seeds that the choices share, in 1 to 2 % with so little
power that from five seeds on all pairs find as much or more. All pairs are wrong in 4 to 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

import numpy as np
import pandas as pd

from analysis.columns.names import distinct_trials, ordered, require_columns
from analysis.stats.candidates import SEED, sign_of
from analysis.stats.closeness import reach
from analysis.stats.crossfit import FEWEST_SEEDS
from analysis.stats.equivalence import Equivalence, equivalence
from analysis.stats.exact import holm, sign_flip_p
from analysis.stats.intervals import (
    BY_CHOICES,
    Floats,
    Interval,
    interval,
    standard_errors,
    t_p,
)
from analysis.stats.pairs import pairing_keys, require_single
from analysis.stats.power import LEVEL, seeds_needed
from analysis.stats.spread import COUNTED, summary

Outcome = Literal["better", "worse", "not settled", "unknown"]

LIKELY_LEVEL: Final = 0.2


@dataclass(frozen=True)
class Verdict:
    """Whether `of` is better than `rival`, and how sure that is among all pairs of one setting.

    `gain` is the mean over seeds of the paired difference, positive where `of` is better, in the
    metric's unit, `spread` its standard deviation from seed to seed; `interval` is that of this one
    difference, not corrected. `p_t` is the paired t test's, `p_holm` the same corrected over the
    `n_family` pairs that have one; on it the `outcome` rests, in either direction. The outcome is
    unknown with two seeds or fewer. Where all seeds agree to the last digit a t test is not
    defined, and the exact p takes its place. `differences` are those of the seeds, `choices` how
    many choices of the other seeds are in each.
    """

    of: Hashable
    rival: Hashable
    gain: float
    spread: float
    interval: Interval
    p_t: float
    p_holm: float
    n_family: int
    outcome: Outcome
    differences: tuple[float, ...] = ()
    choices: int = 0

    @property
    def p_sign(self) -> float:
        """The p of the exact sign-flip test, beside the t test's; a second's work of many seeds."""
        return sign_flip_p(np.asarray(self.differences, dtype=float))

    @property
    def tied(self) -> bool:
        """Whether the two are equal at every seed, but for rounding."""
        return bool(self.differences) and not any(self.differences)

    @property
    def likely(self) -> bool:
        """Whether a verdict that is not settled would be at `LIKELY_LEVEL`.

        Of equal entrants that is said in at most one study of five.
        """
        return self.outcome == "not settled" and self.p_holm <= LIKELY_LEVEL

    @property
    def seeds_to_settle(self) -> int | None:
        """With how many seeds it is settled in four of five studies, if it is as large as it looks.

        None where it takes very many, or the difference or its spread is not known.
        """
        return self.seeds_to_resolve(self.gain)

    def seeds_to_resolve(self, difference: float) -> int | None:
        """With how many seeds a true difference of a size is settled in four of five studies.

        Judged by the spread seen, in a family of as many pairs; None as in `seeds_needed`.
        """
        return seeds_needed(difference, self.spread, max(self.n_family, 1))

    def likeness(self, margin: float) -> Equivalence:
        """Return whether the two are shown to differ by less than a margin, in the metric's unit.

        By itself, not corrected for the family. Raises ValueError unless the margin is above 0.
        """
        return equivalence(self.differences, margin, self.choices)

    @property
    def turned(self) -> Verdict:
        """The same of the rival."""
        span = replace(self.interval, lo=-self.interval.hi, hi=-self.interval.lo)
        outcome = _OPPOSITE.get(self.outcome, self.outcome)
        return replace(
            self,
            of=self.rival,
            rival=self.of,
            gain=-self.gain,
            interval=span,
            outcome=outcome,
            differences=tuple(-value for value in self.differences),
        )


_OPPOSITE: Final[dict[Outcome, Outcome]] = {"better": "worse", "worse": "better"}


def gains_by_seed(
    frame: pd.DataFrame, metric: str, column: str, by: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return a metric by what trials share and by entrant, turned so that more is better.

    One row per value of the keys `by` (all that the entrants share, the seed included, unless
    given), one column per value of `column`; missing where no trial is done. Raises ValueError
    where several trials of an entrant share their keys.
    """
    require_columns(frame, [column, "state", metric, *(by or ())])
    once = distinct_trials(frame)
    entrants = ordered(once[column].dropna(), column)
    keys = pairing_keys(once, column, entrants) if by is None else list(by)
    done = once[(once["state"] == COUNTED) & once[metric].notna() & once[column].notna()]
    require_single(done, [column, *keys], "one entrant")
    values = (sign_of(metric) * done[metric].astype(float)).groupby(
        [*(done[key] for key in keys), done[column]], dropna=False, sort=False
    )
    table = values.first().unstack(column)
    return table.reindex(columns=pd.Index(entrants, name=column, tupleize_cols=False))


def verdicts(
    gains: pd.DataFrame, *, tuned: Collection[Hashable] = (), level: float = LEVEL
) -> list[Verdict]:
    """Return the verdict on every pair of the columns of `gains`, in their order.

    Rows are what the entrants share, see `gains_by_seed` and `crossfit.stand_ins`; rows of one seed
    (an index level of that name) are averaged, each pair over the rows that both have. `tuned`
    names the entrants whose values were each scored under a choice of the other seeds: the error of
    a pair with one or two of these allows for the seeds that the choices share.
    """
    pairs = list(combinations(gains.columns, 2))
    differences = [_differences(gains, of, rival) for of, rival in pairs]
    choices = [(of in tuned) + (rival in tuned) for of, rival in pairs]
    p_t = [_p(values, n_choices) for values, n_choices in zip(differences, choices, strict=True)]
    n_family = sum(not math.isnan(p) for p in p_t)
    return [
        _verdict(pair, values, n_choices, p, adjusted, n_family, level)
        for pair, values, n_choices, p, adjusted in zip(
            pairs, differences, choices, p_t, holm(p_t), strict=True
        )
    ]


def _differences(gains: pd.DataFrame, of: Hashable, rival: Hashable) -> Floats:
    """The paired differences of two entrants by seed."""
    one, other = gains[of].to_numpy(dtype=float), gains[rival].to_numpy(dtype=float)
    apart, size = one - other, reach(one, other)
    known = ~np.isnan(apart)
    if SEED in gains.index.names:
        by_seed = pd.Series(apart[known], gains.index.get_level_values(SEED)[known])
        apart = by_seed.groupby(level=0).mean().to_numpy()
    else:
        apart = apart[known]
    return np.where(np.abs(apart) > size, apart, 0.0)


def _p(differences: Floats, choices: int) -> float:
    """The p of one pair; missing with too few seeds, exact where the seeds do not differ."""
    if len(differences) < FEWEST_SEEDS:
        return math.nan
    error = standard_errors(differences, choices)
    p = float(t_p(differences.mean(), error, len(differences)))
    return sign_flip_p(differences) if math.isnan(p) else p


def _verdict(
    pair: tuple[Hashable, Hashable],
    differences: Floats,
    choices: int,
    p: float,
    adjusted: float,
    n_family: int,
    level: float,
) -> Verdict:
    total = summary(differences)
    span = interval(differences, kind=BY_CHOICES[choices])
    return Verdict(
        *pair, total.mean, total.std, span, p, adjusted, n_family,
        _outcome(total.mean, adjusted, level), tuple(differences.tolist()), choices,
    )  # fmt: skip


def _outcome(gain: float, p: float, level: float) -> Outcome:
    if math.isnan(p):
        return "unknown"
    if p > level:
        return "not settled"
    return "better" if gain > 0 else "worse"


def against(found: Sequence[Verdict], leader: Hashable) -> list[Verdict]:
    """Return the verdicts on one entrant against each of its rivals, in the family's order."""
    return [
        one if one.of == leader else one.turned for one in found if leader in (one.of, one.rival)
    ]

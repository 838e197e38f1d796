"""What a choice among settings is worth at a seed that had no say in it: leave one seed out.

The best of several settings is best partly by luck, and a network's luck is the same on validation
and test: on studies in which all settings are equally good, scoring the one chosen at the seeds
that chose it shows an advantage that is not there. So at each seed the choice is made on the other
seeds alone and scored at this one; the mean over seeds has no such bias. It is the worth of a
choice made on one seed fewer than the study has. What is worth knowing of a choice with two seeds
or fewer cannot be known: one seed would choose, and one would score.

A search's own course cannot be cross-fitted afterwards: the sampler saw all seeds when it asked for
the next point. Only the choice among the points that it visited is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.stats.closeness import reach
from analysis.stats.intervals import BY_CHOICES, Floats, Interval, interval
from trainables.vocabulary.wording import counted

Booleans = NDArray[np.bool_]

FEWEST_SEEDS: Final = 3
"""With fewer seeds nothing is said of a choice, nor of who is better."""

SEARCHED: Final = (
    "The course of a search cannot be cross-fitted afterwards: only the choice among the points"
    " that it visited is."
)


@dataclass(frozen=True)
class Candidates:
    """Settings that one may choose among, in one place, each done at the same seeds.

    `choice` [K, n] is the loss by which one is chosen (lower is better), `score` [K, n] the metric
    that is reported of it, in its own unit; `sign` is 1 where more of that is better, -1 where
    less is. `n_dropped` counts the settings that do not stand for choice, as they are done at
    fewer seeds than others.
    """

    names: tuple[Hashable, ...]
    seeds: tuple[Hashable, ...]
    choice: Floats
    score: Floats
    sign: float = 1.0
    n_dropped: int = 0

    def __post_init__(self) -> None:
        shape = (len(self.names), len(self.seeds))
        if self.choice.shape != shape or self.score.shape != shape:
            raise ValueError(
                f"choice and score must be of {shape[0]} settings by {shape[1]} seeds, got"
                f" {self.choice.shape} and {self.score.shape}"
            )


NOBODY: Final = Candidates((), (), np.empty((0, 0)), np.empty((0, 0)))
"""No candidate at all: where nothing was tried, or nothing is done."""


@dataclass(frozen=True)
class CrossFit:
    """A number that depends on a choice, at each seed under the choice of the other seeds.

    `values` [n] are in the order of `seeds`; their `interval` allows for the choices that the seeds
    share. `chosen` is the share of seeds at which each setting was chosen, ties shared. `unknown`
    is the sentence why nothing can be said, and then `mean` and the interval are missing.
    """

    seeds: tuple[Hashable, ...]
    values: Floats
    interval: Interval
    n_candidates: int
    chosen: Mapping[Hashable, float]
    unknown: str | None = None

    @property
    def mean(self) -> float:
        return math.nan if self.unknown else float(self.values.mean())


def picks(choice: Floats) -> Booleans:
    """Return which settings are chosen at each seed, from losses [..., K, n] at the other seeds.

    Those are chosen whose mean loss over the n - 1 other seeds is least, all that tie for it.
    """
    if choice.shape[-2] == 1:
        return np.ones(choice.shape, dtype=bool)
    return _least(_elsewhere(choice), reach(choice))


def _elsewhere(choice: Floats) -> Floats:
    """Mean losses [..., K, n] over the seeds other than each."""
    n = choice.shape[-1]
    return np.asarray((choice.sum(axis=-1, keepdims=True) - choice) / (n - 1))


def _least(losses: Floats, slack: float) -> Booleans:
    """Which of the settings [..., K, n] have the least loss; of those none that is infinite."""
    return np.asarray((losses <= losses.min(axis=-2, keepdims=True) + slack) & (losses < np.inf))


def scored(score: Floats, chosen: Booleans) -> Floats:
    """Return the mean score [..., n] of the settings chosen at each seed; missing without any."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(chosen, score, 0.0).sum(axis=-2) / chosen.sum(axis=-2))


def optimum_at(choice: Floats, score: Floats) -> Floats:
    """Return at each seed [..., n] the score [..., K, n] of the setting that the others choose."""
    return scored(score, picks(choice))


def advantage_at(choice: Floats, score: Floats) -> Floats:
    """Return at each seed [..., n] how far the first scores above the second of the other seeds.

    Where several tie for the first place there is no second, and the advantage is 0.
    """
    return _first_over_second(_elsewhere(choice), score, reach(choice))


def _first_over_second(losses: Floats, score: Floats, slack: float) -> Floats:
    """How far what has the least loss [..., K, n] scores above what has the next."""
    first = _least(losses, slack)
    second = _least(np.where(first, np.inf, losses), slack)
    alone = first.sum(axis=-2) == 1
    return np.asarray(np.where(alone, scored(score, first) - scored(score, second), 0.0))


def fitted(
    seeds: Sequence[Hashable],
    values: Floats,
    n_candidates: int,
    choices: int,
    chosen: Mapping[Hashable, float] | None = None,
) -> CrossFit:
    """Return the record of values [n] with so many `choices` of the other seeds in each.

    Without a choice the interval is Student's plain one, and one seed is enough to know the mean.
    """
    kind, n = BY_CHOICES[choices], len(seeds)
    known = n >= FEWEST_SEEDS or (choices == 0 and n > 0)
    missing = Interval(math.nan, math.nan, kind, n)
    return CrossFit(
        tuple(seeds),
        values,
        interval(values, kind=kind) if known else missing,
        n_candidates,
        dict(chosen or {}),
        None if known else too_few(n),
    )


def too_few(n: int) -> str:
    """Return the sentence why nothing can be said of a choice with n seeds that all have done."""
    seeds = f"with {counted(n, 'seed')}" if n else "without a seed that all have done"
    return (
        f"{seeds} it cannot be known: a choice made on all seeds but one and"
        f" scored on that one takes {FEWEST_SEEDS}"
    )


def optimum(candidates: Candidates) -> CrossFit:
    """Return what the best setting reaches: the tuned optimum, the best of k, the best split."""
    return _crossfit(candidates, optimum_at, n_choices(candidates))


def n_choices(candidates: Candidates) -> int:
    """Return how many choices are in an optimum: none among one setting."""
    return int(len(candidates.names) > 1)


def regret(candidates: Candidates, reference: Floats) -> CrossFit:
    """Return by how much the best setting beats a reference [n]; above zero it does.

    The reference, scored at the same seeds, takes no part in the choice. The difference is turned
    for a metric of which less is better.
    """
    sign = candidates.sign
    return _crossfit(
        candidates,
        lambda choice, score: sign * (optimum_at(choice, score) - reference),
        n_choices(candidates),
    )


def gap(of: Candidates, rival: Candidates) -> CrossFit:
    """Return by how much the best setting of one beats that of the other, at the seeds of both.

    Each is chosen on the seeds other than the one scored; `chosen` has the settings of `of`.
    """
    seeds = [seed for seed in of.seeds if seed in rival.seeds]
    one, other = at(of, seeds), at(rival, seeds)
    k = len(one.names) + len(other.names)
    fit = regret(one, optimum(other).values)
    return fitted(seeds, fit.values, k, n_choices(one) + n_choices(other), fit.chosen)


def at(candidates: Candidates, seeds: Sequence[Hashable]) -> Candidates:
    """Return the candidates at some of their seeds, in the order given."""
    places = [candidates.seeds.index(seed) for seed in seeds]
    return replace(
        candidates,
        seeds=tuple(seeds),
        choice=candidates.choice[:, places],
        score=candidates.score[:, places],
    )


def advantage(candidates: Candidates) -> CrossFit:
    """Return by how much the first beats the second, both placed by the other seeds.

    What is placed first is on average not truly worse than what is placed second, so the upper end
    of the interval is at least 0. (Without that it covers 0 in only 90 % of studies of twelve seeds
    whose candidates are all equally good.) Raises ValueError with fewer than two candidates.
    """
    if len(candidates.names) < 2:
        raise ValueError(f"an advantage takes two candidates, got {len(candidates.names)}")
    sign = candidates.sign
    return _at_least_level(
        _crossfit(candidates, lambda choice, score: sign * advantage_at(choice, score), 2)
    )


def _at_least_level(fit: CrossFit) -> CrossFit:
    """An advantage whose interval reaches up to 0 at least; a missing end stays missing."""
    return replace(fit, interval=replace(fit.interval, hi=max(fit.interval.hi, 0.0)))


def _crossfit(
    candidates: Candidates, value: Callable[[Floats, Floats], Floats], choices: int
) -> CrossFit:
    """What `value` makes of choice and score [K, n] at each seed; missing where none is chosen."""
    k, n = candidates.choice.shape
    if k == 0 or n == 0 or (n < 2 and choices):
        return fitted(candidates.seeds, np.full(n, np.nan), k, choices)
    shares = _shares(picks(candidates.choice), candidates.names)
    values = value(candidates.choice, candidates.score)
    return fitted(candidates.seeds, values, k, choices, shares)


def _shares(chosen: Booleans, names: Sequence[Hashable]) -> dict[Hashable, float]:
    """The share of seeds at which each was chosen, of those chosen at all, the commonest first."""
    shares = (chosen / chosen.sum(axis=0)).mean(axis=1)
    order = np.argsort(-shares, kind="stable")
    return {names[place]: float(shares[place]) for place in order if shares[place] > 0}


def stand_ins(candidates: Candidates, groups: Sequence[Hashable]) -> pd.DataFrame:
    """Return what stands for each group at each seed: the score of its setting best elsewhere.

    `groups` [K] says to which group (a schedule, a method) each candidate belongs. One row per
    seed, one column per group. Values of a group with several settings share their choices.
    """
    columns = {
        name: optimum_at(candidates.choice[rows], candidates.score[rows])
        for name, rows in _members(groups).items()
    }
    return pd.DataFrame(columns, index=pd.Index(candidates.seeds, name="seed"))


def _members(groups: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = {}
    for place, name in enumerate(groups):
        members.setdefault(name, []).append(place)
    return members


def nested_optimum(candidates: Candidates, groups: Sequence[Hashable]) -> CrossFit:
    """Return what the best group reaches when its setting, too, is chosen on other seeds.

    Groups are compared by what their stand-ins reach at seeds that did not choose these, within
    the seeds other than the one scored: else a group of many settings would look better than one
    of few only for its many tries. `chosen` has the groups.
    """
    n = len(candidates.seeds)
    if n < FEWEST_SEEDS:
        return fitted(candidates.seeds, np.full(n, np.nan), len(candidates.names), 1)
    losses, score = _of_groups(candidates, groups)
    chosen = _least(losses, reach(candidates.choice))
    shares = _shares(chosen, list(_members(groups)))
    return fitted(candidates.seeds, scored(score, chosen), len(candidates.names), 1, shares)


def nested_advantage(candidates: Candidates, groups: Sequence[Hashable]) -> CrossFit:
    """Return by how much the best group beats the second, both placed by the other seeds.

    As `advantage`, with the setting of each group chosen as in `nested_optimum`; unknown with fewer
    than two groups.
    """
    n, k = len(candidates.seeds), len(candidates.names)
    if n < FEWEST_SEEDS or len(set(groups)) < 2:
        return replace(
            fitted(candidates.seeds, np.full(n, np.nan), k, 2),
            unknown=too_few(n) if n < FEWEST_SEEDS else "there is nothing to be ahead of",
        )
    losses, score = _of_groups(candidates, groups)
    values = candidates.sign * _first_over_second(losses, score, reach(candidates.choice))
    shares = _shares(_least(losses, reach(candidates.choice)), list(_members(groups)))
    return _at_least_level(fitted(candidates.seeds, values, k, 2, shares))


def _of_groups(candidates: Candidates, groups: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """At each seed the groups' losses [G, n] within the other seeds, and their scores at it."""
    members = _members(groups)
    losses = np.array([_inner(candidates.choice[rows]) for rows in members.values()])
    return losses, stand_ins(candidates, groups).to_numpy().T


def _inner(choice: Floats) -> Floats:
    """At each seed the mean loss of a group's optimum, cross-fitted within the other seeds."""
    n = choice.shape[-1]
    rest = (np.delete(choice, seed, axis=-1) for seed in range(n))
    return np.array([optimum_at(others, others).mean() for others in rest])


def pooled(fits: Sequence[CrossFit]) -> CrossFit:
    """Return the mean of cross-fitted numbers of several places, over the seeds that all have.

    Numbers of one seed share its dense run in all places, so a seed counts once. Where one of them
    is unknown, or there is none, so is the mean.
    """
    seeds = [seed for seed in fits[0].seeds if all(seed in f.seeds for f in fits)] if fits else []
    k = max((fit.n_candidates for fit in fits), default=0)
    choices = max((BY_CHOICES.index(fit.interval.kind) for fit in fits), default=1)
    if not seeds or any(fit.unknown for fit in fits):
        return fitted((), np.empty(0), k, max(choices, 1))
    rows = [[fit.values[fit.seeds.index(seed)] for seed in seeds] for fit in fits]
    return fitted(seeds, np.mean(rows, axis=0), k, choices)

"""The leader against every rival on test: paired differences, and how sure each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import (
    block_words,
    difference,
    difference_unit,
    in_percent,
    number,
    shown,
)
from analysis.columns.names import joined
from analysis.columns.roles import reported
from analysis.figures.ranks import ranks_table
from analysis.selection.blocks import block_columns, inside
from analysis.selection.family import family
from analysis.selection.reached import counted_once
from analysis.selection.series import series_column
from analysis.selection.stand_ins import SELF_CHOSEN, stand_ins
from analysis.selection.tries import unequal_tries
from analysis.stats import FEWEST_SEEDS, Comparison, Verdict, paired, side
from analysis.stats.power import LEVEL
from trainables.vocabulary.wording import counted

MORE_SEEDS: Final = 8


def subject(trials: pd.DataFrame) -> tuple[list[Any], dict[str, Any]]:
    """Return the contestants that are first by mean rank on validation, and the task of the ranks.

    More than one where ranks tie, none where no block can be ranked. The task is the commonest:
    columns and values, none where all trials are of one.
    """
    ranked = ranks_table(trials)
    if len(ranked.frame) < 2 or not ranked.facts.n_blocks:
        return [], dict(ranked.at)
    ranks = ranked.frame["mean_rank"]
    first = ranked.frame.loc[ranks <= ranks.min() + RANKS_TIE, "entrant"]
    return list(first), dict(ranked.at)


RANKS_TIE: Final = 1e-9
"""Mean ranks nearer than this are one: they are means of halves."""


@dataclass(frozen=True)
class Versus:
    """The leader against one rival in `metric`, on test, on `n_pairs` pairs in blocks of one task.

    `task` holds the columns and values of the task it leads in; none where there is but one.
    `verdict` is one of the family of all pairs of contestants, with the leader first; `comparison`
    is of those that stand for the two. `tries` are how many settings each contestant was tried
    with.
    """

    metric: str
    comparison: Comparison
    verdict: Verdict
    task: dict[str, Any]
    tries: dict[Any, int]

    @property
    def certainty(self) -> str:
        """How sure the difference is, in words."""
        return certainty(self.verdict)


def comparisons(trials: pd.DataFrame) -> list[Versus]:
    """Return the leader by mean rank on validation, compared with every rival on test.

    Of several tasks in the leader's own alone: it was chosen there. Of several first ones the
    first in order leads.
    """
    by = series_column(trials)
    first, task = subject(trials)
    metric = reported(trials)
    if not first or metric not in trials or not trials[metric].notna().any():
        return []
    leader = first[0]
    columns = block_columns(trials, by)
    here = counted_once(inside(trials, task))
    contestants = family(here, {}, by, metric)
    chosen, keys = stand_ins(here, by, columns), ["seed", *columns]
    chosen = chosen[~chosen[SELF_CHOSEN]]
    found = [
        Versus(
            metric,
            paired(chosen, metric, leader, one.rival, by=keys, column=by),
            one,
            task,
            dict(contestants.entrants.tries),
        )
        for one in contestants.against(leader)
    ]
    return [one for one in found if one.comparison.n]


def against_rivals(trials: pd.DataFrame) -> list[str]:
    """Return the leader's paired differences on test, grouped by how sure they are."""
    found = comparisons(trials)
    if not found:
        return [sentence] if (sentence := _unknown(trials)) else []
    by, pairs = series_column(trials), [one.verdict for one in found]
    kinds = dict.fromkeys(one.certainty for one in found)
    return [
        _first(trials, found),
        *(_grouped(by, kind, [one for one in found if one.certainty == kind]) for kind in kinds),
        _where(trials, found),
        _more(by, pairs),
        _caution(pairs),
    ]


def _first(trials: pd.DataFrame, found: list[Versus]) -> str:
    by, (first, task) = series_column(trials), subject(trials)
    names = joined([shown(by, name) for name in first])
    where = f"At {block_words(task)}, by" if task else "By"
    lead = f"{names} is first" if len(first) == 1 else f"{names} tie for the first place"
    clause = unequal_tries(found[0].tries, by)
    unequal = f" (tries are unequal: {clause})" if clause else ""
    return f"{where} mean rank on validation {lead}{unequal}."


def _unknown(trials: pd.DataFrame) -> str:
    """Why the leader is compared with nobody, where the seeds are too few for a choice."""
    by = series_column(trials)
    first, task = subject(trials)
    if not first:
        return ""
    chosen = stand_ins(inside(trials, task), by, block_columns(trials, by))
    if not chosen[SELF_CHOSEN].any():
        return ""
    few = counted(int(chosen["seed"].nunique()), "seed")
    return (
        f"Who is ahead on test cannot be known with {few}: the best of several settings is scored"
        f" at seeds that did not choose it, which takes {FEWEST_SEEDS}."
    )


def _grouped(by: str, kind: str, found: list[Versus]) -> str:
    parts = [
        f"{_gain(one, shown(by, one.verdict.rival))} ({_pairs(one.comparison)})" for one in found
    ]
    metric = found[0].metric
    part = "test" if metric.startswith("test_") else "validation"
    return f"On {part} {shown(by, found[0].verdict.of)} is {joined(parts)}: {kind}."


def _pairs(one: Comparison) -> str:
    """How many pairs a difference is of, and what failed in it."""
    lost = [(one.pairs.n_failed, "failed"), (one.pairs.n_diverged, "diverged")]
    words_ = [f"{n} {word}" for n, word in lost if n]
    return ", ".join([counted(one.n, "pair"), *words_])


def _gain(one: Versus, rival: str) -> str:
    """A difference in words: how far ahead or behind, where it is not in points better or worse."""
    gain, unit = one.verdict.gain, difference_unit(one.metric)
    if in_percent(one.metric):
        size = difference(one.metric, abs(gain)).lstrip("+")
        return f"{size} {unit} {'behind' if gain < 0 else 'ahead of'} {rival}"
    size = f"{number(abs(gain), 3)} {unit}".strip()
    return f"{size} {'worse' if gain < 0 else 'better'} than {rival}"


def certainty(one: Verdict) -> str:
    """Return how sure a difference is, in words."""
    if one.interval.n < 2:
        return "one seed alone says nothing about the next"
    if one.outcome == "unknown":
        return "two seeds settle nothing"
    if one.tied:
        return "a tie at every seed"
    if one.outcome == "not settled":
        few = counted(one.interval.n, "seed")
        return f"likely, but {few} do not settle it" if one.likely else "no clear difference"
    pairs = "" if one.n_family == 1 else f" for {one.n_family} pairs"
    return f"settled, p at most {LEVEL} after correction{pairs}"


def _where(trials: pd.DataFrame, found: list[Versus]) -> str:
    """At which sparsity or budget most of the largest difference lies, where it lies in one."""
    columns = block_columns(trials, series_column(trials))
    largest = max(found, key=lambda one: abs(one.verdict.gain))
    table = largest.comparison.pairs.table
    total = float(table["difference"].sum())
    if not side(total):
        return ""
    shares = {
        (column, value): float(part.sum()) / total
        for column in columns
        if column in table and table[column].nunique() > 1
        for value, part in table.groupby(column)["difference"]
        if len(part) < MOST * len(table)
    }
    place, share = max(shares.items(), key=lambda item: item[1], default=(None, 0.0))
    if place is None or share <= MOST:
        return ""
    rival = shown(series_column(trials), largest.verdict.rival)
    return f"Most of the difference to {rival} is at {block_words(dict([place]))}."


MOST: Final = 0.5
"""A difference lies mostly at one sparsity or budget where more than this share of it does, and
fewer of the pairs."""


def _more(by: str, found: list[Verdict]) -> str:
    """How many seeds would settle what is likely."""
    needed = {one.rival: one.seeds_to_settle for one in found if one.likely}
    known = [n for n in needed.values() if n is not None]
    if not known:
        return ""
    names = joined([shown(by, rival) for rival, n in needed.items() if n is not None])
    return f"If it is as large as it looks, {max(known)} seeds would settle the lead over {names}."


def _caution(found: list[Verdict]) -> str:
    """That so few seeds settle nothing."""
    if max(one.interval.n for one in found) < FEWEST_SEEDS:
        return f"No verdict is given on fewer than {FEWEST_SEEDS} seeds."
    return ""

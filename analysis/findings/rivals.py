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
from analysis.columns.names import config_columns, differing, joined
from analysis.columns.roles import reported
from analysis.figures.gains import SUBJECTS
from analysis.figures.ranks import ranks_table
from analysis.frames.constraints import beyond_bounds
from analysis.selection.blocks import block_columns, inside, stand_ins
from analysis.selection.series import series_column
from analysis.stats import (
    FEWEST_SEEDS,
    Comparison,
    Verdict,
    against,
    entrants,
    paired,
    smallest_difference,
)
from analysis.stats.power import LEVEL
from trainables.vocabulary.wording import counted

MORE_SEEDS: Final = 8


def subject(trials: pd.DataFrame) -> tuple[Any | None, dict[str, Any]]:
    """Return the contestant to report on, the leader by mean rank on validation, and its task.

    The task is the commonest: columns and values, none where all trials are of one.
    """
    ranked = ranks_table(trials)
    led = len(ranked.frame) > 1 and ranked.facts.n_blocks
    return (ranked.frame["entrant"].iloc[0] if led else None), dict(ranked.at)


@dataclass(frozen=True)
class Versus:
    """The leader against one rival in `metric`, on test, on `n_pairs` pairs in blocks of one task.

    `task` holds the columns and values of the task it leads in; none where there is but one.
    `verdict` is one of the family of all pairs of contestants, with the leader first; `comparison`
    is of those that stand for the two.
    """

    metric: str
    comparison: Comparison
    verdict: Verdict
    task: dict[str, Any]

    @property
    def certainty(self) -> str:
        """How sure the difference is, in words."""
        return certainty(self.verdict)


def comparisons(trials: pd.DataFrame) -> list[Versus]:
    """Return the leader by mean rank on validation, compared with every rival on test.

    Of several tasks in the leader's own alone: it was chosen there.
    """
    by = series_column(trials)
    leader, task = subject(trials)
    metric = reported(trials)
    if leader is None or metric not in trials or not trials[metric].notna().any():
        return []
    columns = block_columns(trials, by)
    here = inside(trials, task)
    among = [c for c in differing(here, config_columns(here)) if c not in (by, *columns)]
    standing = here[~beyond_bounds(here, among, [by, *columns])]
    family = entrants(standing, metric, by, columns).verdicts()
    chosen, keys = stand_ins(here, by, columns), ["seed", *columns]
    found = [
        Versus(metric, paired(chosen, metric, leader, one.rival, by=keys, column=by), one, task)
        for one in against(family, leader)
    ]
    return [one for one in found if one.comparison.n]


def against_rivals(trials: pd.DataFrame) -> list[str]:
    """Return the leader's paired differences on test, grouped by how sure they are."""
    found = comparisons(trials)
    if not found:
        return []
    by, leader = series_column(trials), found[0].verdict.of
    own = next((one for one in found if one.verdict.rival in SUBJECTS[:1]), None)
    behind = f"; {shown(by, own.verdict.rival)} is not" if own is not None else ""
    where = f"At {block_words(found[0].task)}, by" if found[0].task else "By"
    first = f"{where} mean rank on validation {shown(by, leader)} is first{behind}."
    kinds = dict.fromkeys(one.certainty for one in found)
    pairs = [one.verdict for one in found]
    return [
        first,
        *(_grouped(by, kind, [one for one in found if one.certainty == kind]) for kind in kinds),
        _more(by, pairs),
        _caution(pairs),
    ]


def _grouped(by: str, kind: str, found: list[Versus]) -> str:
    parts = [
        f"{_gain(one, shown(by, one.verdict.rival))} ({counted(one.comparison.n, 'pair')})"
        for one in found
    ]
    metric = found[0].metric
    part = "test" if metric.startswith("test_") else "validation"
    has = "has" if in_percent(metric) else "is"
    return f"On {part} {shown(by, found[0].verdict.of)} {has} {joined(parts)}: {kind}."


def _gain(one: Versus, rival: str) -> str:
    """A difference in words: in points, or how much better or worse where it has another unit."""
    gain, unit = one.verdict.gain, difference_unit(one.metric)
    if in_percent(one.metric):
        return f"{difference(one.metric, gain)} {unit} to {rival}"
    size = f"{number(abs(gain), 3)} {unit}".strip()
    return f"{size} {'worse' if gain < 0 else 'better'} than {rival}"


def certainty(one: Verdict) -> str:
    """Return how sure a difference is, in words."""
    if one.interval.n < 2:
        return "one seed alone says nothing about the next"
    if one.outcome == "unknown":
        return "two seeds settle nothing"
    if one.outcome == "not settled":
        few = counted(one.interval.n, "seed")
        return f"likely, but {few} do not settle it" if one.likely else "no clear difference"
    pairs = "" if one.n_family == 1 else f" for {one.n_family} pairs"
    return f"settled, p at most {LEVEL} after correction{pairs}"


def _more(by: str, found: list[Verdict]) -> str:
    """How many seeds would settle what is likely."""
    needed = {one.rival: one.seeds_to_settle for one in found if one.likely}
    known = [n for n in needed.values() if n is not None]
    if not known:
        return ""
    names = joined([shown(by, rival) for rival, n in needed.items() if n is not None])
    return f"If it is as large as it looks, {max(known)} seeds would settle the lead over {names}."


def _caution(found: list[Verdict]) -> str:
    """How large a difference must be for so few seeds to settle it, where they do not."""
    unsettled = [one for one in found if one.outcome in ("not settled", "unknown")]
    if not unsettled:
        return ""
    n = max(one.interval.n for one in found)
    if n < FEWEST_SEEDS:
        return f"No verdict is given on fewer than {FEWEST_SEEDS} seeds."
    n_pairs = max(one.n_family for one in found)
    sizes = [number(smallest_difference(1.0, seeds, n_pairs), 2) for seeds in (n, MORE_SEEDS)]
    more = f"; with {MORE_SEEDS} seeds {sizes[1]}" if n < MORE_SEEDS else ""
    family = "one pair" if n_pairs == 1 else f"{n_pairs} pairs"
    return (
        f"With {counted(n, 'seed')} and {family} a difference is settled in four of five studies"
        f" where it is {sizes[0]} times its own spread from seed to seed{more}."
    )

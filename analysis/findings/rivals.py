"""The leader against every rival on test: paired differences, and how sure each is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import block_words, number, points, shown
from analysis.columns.names import joined
from analysis.figures.gains import SUBJECTS
from analysis.figures.ranks import ranks_table
from analysis.selection.blocks import block_columns, inside, stand_ins
from analysis.selection.series import REPORTED, series_column, values
from analysis.stats import Comparison, holm, paired, smallest_p
from trainables.vocabulary.wording import counted

SETTLED_P: Final = 0.05


def subject(trials: pd.DataFrame) -> tuple[Any | None, dict[str, Any]]:
    """Return the contestant to report on, the leader by mean rank on validation, and its task.

    The task is the commonest: columns and values, none where all trials are of one.
    """
    ranked = ranks_table(trials)
    led = len(ranked.frame) > 1 and ranked.facts.n_blocks
    return (ranked.frame["entrant"].iloc[0] if led else None), dict(ranked.at)


@dataclass(frozen=True)
class Versus:
    """The leader against one rival on test; `p` is adjusted for the number of rivals (Holm).

    `task` holds the columns and values of the task it leads in; none where there is but one.
    `n_rivals` counts the comparisons that `p` is adjusted for.
    """

    leader: Any
    rival: Any
    comparison: Comparison
    p: float
    task: dict[str, Any]
    n_rivals: int

    @property
    def verdict(self) -> str:
        """How sure the difference is, in words."""
        return certainty(self.comparison, self.p, self.n_rivals)


def comparisons(trials: pd.DataFrame) -> list[Versus]:
    """Return the leader by mean rank on validation, compared with every rival on test.

    Of several tasks in the leader's own alone: it was chosen there.
    """
    by = series_column(trials)
    leader, task = subject(trials)
    if leader is None or REPORTED not in trials or not trials[REPORTED].notna().any():
        return []
    columns = block_columns(trials, by)
    chosen = stand_ins(inside(trials, task), by, columns)
    rivals = [name for name in values(chosen, by) if name != leader]
    keys = ["seed", *columns]
    found = [paired(chosen, REPORTED, leader, rival, by=keys, column=by) for rival in rivals]
    adjusted = holm([one.p_sign for one in found])
    return [
        Versus(leader, rival, one, p, task, len(rivals))
        for rival, one, p in zip(rivals, found, adjusted, strict=True)
        if one.n
    ]


def against_rivals(trials: pd.DataFrame) -> list[str]:
    """Return the leader's paired differences on test, grouped by how sure they are."""
    found = comparisons(trials)
    if not found:
        return []
    by = series_column(trials)
    own = next((one.rival for one in found if one.rival in SUBJECTS[:1]), None)
    behind = f"; {shown(by, own)} is not" if own is not None else ""
    where = f"At {block_words(found[0].task)}, by" if found[0].task else "By"
    first = f"{where} mean rank on validation {shown(by, found[0].leader)} is first{behind}."
    verdicts = dict.fromkeys(one.verdict for one in found)
    said = [
        _grouped(by, verdict, [v for v in found if v.verdict == verdict]) for verdict in verdicts
    ]
    few = max(one.comparison.n_units for one in found)
    return [first, *said, _caution(few, found[0].n_rivals)]


def _grouped(by: str, verdict: str, found: list[Versus]) -> str:
    parts = [
        f"{points(one.comparison.mean)} points to {shown(by, one.rival)}"
        f" ({counted(one.comparison.n, 'pair')})"
        for one in found
    ]
    return f"On test {shown(by, found[0].leader)} has {joined(parts)}: {verdict}."


def certainty(one: Comparison, p: float, n_rivals: int = 1) -> str:
    """Return how sure a difference is, in words; `p` is adjusted for the number of rivals."""
    if one.n_units < 2:
        return "one seed alone says nothing about the next"
    beyond = one.lo > 0 or one.hi < 0
    if p <= SETTLED_P:
        return "settled, p at most 0.05 after correction"
    if beyond and _smallest(one.n_units, n_rivals) > SETTLED_P:
        return "the interval excludes zero, but there are too few seeds to settle it"
    if beyond:
        return "the interval excludes zero, but not settled after correction"
    return "not told apart"


def _smallest(n: int, n_rivals: int) -> float:
    """The smallest p that n seeds can give after Holm's correction for so many rivals."""
    return min(1.0, n_rivals * smallest_p(n))


def _caution(n: int, n_rivals: int) -> str:
    if n == 0 or _smallest(n, n_rivals) <= SETTLED_P:
        return ""
    needed = next(m for m in range(n, 64) if _smallest(m, n_rivals) <= SETTLED_P)
    corrected = f" after correction for {n_rivals} rivals" if n_rivals > 1 else ""
    return (
        f"With {counted(n, 'seed')} no exact paired test can give a p below"
        f" {number(_smallest(n, n_rivals), 2)}{corrected}: {needed} seeds are needed for one below"
        f" {SETTLED_P}."
    )

"""What a study found, in sentences that are computed from its frames.

Every sentence carries its numbers, its n and its uncertainty, and says where there is too little to
say anything. Leaders are chosen on validation and reported on test. Plain text, not escaped.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import number, place, points, shown, words
from analysis.columns.names import is_missing, joined
from analysis.figures.discount import DISCOUNT, regret_table
from analysis.figures.gains import SUBJECTS
from analysis.figures.ranks import ranks_table
from analysis.figures.split import budget_split_table
from analysis.selection.blocks import (
    CHOICE,
    SPARSITY,
    block_columns,
    comparable,
    configurations,
    inside,
    records,
    series_column,
    stand_ins,
    values,
    varying,
    without_synonyms,
)
from analysis.selection.leaders import REPORTED, Leader, leaders
from analysis.stats import Comparison, holm, paired, smallest_p
from trainables.config.catalog import DATASETS
from trainables.vocabulary.wording import counted

SETTLED_P: Final = 0.05
MANY_NAMED: Final = 5


def plain(text: str) -> str:
    """Return text of the figures' labels without their escapes."""
    return html.unescape(text)


def findings(frame: pd.DataFrame) -> list[str]:
    """Return what a trials frame shows, most important first; one sentence when nothing is done."""
    trials = comparable(frame)
    if trials.empty:
        return ["The study has no trials yet."]
    done = trials[trials["state"] == "done"]
    if done.empty or CHOICE not in done or not done[CHOICE].notna().any():
        return [tally(trials), "No trial is done, so there is nothing to compare yet."]
    sentences = [
        tally(trials),
        *leading(trials),
        *best(trials),
        *against_rivals(trials),
        *discount(trials),
        *split(trials),
        resolution(trials),
    ]
    return [plain(sentence) for sentence in sentences if sentence]


def tally(trials: pd.DataFrame) -> str:
    """Return how many trials, configurations and seeds there are and how the trials ended."""
    n = configurations(trials).nunique()
    states = trials["state"].value_counts()
    ended = [f"{states[s]} {s}" for s in ("done", "diverged", "failed", "stopped") if s in states]
    return (
        f"{counted(len(trials), 'trial')} of {counted(n, 'configuration')} under"
        f" {counted(trials['seed'].nunique(), 'seed')}: {joined(ended)}."
    )


def fallen(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that did not end as done: configuration in words, seed, state, message."""
    lost = comparable(trials)
    lost = lost[lost["state"] != "done"]
    by = series_column(trials)
    columns = [by, *block_columns(trials, by)]
    rows = [
        {
            "trial": plain(place({c: row.get(c) for c in columns})),
            "seed": row["seed"],
            "state": row["state"],
            "message": row.get("message") or "",
        }
        for row in records(lost)
    ]
    return pd.DataFrame(rows, columns=["trial", "seed", "state", "message"])


def leading(trials: pd.DataFrame) -> list[str]:
    """Return who leads on validation in how many blocks, and how close the races are."""
    by = series_column(trials)
    found = leaders(trials)
    if not found:
        tried = values(trials, by)
        one = f"Only one {words(by)} was tried, {_names(by, tried)}: there is nothing to compare."
        return [one] if tried else []
    wins = pd.Series([leader.name for leader in found]).value_counts()
    parts = [f"{shown(by, name)} in {n}" for name, n in wins.items()]
    sentence = f"On validation the best {words(by)} is {joined(parts)} of {_blocks(len(found))}"
    close = [leader for leader in found if leader.behind is not None and _close(leader, trials)]
    if close:
        where = "everywhere" if len(close) == len(found) else f"in {len(close)} of them"
        sentence += f"; {where} the runner-up is less than one validation image behind"
    if apart := sum(leader.n_shared == 0 for leader in found):
        sentence += f"; in {apart} of them no seed is done by all, and those with most are ranked"
    return [f"{sentence}.", *([_single(found[0], by)] if len(found) == 1 else [])]


def best(trials: pd.DataFrame) -> list[str]:
    """Return the best configuration on validation per sparsity, where one series was searched."""
    by = series_column(trials)
    if trials[by].nunique() > 1:
        return []
    task = [c for c in block_columns(trials, by) if c.startswith("task")]
    chosen = stand_ins(trials, by, [*task, SPARSITY])
    settings = [c for c in varying(trials) if c not in (*task, SPARSITY)]
    blocks = chosen[[*task, SPARSITY]].drop_duplicates().sort_values([*task, SPARSITY])
    if not settings or len(blocks) > MANY_NAMED:
        return []
    return [
        _best(inside(chosen, block), block, without_synonyms(trials, settings))
        for block in records(blocks)
    ]


def _best(own: pd.DataFrame, block: dict[str, Any], settings: list[str]) -> str:
    done = own[own["state"] == "done"]
    if done.empty:
        return ""
    first = records(done)[0]
    said = [f"{words(c)} {shown(c, first[c])}" for c in settings if not is_missing(first[c])]
    on_test = f", {number(100 * done[REPORTED].mean())} % on test" if REPORTED in done else ""
    return (
        f"At {place(block)} the best of {counted(int(first['n_configurations']), 'configuration')}"
        f" on validation has {joined(said)}: {number(100 * done[CHOICE].mean())} %{on_test}"
        f" (n = {len(done)})."
    )


def _blocks(n: int) -> str:
    return counted(n, "combination") + " of sparsity and budget"


def _names(by: str, names: list[Any]) -> str:
    return joined([shown(by, name) for name in names])


def _single(leader: Leader, by: str) -> str:
    mean, std, n = leader.test
    lost = f", {leader.n_lost} failed or diverged" if leader.n_lost else ""
    spread = f" ± {number(100 * std, 2)}" if math.isfinite(std) else ""
    return (
        f"{shown(by, leader.name)} reaches {number(100 * mean)}{spread} % on test (n = {n}{lost})."
    )


def _image(trials: pd.DataFrame) -> float | None:
    """The accuracy that one validation image is worth, where the data set is known."""
    names = values(trials, "task.dataset")
    if len(names) != 1 or names[0] not in DATASETS:
        return None
    asked = values(trials, "task.dataset.n_val") if "task.dataset.n_val" in trials else []
    return 1 / min([DATASETS[names[0]].n_val, *map(int, asked)])


def _close(leader: Leader, trials: pd.DataFrame) -> bool:
    image = _image(trials)
    return image is not None and leader.behind is not None and leader.behind < image


def resolution(trials: pd.DataFrame) -> str:
    """Return what one validation image is worth, where that is no small thing."""
    image = _image(trials)
    if image is None or image < 0.002:
        return ""
    return (
        f"One validation image is {number(100 * image, 2)} points: a choice by less than that is"
        " a coin's."
    )


def subject(trials: pd.DataFrame) -> tuple[Any | None, dict[str, Any]]:
    """Return the contestant to report on, the leader by mean rank on validation, and its task.

    The task is the commonest: columns and values, none where all trials are of one.
    """
    ranked = ranks_table(trials)
    led = len(ranked) > 1 and ranked.attrs["n_blocks"]
    return (ranked["entrant"].iloc[0] if led else None), ranked.attrs["at"]


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
    where = f"At {place(found[0].task)}, by" if found[0].task else "By"
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


def discount(trials: pd.DataFrame) -> list[str]:
    """Return what the adaptive discount loses to the tuned one; nothing where none was tuned."""
    if DISCOUNT not in trials or not trials[DISCOUNT].notna().any() or REPORTED not in trials:
        return []
    tasks = trials.dropna(subset=[DISCOUNT])
    apart = [c for c in block_columns(tasks, DISCOUNT) if c.startswith("task")]
    places = records(tasks[apart].drop_duplicates().sort_values(apart)) if apart else [{}]
    found = [_regret(trials, at) for at in places]
    return [sentence for sentence in found if sentence]


def _regret(trials: pd.DataFrame, task: dict[str, Any]) -> str:
    table = regret_table(trials, metric=REPORTED, at=task or None)
    known = table[table["n"] > 0]
    if not (table["n_tried"] > 1).any():
        return ""
    where = f"At {place(task)} the" if task else "The"
    if known.empty:
        return f"{where} discounts were tuned, but no adaptive one was tried: no regret is known."
    worst = known.sort_values("regret", kind="stable").iloc[-1]
    beyond = int((known["lo"] > 0).sum())
    budget = table.attrs["budget"]
    worst_at = place({SPARSITY: worst["sparsity"], budget: worst["budget"]})
    return (
        f"{where} regret of the adaptive discount against the one tuned on validation is"
        f" {points(known['regret'].mean())} points of test accuracy on average over"
        f" {_blocks(len(known))} (at worst {points(worst['regret'])}, at {worst_at},"
        f" n = {counted(int(worst['n']), 'pair')}); in {beyond} of them the interval lies above"
        " zero."
    )


def split(trials: pd.DataFrame) -> list[str]:
    """Return the best split of a budget on validation, for each task, sparsity and budget."""
    column = "budget.dense_fraction"
    if column not in trials or trials[column].nunique() < 2:
        return []
    sentences = []
    own = trials.dropna(subset=[column])
    apart = block_columns(own, column)
    blocks = own[apart].drop_duplicates().sort_values(apart)
    for at in records(blocks)[:MANY_NAMED]:
        table = budget_split_table(trials, at=at)
        rows = table[~table["reference"].astype(bool) & (table["n"] > 0)]
        if rows.empty:
            continue
        best = rows.sort_values(["n", "mean"], ascending=False, kind="stable").iloc[0]
        cycles = counted(int(best["series"]), "cycle")
        sentences.append(
            f"At {place(at)} the best split on validation gives the dense run"
            f" {number(100 * best['x'], 3)} % of the budget and the rest to {cycles}:"
            f" {number(100 * best['mean'])} % (n = {int(best['n'])})."
        )
    return sentences

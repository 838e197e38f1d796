"""What a study found, in sentences that are computed from its frames.

Every sentence carries its numbers, its n and its uncertainty, and says where there is too little to
say anything. Leaders are chosen on validation and reported on test. Plain text, not escaped.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from analysis.columns.labels import (
    amount,
    block_words,
    difference,
    difference_unit,
    number,
    shown,
    words,
)
from analysis.columns.names import is_missing, joined
from analysis.columns.roles import choice, has_test, reported
from analysis.columns.rows import records
from analysis.figures.accuracy import budget_split_table
from analysis.figures.discount import DISCOUNT
from analysis.figures.regret import regret_table
from analysis.findings.rivals import against_rivals
from analysis.selection.blocks import block_columns, blocks, inside, stand_ins, task_columns
from analysis.selection.leaders import Leader, leaders
from analysis.selection.series import SPARSITY, comparable, series_column, values
from analysis.selection.settings import configurations, varying, without_synonyms
from analysis.stats import CrossFit, side, too_few
from trainables.config.datasets import known
from trainables.vocabulary.wording import counted

MANY_NAMED: Final = 5


def findings(frame: pd.DataFrame) -> list[str]:
    """Return what a trials frame shows, most important first; one sentence when nothing is done."""
    trials = comparable(frame)
    if trials.empty:
        return ["The study has no trials yet."]
    done = trials[trials["state"] == "done"]
    chosen_by = choice(done)
    if done.empty or chosen_by not in done or not done[chosen_by].notna().any():
        return [tally(trials), "No trial is done, so there is nothing to compare yet."]
    sentences = [
        tally(trials),
        collapsed(trials),
        _without_test(trials),
        *leading(trials),
        *best(trials),
        *against_rivals(trials),
        *discount(trials),
        *split(trials),
        resolution(trials),
    ]
    return [sentence for sentence in sentences if sentence]


def _without_test(trials: pd.DataFrame) -> str:
    """What the reader must know where nothing was measured on test."""
    if has_test(trials):
        return ""
    return "The task has no test part: what is reported is validation, by which it was chosen too."


def collapsed(trials: pd.DataFrame) -> str:
    """Return which contestants have done trials with a layer that no weight is left in; or ""."""
    if "collapsed_layers" not in trials:
        return ""
    empty = trials[(trials["state"] == "done") & (trials["collapsed_layers"] > 0)]
    if empty.empty:
        return ""
    by = series_column(trials)
    parts = [f"{n} of {shown(by, name)}" for name, n in empty[by].value_counts().items()]
    named = parts[:MANY_NAMED] + ([f"{len(parts) - MANY_NAMED} more"] * (len(parts) > MANY_NAMED))
    return (
        f"{counted(len(empty), 'trial')} collapsed, {joined(named)}: a layer has no weight left, so"
        " the result is chance and the speedup no gain."
    )


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
            "trial": block_words({c: row.get(c) for c in columns}),
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
    leads = leaders(trials)
    if not leads:
        tried = values(trials, by)
        one = f"Only one {words(by)} was tried, {_names(by, tried)}: there is nothing to compare."
        return [one] if tried else []
    wins = pd.Series([leader.name for leader in leads]).value_counts()
    parts = [f"{shown(by, name)} in {n}" for name, n in wins.items()]
    sentence = f"On validation the best {words(by)} is {joined(parts)} of {_blocks(len(leads))}"
    close = [leader for leader in leads if leader.behind is not None and _close(leader, trials)]
    if close:
        where = "everywhere" if len(close) == len(leads) else f"in {len(close)} of them"
        sentence += f"; {where} the runner-up is less than one validation image behind"
    if apart := sum(leader.n_shared == 0 for leader in leads):
        sentence += f"; in {apart} of them no seed is done by all, and those with most are ranked"
    return [f"{sentence}.", *([_single(leads[0], by)] if len(leads) == 1 else [])]


def best(trials: pd.DataFrame) -> list[str]:
    """Return the best configuration on validation per sparsity, where one series was searched."""
    by = series_column(trials)
    if trials[by].nunique() > 1:
        return []
    task = [c for c in task_columns(trials) if c != by]
    chosen = stand_ins(trials, by, [*task, SPARSITY])
    settings = [c for c in varying(trials) if c not in (*task, SPARSITY)]
    met = blocks(chosen, [*task, SPARSITY])
    if not settings or len(met) > MANY_NAMED:
        return []
    distinct = without_synonyms(trials, settings)
    return [_best(inside(chosen, block), block, distinct) for block in met]


def _best(trials: pd.DataFrame, block: dict[str, Any], settings: list[str]) -> str:
    done = trials[trials["state"] == "done"]
    if done.empty:
        return ""
    first = records(done)[0]
    best_settings = [
        f"{words(c)} {shown(c, first[c])}" for c in settings if not is_missing(first[c])
    ]
    val, test = choice(done), reported(done)
    on_test = f", {amount(test, done[test].mean())} on test" if test != val else ""
    tried = counted(int(first["n_configurations"]), "configuration")
    return (
        f"At {block_words(block)} the best of {tried}"
        f" on validation has {joined(best_settings)}: {amount(val, done[val].mean())}{on_test}"
        f" (n = {len(done)})."
    )


def _blocks(n: int) -> str:
    return counted(n, "combination") + " of sparsity and budget"


def _names(by: str, names: list[Any]) -> str:
    return joined([shown(by, name) for name in names])


def _single(leader: Leader, by: str) -> str:
    mean, std, n = leader.test
    lost = f", {leader.n_lost} failed or diverged" if leader.n_lost else ""
    where = "test" if leader.reported.startswith("test_") else "validation"
    reach = amount(leader.reported, mean, std)
    return f"{shown(by, leader.name)} reaches {reach} on {where} (n = {n}{lost})."


def _image(trials: pd.DataFrame) -> float | None:
    """The accuracy that one validation image is worth, where the data set is known."""
    names = values(trials, "task.dataset")
    dataset = known(names[0]) if len(names) == 1 else None
    if dataset is None or choice(trials) != "val_accuracy":
        return None
    sizes = map(int, values(trials, "task.dataset.n_val"))
    return 1 / min([dataset.n_val, *sizes])


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
        " the toss of a coin."
    )


def discount(trials: pd.DataFrame) -> list[str]:
    """Return what the adaptive discount loses to the tuned one; nothing where none was tuned."""
    if DISCOUNT not in trials or not trials[DISCOUNT].notna().any():
        return []
    discounts = trials.dropna(subset=[DISCOUNT])
    tasks = blocks(discounts, task_columns(discounts))
    return [sentence for task in tasks if (sentence := _regret(trials, task))]


def _regret(trials: pd.DataFrame, task: dict[str, Any]) -> str:
    regrets = regret_table(trials, at=task)
    table = regrets.frame
    known = table[table["regret"].notna()]
    if not (table["n_tried"] > 1).any():
        return ""
    where = f"At {block_words(task)} the" if task else "The"
    if known.empty and not table["n"].any():
        return f"{where} discounts were tuned, but no adaptive one was tried: no regret is known."
    if known.empty:
        return f"{where} regret of the adaptive discount: {too_few(int(table['n'].max()))}."
    worst = known.sort_values("regret", kind="stable").iloc[-1]
    sides = [side(row["lo"]) + side(row["hi"]) for row in records(known)]
    above, below = sides.count(2), sides.count(-2)
    mean: CrossFit = regrets.facts
    metric = regrets.metric

    def told(value: float) -> str:
        return difference(metric, value)

    span = "" if mean.unknown else f" [{told(mean.interval.lo)} to {told(mean.interval.hi)}]"
    unit = f"{difference_unit(metric)} of {words(metric)}".strip()
    worst_at = block_words({SPARSITY: worst["sparsity"], regrets.budget: worst["budget"]})
    return (
        f"{where} regret of the adaptive discount against the one tuned on validation at the other"
        f" seeds is {told(known['regret'].mean())}{span} {unit} on average over"
        f" {_blocks(len(known))} (at worst {told(worst['regret'])}, at {worst_at},"
        f" n = {counted(int(worst['n']), 'seed')}); its interval lies above zero in {above} of them"
        f" and below in {below}."
    )


def split(trials: pd.DataFrame) -> list[str]:
    """Return the best split of a budget on validation, for each task, sparsity and budget."""
    column = "budget.dense_fraction"
    if column not in trials or trials[column].nunique() < 2:
        return []
    sentences = []
    splits = trials.dropna(subset=[column])
    for at in blocks(splits, block_columns(splits, column))[:MANY_NAMED]:
        table = budget_split_table(trials, at=at).frame
        rows = table[~table["reference"].astype(bool) & (table["n"] > 0)]
        if rows.empty:
            continue
        best = rows.sort_values(["n", "mean"], ascending=False, kind="stable").iloc[0]
        cycles = counted(int(best["series"]), "cycle")
        sentences.append(
            f"At {block_words(at)} the best split on validation gives the dense run"
            f" {number(100 * best['x'], 3)} % of the budget and the rest to {cycles}:"
            f" {number(100 * best['mean'])} % (n = {int(best['n'])})."
        )
    return sentences

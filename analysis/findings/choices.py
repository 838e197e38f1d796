"""What a study found of two choices: the adaptive discount against a tuned one, and the split."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from analysis.columns.labels import block_words, difference, difference_unit, number, words
from analysis.columns.names import joined
from analysis.columns.rows import records
from analysis.figures.discount import DISCOUNT
from analysis.figures.regret import regret_table
from analysis.findings.leading import combinations, worth_of_choice
from analysis.selection.blocks import block_columns, blocks, inside, task_columns
from analysis.selection.likeness import margin_of, margin_words
from analysis.selection.series import SPARSITY
from analysis.selection.stand_ins import best_configurations, stand_ins
from analysis.stats import CrossFit, equivalence, side, too_few
from analysis.stats.intervals import BY_CHOICES
from trainables.vocabulary.wording import counted

MANY_NAMED: Final = 5
FRACTION: Final = "budget.dense_fraction"


def discount(trials: pd.DataFrame, margin: float | None = None) -> list[str]:
    """Return what the adaptive discount loses to the tuned one; nothing where none was tuned."""
    if DISCOUNT not in trials or not trials[DISCOUNT].notna().any():
        return []
    discounts = trials.dropna(subset=[DISCOUNT])
    tasks = blocks(discounts, task_columns(discounts))
    return [sentence for task in tasks if (sentence := _regret(trials, task, margin))]


def _regret(trials: pd.DataFrame, task: dict[str, Any], margin: float | None) -> str:
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
    spans = known.dropna(subset=["lo", "hi"])
    sides = [side(row["lo"]) + side(row["hi"]) for row in records(spans)]
    above, below = sides.count(2), sides.count(-2)
    mean: CrossFit = regrets.facts
    metric = regrets.metric

    def told(value: float) -> str:
        return difference(metric, value)

    interval = mean.interval
    span = f" [{told(interval.lo)} to {told(interval.hi)}]" if interval.known else ""
    unit = f"{difference_unit(metric)} of {words(metric)}".strip()
    worst_at = block_words({SPARSITY: worst["sparsity"], regrets.budget: worst["budget"]})
    return (
        f"{where} regret of the adaptive discount against the one tuned on validation at the other"
        f" seeds is {told(known['regret'].mean())}{span} {unit} on average over"
        f" {combinations(len(known))} (at worst {told(worst['regret'])}, at {worst_at},"
        f" n = {counted(int(worst['n']), 'seed')}): {_ahead(mean, metric, margin)}"
        f"{_sides(above, below) if len(spans) else ''}."
    )


def _sides(above: int, below: int) -> str:
    """In how many places the interval of the regret is on one side of zero."""
    if not above and not below:
        return "; its interval holds zero in all of them"
    return f"; its interval lies above zero in {above} of them and below in {below}"


def _ahead(mean: CrossFit, metric: str, margin: float | None) -> str:
    """Which of the two discounts is better on average, or whether they are shown to be alike."""
    if not mean.interval.known:
        return "which is better is not known"
    better = {1: "the tuned one is better", -1: "the adaptive one is better"}
    ahead = better.get(mean.interval.side(), "no clear difference")
    limit = margin_of(metric, margin)
    if limit is None:
        return ahead
    judged = equivalence(mean.values, limit, BY_CHOICES.index(mean.interval.kind))
    size = margin_words(metric, limit)
    if judged.likeness in ("equivalent", "identical"):
        return f"{ahead}, and shown to be less than {size}"
    return f"{ahead}, but not shown to be less than {size}"


def split(trials: pd.DataFrame) -> list[str]:
    """Return the best split of a budget on validation, for each task, sparsity and budget.

    Splits that tie are all named, and what the choice is worth is scored at seeds that did not
    make it.
    """
    if FRACTION not in trials or trials[FRACTION].nunique() < 2:
        return []
    splits = trials.dropna(subset=[FRACTION]).assign(**{_ALL: 0})
    columns = [c for c in block_columns(splits, FRACTION) if c != "prune.cycles"]
    sentences = []
    for at in blocks(splits, columns)[:MANY_NAMED]:
        here = inside(splits, at)
        favourites = best_configurations(here, _ALL, [], ties=True)
        done = favourites[favourites["state"] == "done"]
        if done.empty:
            continue
        sentences.append(
            f"At {block_words(at)} the best split on validation gives the dense run"
            f" {_splits(done)}; {worth_of_choice(stand_ins(here, _ALL, []))}."
        )
    return sentences


_ALL: Final = "_all"
"""A column that is the same in all trials: all splits of a block stand for one choice."""


def _splits(done: pd.DataFrame) -> str:
    """The splits that are best, as shares and cycles; several of them tie."""
    tied = done[[FRACTION, "prune.cycles"]].drop_duplicates()
    parts = [
        f"{number(100 * row[FRACTION], 3)} % of the budget and the rest to"
        f" {counted(int(row['prune.cycles']), 'cycle')}"
        for row in records(tied)
    ]
    few = parts[:MANY_NAMED] + ([f"{len(parts) - MANY_NAMED} more"] * (len(parts) > MANY_NAMED))
    return joined(few) if len(parts) == 1 else f"{' or '.join(few)} (a tie)"

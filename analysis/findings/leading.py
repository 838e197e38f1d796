"""Who leads on validation, how close the races are, and the best of a search."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import amount, block_words, number, shown, words
from analysis.columns.names import is_missing, joined, ordered
from analysis.columns.roles import choice, reported
from analysis.columns.rows import records
from analysis.selection.blocks import blocks, inside, task_columns
from analysis.selection.leaders import Leader, leaders
from analysis.selection.reached import counted_once
from analysis.selection.series import SPARSITY, series_column, values
from analysis.selection.settings import varying, without_synonyms
from analysis.selection.stand_ins import (
    SELF_CHOSEN,
    TRIED,
    best_configurations,
    stand_ins,
)
from analysis.selection.tries import unequal_tries
from analysis.stats import close, too_few
from trainables.config.datasets import known
from trainables.vocabulary.wording import counted

MANY_NAMED: Final = 5


def leading(trials: pd.DataFrame) -> list[str]:
    """Return who leads on validation in how many blocks, and how close the races are."""
    by = series_column(trials)
    leads = leaders(counted_once(trials))
    if not leads:
        return _without_a_race(values(trials, by), by)
    alone = [leader for leader in leads if not leader.ties]
    wins = pd.Series([leader.name for leader in alone], dtype=object).value_counts()
    parts = [f"{shown(by, name)} in {n}" for name, n in wins.items()]
    parts += _tie_parts(leads, by)
    sentence = (
        f"On validation the best {words(by)} is {joined(parts)} of {combinations(len(leads))}"
    )
    if clause := _tries_clause(leads, by):
        sentence += f" ({clause})"
    near = [leader for leader in alone if _close(leader, trials)]
    if near:
        where = "everywhere" if len(near) == len(leads) else f"in {len(near)} of them"
        sentence += f"; {where} the runner-up is less than one validation image behind"
    if apart := sum(leader.n_shared == 0 for leader in leads):
        sentence += f"; in {apart} of them no seed is done by all, and those with most are ranked"
    if own := sum(leader.self_chosen for leader in leads):
        sentence += (
            f"; in {own} of them it is the best of several settings at the very seeds that chose it"
        )
    return [f"{sentence}.", *([_single(leads[0], by)] if len(leads) == 1 else [])]


def _without_a_race(tried: list[Any], by: str) -> list[str]:
    """Why nobody leads: there is one contestant alone, or no two of them met."""
    if not tried:
        return []
    names = joined([shown(by, name) for name in tried])
    if len(tried) == 1:
        return [f"Only one {words(by)} was tried, {names}."]
    apart = "were tried at one sparsity and budget"
    return [f"Nobody leads: no two values of {words(by)} {apart}, of {names}."]


def _tie_parts(leads: list[Leader], by: str) -> list[str]:
    """Which contestants tie for the first place in how many blocks, the commonest first."""
    tied = [tuple(ordered([leader.name, *leader.ties], by)) for leader in leads if leader.ties]
    return [
        f"a tie of {joined([shown(by, name) for name in names])} in {n}"
        for names, n in Counter(tied).most_common()
    ]


def _tries_clause(leads: list[Leader], by: str) -> str:
    """How unequal the numbers of tries are, at most."""
    most: dict[Any, int] = {}
    for leader in leads:
        for name, n in leader.tries.items():
            most[name] = max(n, most.get(name, 0))
    clause = unequal_tries(most, by)
    return f"tries are unequal: {clause}" if clause else ""


def combinations(n: int) -> str:
    """Return how many blocks there are, in words."""
    return counted(n, "combination") + " of sparsity and budget"


def _single(leader: Leader, by: str) -> str:
    """What the leader of the only block reaches, at seeds that did not choose it."""
    lost = f", {leader.n_lost} failed or diverged" if leader.n_lost else ""
    where = "test" if leader.reported.startswith("test_") else "validation"
    fit = leader.chosen_test
    if fit.unknown is None:
        std = float(fit.values.std(ddof=1)) if len(fit.values) > 1 else math.nan
        n = counted(len(fit.seeds), "seed")
        return (
            f"The {words(by)} that the other seeds choose reaches"
            f" {amount(leader.reported, fit.mean, std)} on {where} (n = {n}{lost})."
        )
    mean, std, n_done = leader.test
    return (
        f"{shown(by, leader.name)} reaches {amount(leader.reported, mean, std)} on {where}"
        f" (n = {n_done}{lost}) at seeds that chose it; what a choice is worth at others:"
        f" {fit.unknown}."
    )


def best(trials: pd.DataFrame) -> list[str]:
    """Return the best configuration on validation per sparsity, where one series was searched."""
    by = series_column(trials)
    if trials[by].nunique() > 1:
        return []
    task = [c for c in task_columns(trials) if c != by]
    columns = [*task, SPARSITY]
    favourites = best_configurations(trials, by, columns)
    settings = [c for c in varying(trials) if c not in columns]
    met = blocks(favourites, columns)
    if not settings or len(met) > MANY_NAMED:
        return []
    distinct = without_synonyms(trials, settings)
    chosen = stand_ins(trials, by, columns)
    return [
        _best(inside(favourites, block), inside(chosen, block), block, distinct) for block in met
    ]


def _best(
    favourites: pd.DataFrame, chosen: pd.DataFrame, block: dict[str, Any], settings: list[str]
) -> str:
    done = favourites[favourites["state"] == "done"]
    if done.empty:
        return ""
    first = records(done)[0]
    best_settings = [
        f"{words(c)} {shown(c, first[c])}" for c in settings if not is_missing(first[c])
    ]
    tied = f", a tie with {counted(int(first['n_tied']), 'other')}" if first["n_tied"] else ""
    tried = counted(int(first[TRIED]), "configuration")
    return (
        f"At {block_words(block)} the best of {tried} on validation has"
        f" {joined(best_settings)}{tied}; {worth_of_choice(chosen)}."
    )


def worth_of_choice(chosen: pd.DataFrame) -> str:
    """Return what a choice among settings is worth, of the trials that stand for it.

    Of one setting alone, or one that a search confirmed, simply what it reaches.
    """
    done = chosen[chosen["state"] == "done"]
    val, test = choice(done), reported(done)
    on_test = f" and {amount(test, done[test].mean())} on test" if test != val else ""
    reach = f"{amount(val, done[val].mean())} on validation{on_test} (n = {len(done)})"
    if done.empty:
        return "it is not done at seeds that did not choose it"
    if done[SELF_CHOSEN].any():
        return (
            f"at the very seeds that chose it it reaches {reach}, too good;"
            f" {too_few(done['seed'].nunique())}"
        )
    if done[TRIED].max() > 1:
        return f"what is chosen at other seeds reaches {reach}"
    return f"it reaches {reach}"


def _image(trials: pd.DataFrame) -> float | None:
    """The accuracy that one validation image is worth, where the data set is known."""
    names = values(trials, "task.dataset")
    dataset = known(names[0]) if len(names) == 1 else None
    if dataset is None or choice(trials) != "val_accuracy":
        return None
    sizes = map(int, values(trials, "task.dataset.n_val"))
    return 1 / min([dataset.n_val, *sizes])


def _close(leader: Leader, trials: pd.DataFrame) -> bool:
    """Whether the runner-up is behind by less than one image; one image exactly is not less."""
    image = _image(trials)
    if image is None or leader.behind is None:
        return False
    return leader.behind < image and not bool(close(leader.behind, image, scale=1.0))


def image_worth(trials: pd.DataFrame) -> str:
    """Return what one validation image is worth, where that is no small thing."""
    image = _image(trials)
    if image is None or image < 0.002:
        return ""
    return (
        f"One validation image is {number(100 * image, 2)} points: differences below"
        " this are noise."
    )

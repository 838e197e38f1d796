"""What searches answer, in sentences: the discount, the split of a budget, the front."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from analysis.answer.statements import Best, Front, FrontPoint, Regret
from analysis.answer.wording import (
    amount,
    gap,
    in_letters,
    interval_words,
    listed,
    name_of,
    part_words,
    place_words,
    signed_gap,
)
from analysis.columns.labels import number, shown, words
from analysis.selection.likeness import margin_of
from analysis.stats import FEWEST_SEEDS
from analysis.stats.closeness import side
from trainables.vocabulary.wording import counted


def regret_sentence(one: Regret, margin: float | None = None) -> str:
    """Return whether to leave the discount adaptive or to tune it, and how sure that is.

    `margin`, in the unit shown, is the gain that is not worth tuning for.
    """
    task = f"On {place_words(one.task)}: " if one.task else ""
    if one.why is not None:
        return f"{task}What the adaptive discount loses to a tuned one is not known: {one.why}."
    if math.isnan(one.mean):
        return (
            f"{task}No seed is done in all settings, so what the adaptive discount loses to a tuned"
            f" one on average is not known.{_worst(one)}"
        )
    metric = one.metric
    size = f"{gap(metric, one.mean)}{interval_words(metric, one.lo, one.hi)}"
    tuned = f"the best of up to {one.n_tried}, chosen on the other seeds"
    over = f"on average over {counted(one.n_places, 'setting')} ({counted(one.n_seeds, 'seed')})"
    if one.n_places == 1:
        over = f"({counted(one.n_seeds, 'seed')})"
    if side(one.lo) > 0:
        text = f"Tune the discount: {tuned}, it gains {size} {over}."
    elif side(one.hi) < 0:
        text = f"Leave the discount adaptive: it beats the tuned one ({tuned}) by {size} {over}."
    else:
        verb = "loses" if side(one.mean) < 0 else "gains"
        between = f"between the adaptive discount and the tuned one ({tuned})"
        head = "No verdict" if math.isnan(one.lo) else f"{_advice(one, margin)}No clear difference"
        text = f"{head} {between}: tuning {verb} {size} {over}."
    return f"{task}{text}{_worst(one)}"


def _advice(one: Regret, margin: float | None) -> str:
    """What follows where there is no clear difference: adaptive, where tuning gains too little."""
    limit = margin_of(one.metric, margin)
    if limit is None or not one.hi <= limit:
        return ""
    return f"Leave the discount adaptive, since tuning gains at most {gap(one.metric, one.hi)}. "


def _worst(one: Regret) -> str:
    if one.n_places < 2 or not side(one.worst) > 0:
        return ""
    return (
        f" At worst the adaptive one loses {gap(one.metric, one.worst)}, at"
        f" {place_words(one.worst_at)} (tuned d = {number(one.tuned, 2)}, adaptive d ="
        f" {number(one.adaptive, 2)})."
    )


def best_sentence(one: Best) -> str:
    """Return the setting to use in one place, for BIMP the split, and how sure that is."""
    n, metric = one.reach.n, one.metric
    clear = side(one.lo) > 0
    head = f"At {place_words(one.at)} " if one.at else "Here "
    verb = "use" if clear else "best on validation is"
    reach = f"{amount(metric, one.reach.mean)}{_on(metric)}"
    tried = f"{counted(one.reach.n_tried, 'setting')} tried"
    if one.reach.fair:
        worth = f"what the other seeds choose reaches {reach} ({tried}, {counted(n, 'seed')})"
    else:
        worth = f"{reach}, at the {counted(n, 'seed')} that chose it ({tried})"
    text = f"{head}{verb} {settings_words(one.settings)}: {worth}"
    if one.n_tied > 1:
        return f"{text}. {_tie(one)}"
    second = settings_words(one.second)
    if math.isnan(one.lead):
        return (
            f"{text}. The next is {second}; {counted(n, 'seed')} cannot say which is better, which"
            f" takes {FEWEST_SEEDS}."
        )
    lead = f"{signed_gap(metric, one.lead)}{interval_words(metric, one.lo, one.hi)}"
    sure = "It leads the next" if clear else "There is no clear difference to the next"
    return f"{text}. {sure}, {second} ({lead})."


def _tie(one: Best) -> str:
    """That others are as good on validation, by their settings where they are few."""
    others = [settings_words(settings) for settings in one.ties]
    if len(others) < one.n_tied - 1 or len(others) > FEW_TIES:
        return f"{in_letters(one.n_tied).capitalize()} settings tie for the first place."
    return f"A tie with {listed(others)}."


FEW_TIES: Final = 2
"""So many others that tie are named."""


def settings_words(settings: Mapping[str, Any]) -> str:
    """Return settings in words: `d = 0.35 and 3 epochs`; a split as its two parts."""
    if "budget.dense_fraction" in settings:
        share = f"{number(100 * settings['budget.dense_fraction'], 3)} %"
        cycles = int(settings.get("prune.cycles", 1))
        return (
            f"{share} of the budget for the dense run and {counted(cycles, 'cycle')} for the rest"
        )
    return listed([setting_words(name, value) for name, value in settings.items()])


def setting_words(name: str, value: Any) -> str:
    """Return one setting in words: `3 epochs`, `2 cycles`, `weight decay 0.0005`."""
    if name in ("retrain.discount", "prune.cycles"):
        return name_of(name, value)
    if name in ("retrain.epochs", "prune.sparsity", "budget.epochs"):
        return part_words(name, value)
    return f"{words(name)} {shown(name, value)}"


def _on(metric: str) -> str:
    return " on test" if metric.startswith("test_") else " on validation"


def front_sentences(front: Front | None) -> list[str]:
    """Return the front of a search of several objectives: how large, its knee and its ends."""
    if front is None:
        return []
    aims = listed([
        f"{_aim(name)} ({'high' if way == 'max' else 'low'})"
        for name, way in front.directions.items()
    ])  # fmt: skip
    n = f"{front.n_front} of {counted(front.n_configurations, 'configuration')}"
    most = max((point.n for point in front.ends.values()), default=0)
    sentences = [
        f"{n} {'is' if front.n_front == 1 else 'are'} beaten by no other in all of {aims}"
        f" (means over {counted(most, 'seed')}; neighbours on the front may change places with"
        " other seeds)."
    ]
    if front.knee is not None:
        sentences.append(
            "A good compromise, nearest to the best of all at once, is"
            f" {_point(front.knee, front)}."
        )
    for name, point in front.ends.items():
        way = "highest" if front.directions[name] == "max" else "lowest"
        if name in _LENGTHS:
            way = "longest" if way == "highest" else "shortest"
        sentences.append(f"The {way} {_aim(name)} is {_point(point, front, name)}.")
    return sentences


def _point(point: FrontPoint, front: Front, first: str = "") -> str:
    """One point of the front: its objectives, `first` before the others, then its settings."""
    names = sorted(point.objectives, key=lambda name: name != first)
    values = [_value(name, point.objectives[name]) for name in names]
    if first:
        head, rest = values[0].removeprefix(f"{_aim(first)} "), values[1:]
        text = f"{head}, with {listed(rest)}"
    else:
        text = listed(values)
    beside = []
    if not math.isnan(point.reported) and front.metric not in point.objectives:
        beside.append(f"{amount(front.metric, point.reported)}{_on(front.metric)}")
    if point.n_collapsed:
        beside.append(f"{point.n_collapsed} of {counted(point.n, 'trial')} collapsed")
    text += f" ({'; '.join(beside)})" if beside else ""
    settings = _settings(point.settings, point.objectives)
    return f"{text}: {settings}" if settings else text


def _value(name: str, value: float) -> str:
    if name == "sparsity":
        return f"sparsity {part_words('prune.sparsity', value)}"
    return f"{_aim(name)} {shown(name, value)}"


_LENGTHS: Final = {"retrain_epochs": "retraining", "epochs": "training"}
"""Objectives that are lengths, as what they are lengths of."""


def _aim(name: str) -> str:
    return _LENGTHS.get(name) or words(name)


def _settings(settings: Mapping[str, Any], objectives: Mapping[str, float]) -> str:
    """The settings that the objectives do not say already."""
    known = {"prune.sparsity": "sparsity", "retrain.epochs": "retrain_epochs"}
    new = {name: value for name, value in settings.items() if known.get(name) not in objectives}
    return settings_words(new)

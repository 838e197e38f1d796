"""The answer in sentences, by topic. Plain text, not escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.answer import of_advice, of_costs, of_searches
from analysis.answer.statements import Answer, Counts, most_seeds
from analysis.answer.wording import listed
from analysis.stats import FEWEST_SEEDS
from trainables.vocabulary.wording import counted


@dataclass(frozen=True)
class Topic:
    """What is said of one question."""

    title: str
    sentences: tuple[str, ...]


def topics(answer: Answer) -> list[Topic]:
    """Return what a study answers, the most important first; topics without a word are left out."""
    said = [Topic(title, tuple(write(answer))) for title, write in _TOPICS.items()]
    return [topic for topic in said if topic.sentences]


def sentences(answer: Answer) -> list[str]:
    """Return all sentences of the answer in order."""
    return [sentence for topic in topics(answer) for sentence in topic.sentences]


def _studied(answer: Answer) -> list[str]:
    return [sentence for sentence in (answer.card.summary, progress(answer.counts)) if sentence]


def progress(counts: Counts) -> str:
    """Return how far a study is, where it is not at its end; "" where it is."""
    now = "Running" if counts.running else "Not running"
    if not counts.trials:
        return f"No trial has ended yet. {now}."
    if not counts.unfinished:
        return ""
    wanted = f" of {counts.wanted}" if counts.wanted is not None else ""
    more = "what follows may change" if counts.running else "the same command goes on with it"
    return f"Not finished: {counts.settled}{wanted} trials are settled. {now}; {more}."


def _use(answer: Answer) -> list[str]:
    return [
        *of_advice.advice_sentences(answer.advice),
        *(of_advice.lead_sentence(lead, answer.advice) for lead in answer.leads),
    ]


def _sure(answer: Answer) -> list[str]:
    counts = answer.counts
    n = len(counts.seeds)
    few = ""
    chosen = answer.advice or answer.leads or answer.regrets or answer.bests
    if 0 < n < FEWEST_SEEDS and chosen:
        few = (
            f"{counted(n, 'seed')} can settle nothing: no verdict is given on fewer than"
            f" {FEWEST_SEEDS}. Add seeds to the study and run it again."
        )
    size = () if few else (answer.likeness, answer.resolution)
    parts = (
        few,
        "" if few else _left_out(answer),
        _by_itself(answer),
        *size,
        answer.seeds_note,
        lost_words(counts),
    )
    return [one for one in parts if one]


def _left_out(answer: Answer) -> str:
    """How many seeds are left where those that chose a setting are in no comparison."""
    most, n = most_seeds(answer.advice), len(answer.counts.seeds)
    if most is None:
        return ""
    if most >= FEWEST_SEEDS:
        tuned = any(one.n_tried > 1 for advice in answer.advice for one in advice.group)
        if most >= n or not tuned:
            return ""
        return (
            f"Seeds that chose a setting are left out where it is compared: {most} of {n} are left."
        )
    seeds = f"{counted(most, 'seed')} {'is' if most == 1 else 'are'}" if most else "None is"
    return (
        f"Seeds that chose a setting are left out where it is compared. {seeds} left, which can"
        f" settle nothing: no verdict is given on fewer than {FEWEST_SEEDS}. Add seeds to the study"
        " and run it again."
    )


def _by_itself(answer: Answer) -> str:
    """That every place is a family of its own, where several have a verdict or might have."""
    judged = sum(one.n_seeds >= FEWEST_SEEDS for one in answer.advice)
    if judged < 2 or not any(one.behind for one in answer.advice):
        return ""
    return (
        "Each setting is judged by itself, all its pairs together: where all are equal, chance"
        " makes something settled in one setting of twenty, and likely in one of five."
    )


def lost_words(counts: Counts) -> str:
    """Return how many trials are in no mean, and how many of those that are collapsed."""
    fallen = [f"{n} {state}" for state, n in counts.states.items() if state != "done" and n]
    parts = [f"{listed(fallen)} of {counted(counts.trials, 'trial')}: no mean has them"] * bool(
        fallen
    )
    if counts.collapsed:
        are = "trial has" if counts.collapsed == 1 else "trials have"
        parts.append(
            f"{counts.collapsed} {are} collapsed: a layer is left without a weight, the result is"
            " chance"
        )
    return f"{'; '.join(parts)}." if parts else ""


def _bests(answer: Answer) -> list[str]:
    return [of_searches.best_sentence(one) for one in answer.bests]


STUDIED: Final = "What was studied"
"""The topic of the card."""

_TOPICS: Final[dict[str, Callable[[Answer], Sequence[str]]]] = {
    STUDIED: _studied,
    "What to use": lambda answer: [*_use(answer), *_bests(answer)],
    "The adaptive discount": lambda answer: [
        of_searches.regret_sentence(one, answer.margin) for one in answer.regrets
    ],
    "The front": lambda answer: of_searches.front_sentences(answer.front),
    "What sparsity costs": lambda answer: [
        of_costs.cost_sentence(one, answer.margin) for one in answer.costs
    ],
    "How sure": _sure,
}

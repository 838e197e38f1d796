"""What stands above a page's figures, made from the trials that the address lets through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dash import html

from analysis.answer.sentences import topics
from analysis.answer.statements import Answer
from analysis.answer.whole import answer_of
from analysis.dashboard import elements, facts, trial_sections
from analysis.dashboard.address import METRIC, TICK, TRIAL, Address
from analysis.dashboard.plots import one_trial
from analysis.dashboard.watch import Snapshot
from analysis.tables.layout import TextTable
from trainables.vocabulary.wording import counted


def _counts(snapshot: Snapshot, address: Address) -> list[Any]:
    chosen = snapshot.chosen(address)
    if chosen.empty:
        return [html.P(why_empty(snapshot, address), className="empty")]
    return [elements.tiles(facts.counts(chosen))]


MANY_PLACES: Final = 24
"""With more sparsities and budgets than this the page speaks of none of them by itself."""


def _answer(snapshot: Snapshot, address: Address) -> list[Any]:
    """What the trials that pass the filters answer; nothing where there is none."""
    found = _answer_of(snapshot, address)
    return [elements.answer(topics(found))] if found.counts.trials else []


def _card(snapshot: Snapshot, address: Address) -> list[Any]:
    """What was studied, fact by fact, and the full names of abbreviations."""
    card = _answer_of(snapshot, address).card
    studied, full = ([facts.Fact(*pair) for pair in pairs] for pairs in (card.facts, card.glossary))
    return [elements.listing("What was studied", studied), elements.listing("Full names", full)]


def _answer_of(snapshot: Snapshot, address: Address) -> Answer:
    settings = snapshot.study.settings if snapshot.study is not None else {}
    return snapshot.cache.get(
        ("the answer", address.key),
        lambda: answer_of(
            snapshot.chosen(address), settings, most_places=MANY_PLACES, margin=snapshot.margin
        ),
    )


def why_empty(snapshot: Snapshot, address: Address) -> str:
    """Return why no trial is shown, in words."""
    if snapshot.study is None:
        return "No folder could be read; the warnings say why."
    if snapshot.trials.empty:
        return (
            "The study has no trial yet. Trials appear here as soon as the first ones end:"
            " nothing needs to be reloaded."
        )
    n = counted(len(snapshot.trials), "trial")
    filters = snapshot.filters.words(address)
    return f"None of {n} passes the filters: {filters}. Clear a filter to see some."


def _comparison(snapshot: Snapshot, address: Address) -> list[Any]:
    result = facts.comparison(snapshot.chosen(address), address.one(METRIC))
    if isinstance(result, TextTable):
        return [elements.table(result)]
    return [html.P(result, className="notes")] if len(snapshot.trials) else []


def _by_study(snapshot: Snapshot, address: Address) -> list[Any]:
    chosen = snapshot.chosen(address)
    if chosen.empty:
        return [html.P(why_empty(snapshot, address), className="empty")]
    rows = elements.table(facts.by_study(chosen))
    if chosen["study"].nunique() > 1:
        return [rows]
    alone = (
        "Only one study is shown. To compare several, name their folders: bimp dashboard DIR DIR."
    )
    return [rows, html.P(alone, className="notes")]


def _trial(snapshot: Snapshot, address: Address) -> list[Any]:
    rows = one_trial(snapshot, address)
    if rows.empty:
        return [html.P(_no_trial(address.one(TRIAL)), className="empty")]
    row = rows.iloc[0]
    cycles = facts.cycles(snapshot, row)
    failure = facts.failure(snapshot, row)
    cycle_table = [html.H2("Cycles"), elements.table(cycles)] if cycles else []
    error = [html.H2("Error"), html.Pre(failure, tabIndex=0)] if failure else []
    return [
        elements.tiles(facts.trial_facts(row)),
        *error,
        elements.listing("Numbers", facts.metrics(row)),
        *cycle_table,
        *trial_sections.further(snapshot, row, address),
        elements.listing("Settings, by the keys of the study file", facts.settings(row)),
        elements.listing("How it ran", facts.provenance(snapshot, row)),
    ]


def _no_trial(name: str | None) -> str:
    if name is None:
        return "No trial is named. Choose one on the page Trials."
    return f"No trial with the name {name} has ended. Choose one on the page Trials."


SECTIONS: Final[dict[str, Callable[[Snapshot, Address], list[Any]]]] = {
    "answer": _answer,
    "card": _card,
    "counts": _counts,
    "comparison": _comparison,
    "by_study": _by_study,
    "trial": _trial,
    "ticked": trial_sections.ticked,
    "side": trial_sections.side,
    "bests": trial_sections.bests,
    "notes": trial_sections.notes,
}
"""Every section by name: a function from a state of the folders and an address to elements."""


FOLLOWED: Final = {
    name: (TICK, TRIAL) if name in ("ticked", "side") else (TRIAL,) for name in SECTIONS
}
"""What a section follows of the address beside the filters."""

"""What pages say of single trials: the ticked ones, siblings, the best ones, exports and notes."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd
from dash import html

from analysis.columns.labels import shown, words
from analysis.columns.names import KEYS, differing, or_none
from analysis.dashboard import elements
from analysis.dashboard.address import TICK, TRIAL, Address, trial_link
from analysis.dashboard.plots import MOST_TICKED, NOTHING_TICKED, one_trial, ticked_trials
from analysis.dashboard.watch import Snapshot
from analysis.tables.layout import TextTable, text_table
from analysis.workbench.choice_lists import TrialList, best_trials, siblings
from analysis.workbench.naming import named_trials, telling_settings
from trainables.files.notes import STUDY
from trainables.vocabulary.schema import at_level
from trainables.vocabulary.wording import counted


def ticked(snapshot: Snapshot, address: Address) -> list[Any]:
    """How many trials are ticked, a link to see them side by side, and one that unticks them."""
    rows = ticked_trials(snapshot, address)
    if rows.empty:
        return [html.P("Tick two or more trials to compare them.", className="notes")]
    links = []
    if len(rows) > 1:
        side = f"/side{address.search()}"
        links.append(html.A("Compare side by side", href=side, className="internal"))
    none = f"/trials{address.with_values(TICK, ()).search()}"
    links.append(html.A("Untick all", href=none, className="internal"))
    joined = [part for link in links for part in (" · ", link)][1:]
    return [html.P([f"{counted(len(rows), 'trial')} ticked. ", *joined])]


def side(snapshot: Snapshot, address: Address) -> list[Any]:
    """The ticked trials, one column each: settings that differ, numbers, how to take them away."""
    rows = ticked_trials(snapshot, address)
    if rows.empty:
        return [html.P(NOTHING_TICKED, className="empty")]
    asked = len(address.all(TICK))
    more = f"The first {MOST_TICKED} of {asked} ticked trials are shown."
    return [
        *([html.P(more, className="notes")] if asked > MOST_TICKED else []),
        _links(snapshot, rows, address),
        html.H2("Settings that differ"),
        _settings(rows),
        html.H2("Numbers"),
        elements.table(_columns(rows, [m for m in at_level("trial") if m in rows])),
        html.H2("Take the networks away"),
        elements.copyable([export_line(snapshot, row) for _, row in rows.iterrows()], "side"),
    ]


def _links(snapshot: Snapshot, rows: pd.DataFrame, address: Address) -> html.Ul:
    """Each trial under its name, leading to its page, with the note on it."""
    items = []
    for (study, name), text in named_trials(rows).items():
        link = html.A(text, href=trial_link(address, study, name), className="internal")
        note = snapshot.notes.get((study, name))
        items.append(html.Li([link, f": {note.text}" if note else ""]))
    return html.Ul(items)


def _settings(rows: pd.DataFrame) -> Any:
    columns = [*telling_settings(rows), *differing(rows, ["seed", "retrain_seed", "state"])]
    if not columns:
        return html.P("All settings are the same.", className="notes")
    return elements.table(_columns(rows, columns))


def _columns(rows: pd.DataFrame, columns: list[str]) -> TextTable:
    """One row per column of the frame that some trial has, one column per trial."""
    held = [c for c in columns if rows[c].notna().any()]
    lines = [[words(c), *(shown(c, or_none(value)) for value in rows[c])] for c in held]
    return text_table("", ["", *named_trials(rows).values()], lines)


def export_line(snapshot: Snapshot, row: pd.Series[Any]) -> str:
    """Return the command that writes a trial's pruned network to a file."""
    study, name = str(row[KEYS[0]]), str(row[KEYS[1]])
    home = snapshot.study.homes.get(study, "DIR") if snapshot.study is not None else "DIR"
    return f"bimp export {shlex.quote(home)} --trial {name} -o {name}.safetensors"


def further(snapshot: Snapshot, row: pd.Series[Any], address: Address) -> list[Any]:
    """What a trial's page says beyond the trial: its siblings, and how to take its network away."""
    found = siblings(snapshot.trials, row)
    parts: list[Any] = []
    if found is not None:
        names = [name for _, name in found.keys]
        compare = address.with_values(TICK, names).within([TICK])
        parts = [
            html.H2("Siblings"),
            _listed(found, address),
            html.A("Compare them side by side", href=f"/side{compare.search()}",
                   className="internal"),
        ]  # fmt: skip
    if row["state"] == "done":
        parts += [html.H2("Take the network away")]
        parts += [elements.copyable([export_line(snapshot, row)], "trial")]
    return parts


def _listed(found: TrialList, address: Address) -> html.Div:
    return elements.table(found.table, [trial_link(address, *keys) for keys in found.keys])


def bests(snapshot: Snapshot, address: Address) -> list[Any]:
    """The best trials among those that pass the filters; nothing where none can be ranked."""
    found = best_trials(snapshot.chosen(address))
    return [html.Section(hidden=True)] if found is None else [_listed(found, address)]


def notes(snapshot: Snapshot, address: Address) -> list[Any]:
    """The notes on each study, or on the trial that the address names."""
    if address.one(TRIAL) is None:
        studies = sorted(snapshot.study.homes) if snapshot.study is not None else []
        return [_note(snapshot, study, STUDY, len(studies) > 1) for study in studies]
    rows = one_trial(snapshot, address)
    keys = zip(rows[KEYS[0]], rows[KEYS[1]], strict=True)
    shown = [_note(snapshot, study, about, False) for study, about in keys]
    return shown or [html.Section(hidden=True)]


def _note(snapshot: Snapshot, study: str, about: str, named: bool) -> html.Section:
    found = snapshot.notes.get((study, about))
    title = f"Note on {study}" if named else "Note"
    text = found.text if found else ""
    return elements.note_form(f"{study}/{about}", title, text, snapshot.notable)

"""A figure of `analysis.figures` under a view: its table, its drawing, and what may be picked.

Plain data, no Dash: what a page shows and what its CSV file holds come from one table.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import shown, words
from analysis.dashboard.filters import said
from analysis.dashboard.state import METRIC, TRIAL, View, token
from analysis.dashboard.watch import Snapshot
from analysis.drawing.canvas import untitled
from analysis.figures import Figure, choices
from analysis.figures.importance import EVALUATORS
from analysis.selection.blocks import comparable, inside, noted, notes, series_column
from trainables.vocabulary.wording import counted

MANY_EPOCHS: Final = 50_000
"""With more epochs than this only those of the block that is drawn are averaged."""

_LABELS: Final = {
    "by": "compare", "of": "gain of", "cost": "cost", "against": "against", "x": "across",
    "y": "upwards", "evaluator": "judged by",
}  # fmt: skip
_COLUMNS: Final = frozenset({"by", "against", "x", "y"})
"""Controls whose values are columns, shown in words."""


@dataclass(frozen=True)
class Panel:
    """A figure at its place on a page.

    `key` names it in addresses. `fixed` are controls that the page has settled. `apart` counts a
    trial that several studies hold once for each of them; `alone` draws one trial, whatever its
    state.
    """

    key: str
    figure: Figure
    fixed: Mapping[str, Any] = field(default_factory=dict)
    apart: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Pick:
    """One choice beside a figure: its key in the address, label, (text, label) options, value."""

    key: str
    label: str
    options: tuple[tuple[str, str], ...]
    value: str


@dataclass(frozen=True)
class Drawn:
    """A figure ready for a page; `layout` has no title and no template, which the page adds."""

    data: list[Any]
    layout: dict[str, Any]
    height: int
    subtitle: str
    notes: tuple[str, ...]
    picks: tuple[Pick, ...]
    rows: int


def tabulated(
    panel: Panel, snapshot: Snapshot, view: View
) -> tuple[pd.DataFrame, tuple[Pick, ...]]:
    """Return a panel's table under a view, with reasons noted, and the picks it offers."""
    figure = panel.figure
    trials = _trials(panel, snapshot, view)
    if trials.empty:
        return noted(pd.DataFrame(), _why_empty(snapshot, view)), ()
    frame = _adapted(panel, snapshot.rows(figure.source, trials))
    if frame.empty:
        return noted(pd.DataFrame(), f"No trial here has {_WHAT[figure.source]} recorded."), ()
    brief = _brief(frame) if figure.source == "epochs" else frame
    by = _named(panel, view, "by", choices(figure, brief).get("by", []))
    if panel.alone and "retrain.schedule" in brief and brief["retrain.schedule"].notna().any():
        by = "retrain.schedule" if "by" in figure.controls and not figure.compares else by
    offers = choices(figure, brief, by=by)
    controls = _controls(panel, view, offers, by)
    metric, remark = _metric(figure, view, offers.get("metric", []))
    if metric is not None:
        controls["metric"] = metric
    table = _table(panel, frame, brief, controls)
    picks = _picks(panel, offers, controls, table.attrs.get("at", {}))
    return noted(table, remark), () if panel.alone else picks


_WHAT: Final = {"trials": "numbers", "epochs": "a curve", "layers": "its layers"}


def _trials(panel: Panel, snapshot: Snapshot, view: View) -> pd.DataFrame:
    if not panel.alone:
        return snapshot.chosen(view)
    return one_trial(snapshot, view)


def one_trial(snapshot: Snapshot, view: View) -> pd.DataFrame:
    """Return the row of the trial that the view names; no row where there is no such trial.

    Where several studies hold the trial, the one that the study filter names, else the first.
    """
    trials = snapshot.trials
    rows = trials[trials["fingerprint"] == (view.one(TRIAL) or "")]
    named = rows[rows["study"].isin(view.all("study"))]
    return (named if len(named) else rows).head(1)


def _why_empty(snapshot: Snapshot, view: View) -> str:
    n = len(snapshot.trials)
    if not n:
        return "No trial has ended yet: there is nothing to draw."
    if not said(view):
        return "No trial is named here."
    return f"None of {counted(n, 'trial')} passes the filters: {said(view)}."


def _adapted(panel: Panel, frame: pd.DataFrame) -> pd.DataFrame:
    if panel.apart:
        return frame.assign(fingerprint=frame["study"] + "/" + frame["fingerprint"])
    return frame.assign(state="done") if panel.alone else frame


def _brief(epochs: pd.DataFrame) -> pd.DataFrame:
    """One row a trial, its last epoch: enough to know what may be chosen."""
    return epochs.drop_duplicates(["study", "fingerprint"], keep="last")


def _named(panel: Panel, view: View, control: str, offered: list[Any]) -> Any:
    """The value that the page or the address gives a control; None where neither does."""
    if control in panel.fixed:
        return panel.fixed[control]
    wanted = view.one(f"{panel.key}.{control}")
    return next((value for value in offered if token(value) == wanted), None)


def _controls(
    panel: Panel, view: View, offers: Mapping[str, Any], by: Any
) -> dict[str, Any]:  # fmt: skip
    """Keywords of the table function, as far as page and address say any."""
    controls: dict[str, Any] = {"by": by} if by is not None else {}
    for control in panel.figure.controls:
        if control in ("metric", "by"):
            continue
        if control == "at":
            at = {
                column: _named(panel, view, f"at.{column}", values)
                for column, values in offers["at"].items()
            }
            controls["at"] = {column: value for column, value in at.items() if value is not None}
        else:
            controls[control] = _named(panel, view, control, offers[control])
    return {name: value for name, value in controls.items() if value is not None and value != {}}


def _metric(figure: Figure, view: View, offered: list[str]) -> tuple[str | None, str]:
    """The metric of the bar where the figure offers it, and a remark where it does not."""
    wanted = view.one(METRIC)
    if wanted is None or "metric" not in figure.controls or wanted in offered:
        return (wanted if wanted in offered else None), ""
    used = offered[0] if offered else figure.metric
    why = " chooses, so it" if figure.metrics == "choosing" else ""
    return None, f"This figure{why} shows {words(used)} and not {words(wanted)}."


def _table(
    panel: Panel, frame: pd.DataFrame, brief: pd.DataFrame, controls: dict[str, Any]
) -> pd.DataFrame:
    """The figure's table; of very many epochs only those in the block are handed to it."""
    figure = panel.figure
    if figure.source != "epochs" or len(frame) <= MANY_EPOCHS:
        return figure.tabulate(frame, **controls)
    at = figure.tabulate(brief, **controls).attrs.get("at", {})
    rows = frame[frame["fingerprint"].isin(inside(brief, at)["fingerprint"])]
    settled = {"by": series_column(comparable(brief)), **controls, "at": at}
    return figure.tabulate(rows if len(rows) else frame, **settled)


def _picks(
    panel: Panel, offers: Mapping[str, Any], controls: Mapping[str, Any], at: Mapping[str, Any]
) -> tuple[Pick, ...]:
    """What may be chosen beside the figure: every control that offers more than one value."""
    picks = []
    for control in panel.figure.controls:
        if control == "at":
            picks += [
                _pick(panel, f"at.{c}", html.unescape(words(c)), c, values, at[c])
                for c, values in offers["at"].items()
                if c in at
            ]
        elif control != "metric" and control not in panel.fixed and offers[control]:
            value = controls.get(control, offers[control][0])
            picks.append(_pick(panel, control, _LABELS[control], control, offers[control], value))
    return tuple(pick for pick in picks if len(pick.options) > 1)


def _pick(
    panel: Panel, name: str, label: str, column: str, values: list[Any], value: Any
) -> Pick:  # fmt: skip
    options = tuple((token(v), html.unescape(_option(column, v))) for v in values)
    return Pick(f"{panel.key}.{name}", label, options, token(value))


def _option(column: str, value: Any) -> str:
    if column == "evaluator":
        return EVALUATORS[value]
    return words(value) if column in _COLUMNS else shown(column, value)


def drawn(panel: Panel, snapshot: Snapshot, view: View) -> Drawn:
    """Return a panel under a view, as plain data for the page's script."""
    table, picks = tabulated(panel, snapshot, view)
    figure = untitled(panel.figure.figure(table))
    said = dict.fromkeys(notes(table) or ([] if figure.data else [figure.said]))
    return Drawn(
        data=figure.data,
        layout={**figure.layout, "uirevision": panel.key},
        height=figure.height,
        subtitle=figure.subtitle,
        notes=tuple(html.unescape(note) for note in said),
        picks=picks,
        rows=len(table),
    )


def as_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV in full precision, a missing value being empty."""
    return str(table.to_csv(index=False, lineterminator="\n"))

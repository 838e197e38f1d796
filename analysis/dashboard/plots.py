"""A figure of `analysis.figures` at an address: its table, its drawing, and what may be picked.

Plain data, no Dash: what a page shows and what its CSV file holds come from one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import brief, words
from analysis.columns.spreadsheet import csv_text
from analysis.dashboard.address import METRIC, TICK, TRIAL, Address, token
from analysis.dashboard.watch import Snapshot
from analysis.drawing.canvas import blank
from analysis.drawing.untitled import Drawing, untitled
from analysis.figures import Figure
from analysis.panels.aims import aimed
from analysis.panels.drawings import drawing, fault, one_row_per_trial, tabulated
from analysis.panels.picks import AT, Pick, keywords, offers, picks
from analysis.selection.tabulation import Tabulation, nothing
from trainables.vocabulary.wording import counted


@dataclass(frozen=True)
class Panel:
    """A figure at its place on a page.

    `key` names it in addresses. `fixed` are controls that the page has settled. `apart` counts a
    trial that several studies hold once for each of them; `alone` draws one trial, whatever its
    state; `ticked` those that are ticked.
    """

    key: str
    figure: Figure
    fixed: Mapping[str, Any] = field(default_factory=dict)
    apart: bool = False
    alone: bool = False
    ticked: bool = False

    def address(self, address: Address) -> Address:
        """Return what an address says of the panel."""
        return address.of_panel(self.key, (TICK,) if self.ticked else ())


@dataclass(frozen=True)
class Plot:
    """A panel at an address: its drawing, the choices beside it, and how many rows it shows."""

    drawing: Drawing
    picks: tuple[Pick, ...]
    rows: int


def panel_table(
    panel: Panel, snapshot: Snapshot, address: Address
) -> tuple[Tabulation, tuple[Pick, ...]]:
    """Return a panel's table at an address, with reasons noted, and the choices beside it."""
    objectives = snapshot.objectives
    figure = aimed(panel.figure, objectives)
    if address.one(METRIC) and "metric" in figure.controls:
        figure = panel.figure  # the one metric asked for, and not all that the search aims at
    trials = _trials_of(panel, snapshot, address)
    if trials.empty:
        why = NOTHING_TICKED if panel.ticked else _why_empty(snapshot, address)
        return nothing(why), ()
    if panel.apart and trials["study"].nunique() < 2:
        return nothing(ONE_STUDY), ()
    frame = _adapted(panel, snapshot.rows(figure.source, trials))
    if frame.empty:
        return nothing(f"No trial here has {_WHAT[figure.source]} recorded."), ()
    known = one_row_per_trial(figure, frame)
    by = _series(panel, address, known)
    offered = offers(figure, known, by=by, objectives=objectives)
    controls, remark = _controls(panel, address, offered, by)
    table = tabulated(figure, frame, controls).noting(remark)
    if panel.alone:
        return table, ()
    beside = {name: o for name, o in offered.items() if name not in (METRIC, *panel.fixed)}
    return table, picks(beside, controls, table)


_WHAT: Final = {
    "trials": "numbers", "epochs": "a curve", "layers": "its layers", "latency": "a latency",
    "work": "when it ran",
}  # fmt: skip

ONE_STUDY: Final = "Only one study is shown: there is nothing to compare it with."

NOTHING_TICKED: Final = "No trial is ticked. Tick two or more on the page Trials."


def _trials_of(panel: Panel, snapshot: Snapshot, address: Address) -> pd.DataFrame:
    if panel.ticked:
        return ticked_trials(snapshot, address)
    return one_trial(snapshot, address) if panel.alone else snapshot.chosen(address)


def ticked_trials(snapshot: Snapshot, address: Address) -> pd.DataFrame:
    """Return the rows of the trials that are ticked, whatever the filters, in the frame's order.

    Of a trial that several studies hold, the first one's row.
    """
    trials = snapshot.trials
    rows = trials[trials["fingerprint"].isin(address.all(TICK))]
    return rows.drop_duplicates("fingerprint").head(MOST_TICKED)


MOST_TICKED: Final = 12
"""More trials than this are told apart by nobody."""


def one_trial(snapshot: Snapshot, address: Address) -> pd.DataFrame:
    """Return the row of the trial that the address names; no row where there is no such trial.

    Where several studies hold the trial, the one that the study filter names, else the first.
    """
    trials = snapshot.trials
    rows = trials[trials["fingerprint"] == (address.one(TRIAL) or "")]
    named = rows[rows["study"].isin(address.all("study"))]
    return (named if len(named) else rows).head(1)


def _why_empty(snapshot: Snapshot, address: Address) -> str:
    n = len(snapshot.trials)
    if not n:
        return "No trial has ended yet: there is nothing to draw."
    filters = snapshot.filters.words(address)
    if not filters:
        return "No trial is named here."
    return f"None of {counted(n, 'trial')} passes the filters: {filters}."


def _adapted(panel: Panel, frame: pd.DataFrame) -> pd.DataFrame:
    if panel.apart:
        return frame.assign(fingerprint=frame["study"] + "/" + frame["fingerprint"])
    return frame.assign(state="done") if panel.alone or panel.ticked else frame


def _series(panel: Panel, address: Address, trials: pd.DataFrame) -> Any:
    """The column that the page, the address or a lone trial's schedule says to compare by."""
    figure = panel.figure
    retrained = "retrain.schedule" in trials and trials["retrain.schedule"].notna().any()
    if panel.alone and retrained and "by" in figure.controls and not figure.compares:
        return "retrain.schedule"
    return _named(panel, address, "by", offers(figure, trials).get("by", []))


def _named(panel: Panel, address: Address, name: str, offered: list[Any]) -> Any:
    """The value that the page or the address gives a choice; None where neither does."""
    if name in panel.fixed:
        return panel.fixed[name]
    wanted = address.one(f"{panel.key}.{name}")
    return next((value for value in offered if token(value) == wanted), None)


def _controls(
    panel: Panel, address: Address, offered: Mapping[str, Any], by: Any
) -> tuple[dict[str, Any], str]:
    """Keywords of the table function, as far as page and address say any, and a remark on them."""
    flat = {name: o for name, o in offered.items() if name not in ("at", "by", METRIC)}
    flat |= {f"{AT}{column}": values for column, values in offered.get("at", {}).items()}
    values = {name: _named(panel, address, name, options) for name, options in flat.items()}
    values["metric"], remark = _metric(panel.figure, address, offered.get(METRIC, []))
    if "level" in offered and values["y"] is None:
        values["y"], remark = _upwards(address, offered["y"])
    values["by"] = by
    return keywords({name: value for name, value in values.items() if value is not None}), remark


def _metric(figure: Figure, address: Address, offered: list[str]) -> tuple[str | None, str]:
    """The metric of the bar where the figure offers it, and a remark where it does not."""
    wanted = address.one(METRIC)
    if wanted is None or "metric" not in figure.controls or wanted in offered:
        return (wanted if wanted in offered else None), ""
    used = offered[0] if offered else figure.metric
    why = " chooses, so it" if figure.metrics == "choosing" else ""
    return None, f"This figure{why} shows {words(used)} and not {words(wanted)}."


def _upwards(address: Address, offered: list[str]) -> tuple[str | None, str]:
    """The metric of the bar as what lies upwards, and a remark where it may not."""
    wanted = address.one(METRIC)
    if wanted is None or wanted in offered:
        return wanted, ""
    return None, f"This figure chooses, so it does not show {words(wanted)}."


def plot(panel: Panel, snapshot: Snapshot, address: Address) -> Plot:
    """Return a panel at an address, as plain data for the page's script."""
    table, picks = panel_table(panel, snapshot, address)
    drawn = drawing(panel.figure, table)
    # The name by which Plotly keeps what the reader has zoomed to.
    drawn.layout["uirevision"] = panel.key
    return Plot(drawn, picks, len(table.frame))


def plot_of(panel: Panel, snapshot: Snapshot, address: Address) -> Plot:
    """Return a panel at an address, kept for as long as the folders do not change.

    A figure that cannot be drawn says so in its place, with the fault, and does not take the page
    with it; the traceback goes to standard error.
    """

    def make() -> Plot:
        try:
            return plot(panel, snapshot, address)
        except Exception as error:
            why = f"This figure cannot be drawn: {fault(error)}"
            return Plot(untitled(blank("", [brief(why, limit=300)])), (), 0)

    return snapshot.cache.get((panel.key, address.key), make)


def as_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV in full precision, a missing value being empty."""
    return csv_text(table)

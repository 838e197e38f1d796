"""What ran where and when: one bar per trial on the machine that trained it."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import label, shown, words
from analysis.columns.names import KEYS, distinct_trials, is_missing
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.figures.record import Figure
from analysis.selection.series import series_column
from analysis.selection.tabulation import Tabulation
from trainables.vocabulary.wording import counted, duration

MOST_BARS: Final = 3_000
"""More bars than this are slow to draw and too narrow to see: the last ones stand for all."""

TALLEST: Final = 1200
MANY_ROWS: Final = 40
"""With more rows than this only some have their name beside them."""


def timeline_table(frame: pd.DataFrame, *, by: str | None = None) -> Tabulation:
    """Return one row per trial that says when it ran, the earliest first.

    `frame` is the frame of work with configuration joined. Columns: study, fingerprint, host, lane,
    started, finished, series (the value of `by`, what the study compares unless given), trained and
    shared (stages).
    """
    rows = distinct_trials(frame)
    by = by or series_column(rows)
    kept = rows.assign(series=rows.get(by)).tail(MOST_BARS)
    columns = [*KEYS, "host", "lane", "started", "finished", "series", "trained", "shared"]
    left_out = len(rows) - len(kept)
    notes = (
        _shared_note(rows),
        "Which worker had which trial is not recorded: a trial is drawn in the first row of its"
        " machine that is free. Dense runs that several trials share are no trials, and leave gaps."
        if len(rows)
        else "",
        f"The last {MOST_BARS:,} of {len(rows):,} trials are shown." if left_out else "",
    )
    return Tabulation(kept[columns].reset_index(drop=True), notes, by=by)


def _shared_note(rows: pd.DataFrame) -> str:
    """How many stages trials found, trained by others, in place of training them."""
    known = rows.dropna(subset=["trained"])
    if known.empty:
        return ""
    trained, shared = int(known["trained"].sum()), int(known["shared"].sum())
    if not shared:
        return f"These trials trained all their {counted(trained, 'stage')} themselves."
    return (
        f"These trials trained {counted(trained, 'stage')} themselves, and {shared} times found one"
        " that was there already."
    )


def timeline_figure(table: Tabulation) -> go.Figure:
    """Return a bar per trial over time, a row per machine and place on it, colours by series."""
    frame, title = table.frame, "What ran where and when"
    if frame.empty:
        return canvas.blank(title, table.notes or ["No trial here says when it ran."])
    rows = _rows(frame)
    figure = canvas.canvas(title, height=230 + min(30 * len(rows), TALLEST))
    series = [None if is_missing(value) else value for value in frame["series"]]
    for value, style in theme.styles(series, table.by).items():
        part = frame[[one == value for one in series]]
        milliseconds = (part["finished"] - part["started"]).dt.total_seconds() * 1000
        texts = [
            f"trial {row.fingerprint}\n{words(table.by)} {_text(table.by, value)}\n{_when(row)}"
            for row in tuples(part)
        ]
        figure.add_trace(
            go.Bar(
                name=canvas.markup(_text(table.by, value)),
                x=milliseconds,
                base=part["started"].dt.tz_localize(None),
                y=[rows[row.host, row.lane] for row in tuples(part)],
                orientation="h",
                marker={"color": style.color, "line": {"width": 0.5, "color": "#ffffff"}},
                hovertext=list(map(canvas.markup, texts)),
                hoverinfo="text",
                showlegend=True,
            )
        )
    figure.update_layout(barmode="overlay", bargap=0.15)
    figure.update_xaxes(axes.axis("time (UTC)", type="date"))
    order = {"categoryorder": "array", "categoryarray": list(rows.values())}
    every = {"dtick": 1} if len(rows) <= MANY_ROWS else {}
    figure.update_yaxes(axes.axis("", type="category", autorange="reversed", **order, **every))
    return figure


def _rows(frame: pd.DataFrame) -> dict[tuple[str, int], str]:
    """The name of each row by machine and place, in order."""
    keys = sorted({(row.host, row.lane) for row in tuples(frame)})
    return {(host, lane): canvas.markup(f"{host} · {lane}") for host, lane in keys}


def _text(column: str, value: Any) -> str:
    return label(None) if value is None else shown(column, value)


def _when(row: Any) -> str:
    took = duration((row.finished - row.started).total_seconds())
    text = f"{row.started:%Y-%m-%d %H:%M:%S} UTC, {took}, on {row.host}"
    if is_missing(row.trained):
        return text
    return f"{text}\nstages: {int(row.trained)} trained, {int(row.shared)} found"


TIMELINE = Figure(
    "timeline", "What ran where and when",
    "Were the machines busy, and what did trials share?",
    "trials", "work", ("started",), ("by",), timeline_table, timeline_figure,
)  # fmt: skip

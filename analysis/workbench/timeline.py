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

    `frame` is the frame of work with configuration joined. Columns: study, fingerprint, state,
    host, node, worker, lane, started, finished, series (the value of `by`, what the study compares
    unless given), trained and shared (stages).
    """
    rows = distinct_trials(frame)
    by = by or series_column(rows)
    kept = rows.assign(series=rows.get(by)).tail(MOST_BARS)
    left_out = len(rows) - len(kept)
    notes = (
        _shared_note(rows),
        *([_rows_note(rows), _GAPS] if len(rows) else []),
        f"The last {MOST_BARS:,} of {len(rows):,} trials are shown." if left_out else "",
    )
    return Tabulation(kept[COLUMNS].reset_index(drop=True), notes, by=by)


COLUMNS: Final = [
    *KEYS, "state", "host", "node", "worker", "lane", "started", "finished", "series", "trained",
    "shared",
]  # fmt: skip

_GAPS: Final = "Dense runs that several trials share are no trials, and leave gaps."


def _rows_note(rows: pd.DataFrame) -> str:
    """What a row of the figure is: a worker, or a guess where nobody recorded which."""
    known = int(rows["worker"].notna().sum())
    guess = "is drawn in the first row of its machine that is free"
    if not known:
        return f"Which worker had which trial is not recorded: a trial {guess}."
    crew = (
        "A row holds the trials of one worker, and of those that came when it had gone:"
        f" {counted(rows['worker'].nunique(), 'worker')} in all."
    )
    rest = len(rows) - known
    if not rest:
        return crew
    return f"{crew} Of {counted(rest, 'trial')} the worker is not recorded: such a trial {guess}."


def _shared_note(rows: pd.DataFrame) -> str:
    """How many stages trials found, trained by others, in place of training them."""
    known = rows.dropna(subset=["trained"])
    if known.empty:
        return ""
    trained, shared = int(known["trained"].sum()), int(known["shared"].sum())
    if not shared:
        return f"These trials trained all their {counted(trained, 'stage')} themselves."
    return (
        f"These trials trained {counted(trained, 'stage')} themselves, and"
        f" {'once' if shared == 1 else f'{shared} times'} found one"
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
            f"trial {row.fingerprint}\n{words(table.by)} {_text(table.by, value)}"
            f"{'' if row.state == 'done' else f', {row.state}'}\n{_when(row)}"
            for row in tuples(part)
        ]
        figure.add_trace(
            go.Bar(
                name=canvas.markup(_text(table.by, value)),
                x=milliseconds,
                base=part["started"].dt.tz_localize(None),
                y=[rows[row.host, row.lane] for row in tuples(part)],
                orientation="h",
                marker=_marker(style.color, part["state"].ne("done").tolist()),
                hovertext=list(map(canvas.markup, texts)),
                hoverinfo="text",
                showlegend=True,
            )
        )
    if frame["state"].ne("done").any():
        key = _marker(theme.DENSE.color, [True])
        figure.add_bar(name=LOST, x=[None], y=[None], orientation="h", marker=key)
    figure.update_layout(barmode="overlay", bargap=0.15)
    figure.update_xaxes(axes.axis("time (UTC)", type="date"))
    order = {"categoryorder": "array", "categoryarray": list(rows.values())}
    every = {"dtick": 1} if len(rows) <= MANY_ROWS else {}
    figure.update_yaxes(axes.axis("", type="category", autorange="reversed", **order, **every))
    return figure


LOST: Final = "did not end well"
"""What the legend calls hatched bars: trials that failed, diverged or were stopped."""


def _marker(color: str, lost: list[bool]) -> dict[str, Any]:
    """Bars in one colour, hatched where a trial did not end well."""
    hatches = ["/" if one else "" for one in lost]
    return {
        "color": color,
        "line": {"width": 0.5, "color": "#ffffff"},
        "pattern": {"shape": hatches, "solidity": 0.4},
    }


def _rows(frame: pd.DataFrame) -> dict[tuple[str, int], str]:
    """The name of each row by machine and place, in order."""
    keys = sorted({(row.host, row.lane) for row in tuples(frame)})
    return {(host, lane): canvas.markup(f"{host} · {lane}") for host, lane in keys}


SHORT: Final = 12
"""So many letters of a worker's or node's name are shown: they tell those of a study apart."""


def _text(column: str, value: Any) -> str:
    return label(None) if value is None else shown(column, value)


def _when(row: Any) -> str:
    took = duration((row.finished - row.started).total_seconds())
    text = f"{row.started:%Y-%m-%d %H:%M:%S} UTC, {took}, on {row.host}"
    for what, name in (("worker", row.worker), ("node", row.node)):
        text += "" if is_missing(name) else f"\n{what} {name[:SHORT]}"
    if is_missing(row.trained):
        return text
    return f"{text}\nstages: {int(row.trained)} trained, {int(row.shared)} found"


TIMELINE = Figure(
    "timeline", "What ran where and when",
    "Were the machines busy, and what did trials share?",
    "trials", "work", ("started",), ("by",), timeline_table, timeline_figure,
)  # fmt: skip

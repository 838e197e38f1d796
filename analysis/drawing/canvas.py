"""What all figures share when they are drawn: layout, blanks, error bars, points that scale.

Figures hand over plain text. Plotly renders a subset of HTML in every label, so whatever is text
passes `markup` here, once.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import amount, in_percent, number, points, titled, unit, words
from analysis.drawing.theme import DENSE, Style, template
from trainables.vocabulary.wording import counted

SVG_POINTS: Final = 15_000
"""Above this many points a scatter is drawn by WebGL."""

HEIGHT: Final = 460

NAME: Final = "name"
"""What annotations are called that name a point, for whoever has no room for them."""

MANY_NAMES: Final = 12
FEW_NAMES: Final = 8
"""With more names than many, a legend would take the plot's room; it then names a few."""


def markup(text: str) -> str:
    """Return plain text as Plotly shows it as it stands: escaped, a line break as `<br>`."""
    return html.escape(text, quote=False).replace("\n", "<br>")


def canvas(title: str, *, height: int = HEIGHT, subtitle: str = "") -> go.Figure:
    """Return an empty figure with the project's look."""
    # Handed over at once: a figure that is updated piece by piece checks its template each time.
    return go.Figure(
        layout={
            "template": template("light"),
            "height": height,
            "title": {
                "text": markup(title),
                "subtitle": {"text": markup(subtitle), "font": {"size": 13}},
                "x": 0,
                "xref": "paper",
                "yref": "container",
                "y": 0.97,
                "yanchor": "top",
            },
            "margin": {"l": 70, "r": 20, "t": 76, "b": 60},
            "legend": {
                "orientation": "h", "yref": "container", "y": 0.0, "yanchor": "bottom", "x": 0,
            },
            "hovermode": "closest",
        }
    )  # fmt: skip


def blank(title: str, notes: Sequence[str]) -> go.Figure:
    """Return a figure without data that says in words why it is empty."""
    why = " ".join(notes) or "No trial has the data for this figure."
    figure = canvas(title, height=220)
    figure.update_layout(
        xaxis={"visible": False}, yaxis={"visible": False}, modebar={"remove": _BUTTONS}
    )
    figure.add_annotation(
        text=markup("\n".join(_wrapped(why))),
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        showarrow=False,
    )
    return figure


_BUTTONS: Final = ["toimage", "zoom2d", "pan2d", "zoomin2d", "zoomout2d", "autoscale2d",
                   "resetscale2d"]  # fmt: skip
"""Buttons over a plot, of which a blank needs none."""


def _wrapped(text: str, width: int = 46) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def scatter(
    n_points: int,
    name: str | None = None,
    hover: Iterable[str] | None = None,
    group: str | None = None,
    **options: Any,
) -> go.Scatter | go.Scattergl:
    """Return a scatter trace, by WebGL when the figure holds more than `SVG_POINTS` points.

    `name` stands in the legend, where those of one `group` go together; `hover` has one text per
    point, of several lines; without it the pointer says nothing.
    """
    kind = go.Scattergl if n_points > SVG_POINTS else go.Scatter
    return kind(
        name=name and markup(name),
        legendgroup=group and markup(group),
        hovertext=None if hover is None else list(map(markup, hover)),
        hoverinfo="skip" if hover is None else "text",
        **options,
    )


def error_bars(
    table: pd.DataFrame, factor: float = 1.0, color: str | None = None
) -> dict[str, Any]:
    """Return error bars from mean, lo and hi; none where the interval is missing."""
    return {
        "type": "data",
        "symmetric": False,
        "array": _shown_or_none((table["hi"] - table["mean"]) * factor),
        "arrayminus": _shown_or_none((table["mean"] - table["lo"]) * factor),
        "thickness": 1.4,
        "width": 4,
        "color": color,
    }


def _shown_or_none(column: pd.Series[float]) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in column.astype(float)]


def line(style: Style, width: float = 2.0) -> dict[str, Any]:
    """Return a line in a series' colour and dash."""
    return {"color": style.color, "dash": style.dash, "width": width}


def marker(style: Style, size: float = 9.0) -> dict[str, Any]:
    """Return a marker in a series' colour and symbol."""
    return {"color": style.color, "symbol": style.symbol, "size": size}


def mean_text(row: Any, *, percent: bool) -> str:
    """Return `97.1 % [96.8, 97.4], n = 3` and what fell out, for a row of means."""
    factor, sign = (100.0, " %") if percent else (1.0, "")
    text = f"{number(row.mean * factor)}{sign}"
    if np.isfinite(row.lo):
        text += f" [{number(row.lo * factor)}, {number(row.hi * factor)}]"
    text += f"\nn = {row.n}"
    if np.isfinite(row.std):
        text += f", standard deviation {number(row.std * factor, 2)}"
    return text + _fallen(row)


def _fallen(row: Any) -> str:
    parts = [
        (row.n_failed, "failed"),
        (row.n_diverged, "diverged"),
        (getattr(row, "n_stopped", 0), "stopped"),
    ]
    lost = [f"{int(count)} {what}" for count, what in parts if count]
    left_out = f"\nleft out: {', '.join(lost)}" if lost else ""
    collapsed = int(getattr(row, "n_collapsed", 0))
    return left_out + (f"\nwith an empty layer: {collapsed} of them" if collapsed else "")


def difference_text(metric: str, mean: float, lo: float, hi: float, n: int) -> str:
    """Return a paired difference: in points with its interval, or in the metric's own unit."""
    if not in_percent(metric):
        return f"{amount(metric, mean)}, n = {n}"
    interval = f" [{points(lo)}, {points(hi)}]" if np.isfinite(lo) else ""
    return f"{points(mean)} points{interval}, {counted(n, 'pair')}"


def difference_title(what: str, metric: str) -> str:
    """Return the title of an axis of differences between values of a metric, with their unit."""
    return titled(what, "points of %" if in_percent(metric) else unit(metric))


def add_key(
    figure: go.Figure, text: str, symbol: str, size: float = 9.0, color: str = DENSE.color
) -> None:
    """Let the legend say what a mark means, whatever its series; in grey unless told otherwise."""
    look: dict[str, Any] = {"color": color, "symbol": symbol, "size": size}
    look["line"] = {"width": 1.5, "color": color}
    figure.add_trace(
        scatter(1, text, x=[None], y=[None], mode="markers", marker=look, showlegend=True)
    )


def title_legend(figure: go.Figure, series: pd.Series[Any], by: str) -> None:
    """Let the legend say what its names are, where they are bare numbers."""
    if pd.api.types.is_numeric_dtype(series.infer_objects()):
        figure.update_layout(legend={"title": {"text": markup(words(by))}})


def brief_legend(figure: go.Figure) -> None:
    """Let the legend name a few of many series, evenly taken, and say that it does."""
    named = [trace for trace in figure.data if trace.showlegend is not False]
    if len(named) <= MANY_NAMES:
        return
    kept = np.linspace(0, len(named) - 1, FEW_NAMES).round().astype(int)
    for i, trace in enumerate(named):
        trace.showlegend = bool(i in kept)
    figure.update_layout(legend={"title": {"text": f"{len(kept)} of {len(named)}:"}})

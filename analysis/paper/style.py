"""A figure as a paper prints it: its size in centimetres, its font, and without colour if wished.

Series keep their markers and dashes, which say the same as their colours: in greys they stay apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import plotly.graph_objects as go

from analysis.drawing.canvas import NAME
from analysis.drawing.theme import DENSE, FONT

Font = Literal["sans", "serif"]
FONTS: Final[dict[Font, str]] = {
    "sans": FONT,
    "serif": "'Times New Roman', 'Liberation Serif', 'Nimbus Roman', Times, serif",
}

PIXELS_PER_CM: Final = 96 / 2.54
"""CSS's pixels, which Plotly's sizes are in; a PDF of so many is as wide on paper."""

GREYS: Final = ("#000000", "#606060", "#303030", "#999999")
"""Greys of a series after the other, neighbours far apart, all dark enough for print."""

_MARGIN: Final = 8
_FINER: Final = 5 / 9
_NARROW: Final = 12.0
"""Below this width in cm, a column of a paper, markers and lines are smaller."""

_SHADES: Final = ((0.0, "#ffffff"), (1.0, "#8c8c8c"))
"""Low to high in a heat map: black numbers stand on either end."""

_DIVERGING: Final = ((0.0, "#9a9a9a"), (0.5, "#ffffff"), (1.0, "#d2d2d2"))
_COLORS: Final = ("line", "marker", "error_y", "error_x", "textfont")


@dataclass(frozen=True)
class Page:
    """How a figure stands on a page.

    `width` and `height` in cm; the figure's own height where `height` is None. `size`: of the
    text, in points of the page. `title`: whether the title is kept; papers have captions.
    """

    width: float = 16.0
    height: float | None = None
    font: Font = "sans"
    size: float = 9.0
    mono: bool = False
    title: bool = False

    @property
    def narrow(self) -> bool:
        """Whether it is a column of a paper: marks are smaller, and points have no names."""
        return self.width < _NARROW


def on_page(figure: go.Figure, page: Page) -> go.Figure:
    """Return a copy of a figure for a page; ValueError for a size outside 2 to 100 cm."""
    for name, length in (("width", page.width), ("height", page.height)):
        if length is not None and not 2 <= length <= 100:
            raise ValueError(f"--{name} must be within 2 and 100 cm, got {length:g}")
    sized = go.Figure(figure)
    pixels = page.size * 4 / 3
    sized.update_layout(
        width=page.width * PIXELS_PER_CM,
        font={"family": FONTS[page.font], "size": pixels},
        legend={
            "font": {"size": pixels}, "title": {"font": {"size": pixels}},
            "xref": "container", "x": 0.5, "xanchor": "center", "itemwidth": 30,
        },
        margin={"l": _MARGIN, "r": _MARGIN},
    )  # fmt: skip
    sized.update_xaxes(title={"font": {"size": pixels}}, tickfont={"size": pixels})
    sized.update_yaxes(title={"font": {"size": pixels}}, tickfont={"size": pixels})
    for note in sized.layout.annotations:
        note.font.size = pixels
    if page.height is not None:
        sized.update_layout(height=page.height * PIXELS_PER_CM)
    if not page.title:
        top = sized.layout.margin.t or 0
        sized.update_layout(title=None, margin={"t": min(top, 24)})
    if page.narrow:
        _make_finer(sized)
        _drop_names(sized)
        sized.for_each_yaxis(_break_title)
    return _grey(sized) if page.mono else sized


def _make_finer(figure: go.Figure) -> None:
    """Smaller markers, thinner lines and error bars, in place."""
    figure.update_traces(line={"width": 1.2}, selector=_has_line)
    for trace in figure.select_traces(_has_marker):
        size = trace.marker.size
        several = not isinstance(size, int | float)
        trace.marker.size = [one * _FINER for one in size] if several else size * _FINER
    figure.update_traces(error_y={"thickness": 0.8, "width": 2}, selector={"type": "scatter"})


def _has_line(trace: Any) -> bool:
    return trace.type in ("scatter", "scattergl") and "lines" in (trace.mode or "")


def _has_marker(trace: Any) -> bool:
    return trace.type in ("scatter", "scattergl") and trace.marker.size is not None


def _break_title(axis: Any) -> None:
    """Set the unit of a long title on a line of its own: a column is lower than such a title."""
    text = axis.title.text or ""
    if len(text) > LONG_TITLE:
        axis.title.text = text.replace(" (", "<br>(", 1)


LONG_TITLE: Final = 24


def _drop_names(figure: go.Figure) -> None:
    """Take out the names of points, in place, and the room that the axis leaves them."""
    kept = [note for note in figure.layout.annotations if note.name != NAME]
    if len(kept) < len(figure.layout.annotations):
        figure.layout.annotations = kept
        figure.update_yaxes(range=None, autorange=True)


def _grey(figure: go.Figure) -> go.Figure:
    """The figure in greys, one per colour, in the order in which colours first occur."""
    greys: dict[str, str] = {}
    for trace in figure.data:
        for part in _colored(trace):
            color = part["color"]
            if isinstance(color, str):
                part["color"] = _grey_of(color, greys)
            elif color is not None and all(isinstance(one, str) for one in color):
                part["color"] = [_grey_of(one, greys) for one in color]
    for shape in figure.layout.shapes:
        if shape.line.color is not None:
            shape.line.color = _grey_of(shape.line.color, greys)
    figure.update_layout(
        coloraxis={"colorscale": [list(stop) for stop in _SHADES]},
        coloraxis2={"colorscale": [list(stop) for stop in _DIVERGING]},
    )
    for trace in figure.data:
        if "colorscale" in trace and trace["colorscale"] is not None:
            trace["colorscale"] = [list(stop) for stop in _SHADES]
        if "fillcolor" in trace and trace["fillcolor"] is not None:
            trace["fillcolor"] = "rgba(0, 0, 0, 0.12)"
    return figure


def _colored(trace: Any) -> Iterator[Any]:
    """The parts of a trace that have a colour of their own."""
    for name in _COLORS:
        if name in trace:
            part = trace[name]
            yield part
            if name == "marker" and "line" in part:
                yield part["line"]


def _grey_of(color: str, greys: dict[str, str]) -> str:
    if color == DENSE.color:  # a reference, grey in colour too
        return color
    if not color.startswith("#"):
        return "rgba(0, 0, 0, 0.12)" if color.startswith("rgba") else color
    return greys.setdefault(color.lower(), GREYS[len(greys) % len(GREYS)])

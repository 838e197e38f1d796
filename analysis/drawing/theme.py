"""How everything looks: one colour, marker and dash per schedule and per method, light and dark.

A palette means one thing: schedules and methods have the ten `SLOTS`; other names (structures,
studies, single trials) have `NAMES`; levels of sparsity, of a budget and of other numbers have a
scale each, and no two of these share a colour.
The ten colours keep a distance of 19 (CIE 1976) from each other in normal vision and in simulated
protanopia, deuteranopia and tritanopia, and a contrast of 3:1 to both backgrounds, so that a trace
keeps its colour when the page changes its scheme. Markers and dashes say the same again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from numbers import Real
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import plotly.graph_objects as go

from analysis.columns.names import KNOWN_ORDER, STRUCTURE, ordered

Mode = Literal["light", "dark"]
MODES: Final[tuple[Mode, ...]] = ("light", "dark")


@dataclass(frozen=True)
class Style:
    """Colour `#rrggbb`, marker symbol and line dash, in Plotly's names."""

    color: str
    symbol: str
    dash: str


SLOTS: Final = (
    Style("#db7900", "star", "solid"),
    Style("#0086ff", "circle", "dash"),
    Style("#007955", "square", "dot"),
    Style("#b62486", "diamond", "dashdot"),
    Style("#9e8649", "triangle-up", "longdash"),
    Style("#613dff", "triangle-down", "longdashdot"),
    Style("#c22400", "cross", "solid"),
    Style("#ff5586", "x", "dash"),
    Style("#9e86ce", "pentagon", "dot"),
    Style("#aa0cc2", "hexagon", "dashdot"),
)
"""Ten ways to draw a series; the first six are the farthest apart."""

NAMES: Final = (
    Style("#0aa0af", "circle", "solid"),
    Style("#785a5f", "square", "dash"),
    Style("#eb4bff", "diamond", "dot"),
    Style("#5a5aa5", "triangle-up", "dashdot"),
    Style("#919b6e", "cross", "longdash"),
    Style("#aa4123", "pentagon", "longdashdot"),
    Style("#870ffa", "x", "solid"),
    Style("#c38c14", "hexagon", "dash"),
)
"""Eight ways to draw what is no schedule and no method. They keep a distance of 26 from each other
in every vision, and of 13 from the slots and the scales."""

DENSE: Final = Style("#7f7f7f", "line-ew", "dot")
"""The dense model, and whatever else is a reference and no contestant."""

_FIRST: Final = {
    "method": ("bimp", "imp", "gmp", "gsm", "lc", "dpf", "dnw", "str", "cs", "dst"),
    "retrain.schedule": (
        "allr", "llr", "clr", "slr", "lrw", "ft", "linear", "cosine", "stepped", "constant",
    ),
}  # fmt: skip
"""The order in which methods and schedules are given their styles; others come behind, as their
catalog has them."""


_COMMON: Final = dict(
    zip(("weights", "filters", "2:4", "blocks 4x4", "1:4", "heads", "rows", "columns"), NAMES,
        strict=True)
)  # fmt: skip
"""Structures with a style of their own, whatever others a figure shows."""


def slot(index: int) -> Style:
    """Return the style at any place, from 0: `SLOTS`, then their colours with other marks."""
    return _turned(SLOTS, index)


def name_style(index: int) -> Style:
    """Return the style of a name at any place, from 0: `NAMES`, then these with other marks."""
    return _turned(NAMES, index)


def _turned(palette: Sequence[Style], index: int) -> Style:
    n = len(palette)
    turn, first = divmod(index, n)
    symbol, dash = first + turn, first + turn + turn // n
    return Style(palette[first].color, palette[symbol % n].symbol, palette[dash % n].dash)


def catalog_styles(column: str, catalog: Iterable[str]) -> dict[str, Style]:
    """Return a style for every name of a catalog, whatever other names stand in it."""
    return {name: slot(i) for i, name in enumerate(dict.fromkeys([*_FIRST[column], *catalog]))}


STYLES: Final[Mapping[str, Style]] = {
    name: style
    for column in _FIRST
    for name, style in catalog_styles(column, KNOWN_ORDER[column]).items()
}
"""The style of every schedule and every method, wherever it is drawn."""


Stops = tuple[tuple[float, str], ...]

LEVELS: Final[Mapping[str, Stops]] = {
    "sparsity": ((0.0, "#2398d7"), (0.5, "#3c6f65"), (1.0, "#ab5a13")),
    "budget": ((0.0, "#e85493"), (0.5, "#ce51d9"), (1.0, "#7546ec")),
    "number": ((0.0, "#4e69f6"), (0.5, "#ae4567"), (1.0, "#e51011")),
}
"""Scales of levels, from low to high. Six levels of one stay apart in every vision, and keep a
distance of 13 from the slots, the names and the other scales."""

_KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("prune.sparsity", "sparsity", "sparsity_all_parameters"), "sparsity"),
    **dict.fromkeys(
        ("retrain.epochs", "retrain.budget", "budget.epochs", "dense.epochs", "retrain_epochs",
         "dense_epochs", "epochs"),
        "budget",
    ),
}  # fmt: skip
"""Columns whose levels have a scale of their own; other numbers share one."""

_MARKS: Final = ("circle", "square", "diamond", "triangle-up", "pentagon", "cross", "x", "hexagon")
_DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def styles(values: Iterable[Any], column: str = "") -> dict[Any, Style]:
    """Return a style for each value: its own for a schedule or method, else those of `NAMES`.

    In reading order (that of the catalog where `column` holds schedules or methods). The same set
    of values always gives the same styles, in whatever order it comes. Numbers are levels, from low
    to high on the scale of their column; what is missing beside them has the look of a reference.
    """
    wanted = ordered(values, column)
    levels = [value for value in wanted if isinstance(value, Real)]
    if levels and len(levels) == sum(value is not None for value in wanted):
        looks = dict(zip(levels, shades(len(levels), column), strict=True))
        return {value: looks.get(value, DENSE) for value in wanted}
    known = STYLES if column in (*_FIRST, "") else _COMMON if column == STRUCTURE else {}
    used = {known[value] for value in wanted if value in known}
    others = (style for style in map(name_style, count()) if style not in used)
    given = {value: next(others) for value in ordered(wanted) if value not in known}
    return {value: known.get(value) or given[value] for value in wanted}


def shades(n: int, column: str = "") -> list[Style]:
    """Return n styles evenly over the scale of a column's levels, from low to high.

    More than the marks are all circles: their colours alone can be told apart.
    """
    scale = LEVELS[_KINDS.get(column, "number")]
    share = np.linspace(0.0, 1.0, n)
    stops = [at for at, _ in scale]
    parts = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for _, color in scale])
    mixed = np.stack([np.interp(share, stops, part).round() for part in parts.T], axis=1)
    colors = ["#{:02x}{:02x}{:02x}".format(*row) for row in mixed.astype(int)]
    few = n <= len(_MARKS)
    return [
        Style(color, _MARKS[i] if few else "circle", _DASHES[i % len(_DASHES)] if few else "solid")
        for i, color in enumerate(colors)
    ]


def place_styles(places: Sequence[tuple[Any, Any]]) -> list[Style]:
    """Return a style for each place, a sparsity and a budget, None where it has none.

    The colour is that of the sparsity where several are told apart, else that of the budget; with
    both, marks and dashes are the budget's. Places that neither tells apart are numbered.
    """
    sparsities, budgets = ({p[i] for p in places if p[i] is not None} for i in (0, 1))
    alike = len(sparsities) < 2 and len(budgets) < 2
    if alike or len(set(places)) < len(places):
        return shades(len(places))
    by_sparsity, by_budget = (
        styles(levels, column) for levels, column in ((sparsities, "sparsity"), (budgets, "epochs"))
    )
    if len(sparsities) < 2 or len(budgets) < 2:
        known, index = (by_budget, 1) if len(sparsities) < 2 else (by_sparsity, 0)
        return [known.get(place[index], DENSE) for place in places]
    marks = [by_budget.get(budget, DENSE) for _, budget in places]
    colors = [by_sparsity.get(sparsity, DENSE) for sparsity, _ in places]
    return [Style(c.color, mark.symbol, mark.dash) for c, mark in zip(colors, marks, strict=True)]


@dataclass(frozen=True)
class Scheme:
    """Colours of a page in light or dark: paper, ink, lines, and the ends of a diverging scale.

    Ink has a contrast of 5:1 at least on both ends, as numbers stand in a heat map's cells.
    """

    paper: str
    ink: str
    faint: str
    grid: str
    hover: str
    worse: str
    better: str


SCHEMES: Final[dict[Mode, Scheme]] = {
    "light": Scheme("#ffffff", "#1b1f24", "#57606a", "#e3e6ea", "#ffffff", "#f09a80", "#6db5ff"),
    "dark": Scheme("#14161a", "#e6e8eb", "#a2abb6", "#2c3138", "#1f2329", "#98290f", "#0a58a8"),
}

SEQUENTIAL: Final = ((0.0, "#2458c7"), (0.5, "#8a7f8f"), (1.0, "#e8a11c"))
"""Low to high, blue to amber: told apart in every vision, visible on both papers."""

FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


@cache
def template(mode: Mode = "light") -> go.layout.Template:
    """Return the Plotly template of a scheme; figures carry no other background or ink."""
    scheme = SCHEMES[mode]
    axis = {
        "gridcolor": scheme.grid,
        "linecolor": scheme.faint,
        "zerolinecolor": scheme.grid,
        "ticks": "outside",
        "tickcolor": scheme.faint,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    layout = {
        "paper_bgcolor": scheme.paper,
        "plot_bgcolor": scheme.paper,
        "font": {"color": scheme.ink, "family": FONT, "size": 13},
        "colorway": [slot.color for slot in SLOTS],
        "xaxis": axis,
        "yaxis": axis,
        "coloraxis": {
            "colorscale": [list(stop) for stop in SEQUENTIAL],
            "colorbar": {"outlinewidth": 0, "thickness": 14, "title": {"side": "right"}},
        },
        "coloraxis2": {
            "colorscale": [[0, scheme.worse], [0.5, scheme.paper], [1, scheme.better]], "cmid": 0,
        },
        "hoverlabel": {
            "bgcolor": scheme.hover,
            "bordercolor": scheme.faint,
            "font": {"color": scheme.ink, "family": FONT},
            "align": "left",
        },
        "legend": {"bgcolor": "rgba(0,0,0,0)", "title": {"font": {"size": 13}}},
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)", "color": scheme.faint, "activecolor": scheme.ink,
        },
        "annotationdefaults": {"font": {"color": scheme.ink}},
        "shapedefaults": {"line": {"color": scheme.faint}},
    }  # fmt: skip
    data = {"heatmap": [{"textfont": {"color": scheme.ink}}]}
    return go.layout.Template(layout=layout, data=data)


SEND_BUTTONS: Final = ("sendDataToCloud", "sendChartToCloud")

CONFIG: Final[Mapping[str, Any]] = MappingProxyType({
    "displaylogo": False,
    "responsive": True,
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "modeBarButtonsToRemove": [*SEND_BUTTONS, "lasso2d", "select2d"],
})  # fmt: skip
"""Plotly's configuration of every figure: no logo, and no button that sends data anywhere.

Plotly 4's JavaScript offers to share a chart with a server unless it is told not to. Hand out a
copy, `dict(CONFIG)`: Plotly's `to_html` takes keys out of what it is given.
"""

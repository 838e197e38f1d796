"""A figure as plain data for a page, which shows its title and notes as text of its own."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

TITLE: Final = 42
"""Height of the title and subtitle, in pixels, which a page shows as text instead."""

LEGEND: Final = 104
"""What an axis, its title and a legend of one row take below a plot, in pixels.

With less, Plotly finds out when all is drawn, makes room, and draws everything once more.
"""


@dataclass(frozen=True)
class Drawing:
    """A figure whose title and notes the page shows as text of its own; the template is apart.

    `data` and `layout` are Plotly's, as plain data; `height` is in pixels; `reason` is what a blank
    says of itself.
    """

    data: list[Any]
    layout: dict[str, Any]
    height: int
    subtitle: str
    reason: str
    notes: tuple[str, ...] = ()


def untitled(figure: go.Figure) -> Drawing:
    """Return a figure without its title, as plain data for a page's script."""
    raw = json.loads(figure.to_json())
    layout = raw["layout"]
    del layout["template"]
    subtitle = layout.pop("title", {}).get("subtitle", {}).get("text") or ""
    reason = " ".join(note["text"] for note in layout.get("annotations", []))
    margin = layout["margin"]
    margin["t"] -= TITLE
    if _has_legend(raw["data"], layout):
        margin["b"] = max(margin["b"], LEGEND)
    height = int(figure.layout.height) - TITLE
    return Drawing(raw["data"], layout, height, unmarked(subtitle), unmarked(reason))


def _has_legend(data: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> bool:
    """Whether Plotly will draw a legend: where several traces are named, or one asks for it."""
    if "showlegend" in layout:
        return bool(layout["showlegend"])
    kinds = [t for t in data if t["type"] in ("scatter", "scattergl", "bar")]
    shown = sum(t.get("showlegend", True) for t in kinds)
    return shown > 1 or any(t.get("showlegend", False) for t in kinds)


def unmarked(markup: str) -> str:
    """Return the plain text of some markup, on one line."""
    return html.unescape(markup.replace("<br>", " "))

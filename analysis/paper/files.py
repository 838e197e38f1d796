"""A figure in the bytes of a file, by the file's ending."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import plotly.graph_objects as go

from analysis.drawing.theme import CONFIG

PRINTED: Final = ("pdf", "svg", "png")
FORMATS: Final = (*PRINTED, "html", "json")

DOTS_PER_PIXEL: Final = 300 / 96
"""A PNG has 300 dots per inch of the page."""


def rendered(figure: go.Figure, form: str) -> bytes:
    """Return a figure as a file of one of `FORMATS`.

    `html` opens offline, `json` is Plotly's own form; the others are drawn by Kaleido in a
    Chromium. Raises ValueError where one of these is missing.
    """
    makers: dict[str, Callable[[], bytes]] = {
        "html": lambda: figure.to_html(include_plotlyjs=True, config=dict(CONFIG)).encode(),
        "json": lambda: json.dumps(json.loads(figure.to_json()), indent=1).encode(),
    }
    return makers[form]() if form in makers else _printed(figure, form)


def _printed(figure: go.Figure, form: str) -> bytes:
    try:
        import kaleido  # noqa: F401
    except ImportError:
        rule = "must have Kaleido installed (pip install 'bimp-study[png]')"
        raise ValueError(f"a figure as {form} {rule}, got a Python without") from None
    try:
        image: bytes = figure.to_image(form, scale=DOTS_PER_PIXEL if form == "png" else 1)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        rule = "must have a Chromium that Kaleido can start (bimp doctor looks for one)"
        raise ValueError(f"a figure as {form} {rule}, got: {reason}") from error
    return image

"""Figures of a study whose search has several objectives: these are what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from analysis.figures import Figure

_OF_OBJECTIVES: Final = ("pareto", "importance")
_QUESTION: Final = "Which configurations does no other beat in all objectives of the search?"


def aimed(figure: Figure, objectives: Mapping[str, Any]) -> Figure:
    """Return a figure under a search's own objectives: its front, and what matters for each.

    Without objectives, and of all other figures, it is the figure itself.
    """
    if not objectives or figure.name not in _OF_OBJECTIVES:
        return figure
    under = replace(figure, table=partial(figure.table, objectives=dict(objectives)))
    return replace(under, question=_QUESTION) if figure.name == "pareto" else under

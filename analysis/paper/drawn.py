"""A figure of study folders, by its name and what is said of it in text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go

from analysis.drawing.untitled import untitled
from analysis.figures import source_frame
from analysis.frames.study_frames import read
from analysis.fronts.pareto import NAMED
from analysis.panels.aims import aimed
from analysis.panels.drawings import tabulated
from analysis.paper.style import Page, on_page
from analysis.paper.wishes import controls, figure_named
from analysis.selection.objectives import declared_objectives


def drawn(
    locations: Sequence[str],
    name: str,
    texts: Mapping[str, str],
    at: Sequence[str],
    page: Page,
    warn: Callable[[str], object] | None = None,
) -> tuple[go.Figure, tuple[str, ...]]:
    """Return a figure for a page, and the notes of its table.

    `texts` and `at` are those of `wishes.controls`; `warn` is told each thing that could not be
    read. Raises FileNotFoundError where there is no study, ValueError for an unknown figure, a
    wish that it does not offer, and a figure without anything to show, with the reason.
    """
    study = read(*locations)
    objectives = declared_objectives(study.settings, study.trials)
    figure = aimed(figure_named(name), {} if "metric" in texts else objectives)
    frame = source_frame(study, figure.source)
    if warn is not None:
        for sentence in study.warnings:
            warn(sentence)
    wishes = controls(figure, frame, texts, at, objectives) if len(frame) else {}
    table = tabulated(figure, frame, wishes)
    plot = figure.figure(table)
    if not plot.data:
        reason = untitled(plot).reason
        raise ValueError(f"the figure {name} must have something to show, got nothing: {reason}")
    notes = tuple(note for note in table.notes if not (page.narrow and note == NAMED))
    return on_page(plot, page), notes

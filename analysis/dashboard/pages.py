"""The pages of the dashboard: their paths, titles and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analysis.dashboard.plots import Panel
from analysis.figures import FIGURES
from analysis.figures.record import PageName
from analysis.workbench.curves import SIDE_CURVES
from analysis.workbench.layers import SIDE_LAYERS
from analysis.workbench.timeline import TIMELINE


@dataclass(frozen=True)
class Page:
    """One page: its path, its title, what it is for in a sentence, and its figures in order."""

    path: str
    title: str
    purpose: str
    panels: tuple[Panel, ...]
    listed: bool = True


def _of(name: PageName) -> tuple[Panel, ...]:
    return tuple(Panel(one.name, one) for one in FIGURES.values() if one.page == name)


def _between_studies(names: Sequence[str]) -> tuple[Panel, ...]:
    return tuple(
        Panel(f"studies_{name}", FIGURES[name], {"by": "study"}, apart=True) for name in names
    )


PAGES: Final[dict[str, Page]] = {
    page.path: page
    for page in (
        Page(
            "/", "Overview", "Where the study stands, and what it says so far.", _of("overview")
        ),
        Page(
            "/schedules", "Schedules",
            "Learning-rate schedules, what they gain on each other, and how models learn.",
            _of("schedules"),
        ),
        Page(
            "/discount", "Discount", "ALLR's discount and BIMP's split of the budget.",
            _of("discount"),
        ),
        Page(
            "/pareto", "Pareto", "What accuracy costs: in training, size and speed.", _of("pareto")
        ),
        Page(
            "/search", "Search", "How a search went, and which settings matter.", _of("search")
        ),
        Page(
            "/trials", "Trials", "Every trial, one row each: its name opens it, ticks compare"
            " several.", (),
        ),
        Page(
            "/side", "Side by side", "Trials that were ticked, next to each other.",
            (
                Panel("side_curves", SIDE_CURVES, ticked=True),
                Panel("side_layers", SIDE_LAYERS, ticked=True),
            ),
            listed=False,
        ),
        Page(
            "/timeline", "Timeline", "Which machine did what, and when.",
            (Panel("timeline", TIMELINE),),
        ),
        Page(
            "/compare", "Compare studies", "Several study folders against each other.",
            _between_studies(("accuracy_by_sparsity", "accuracy_by_budget", "gains", "cost")),
        ),
        Page(
            "/trial", "Trial", "One trial: its curve, settings and numbers.",
            (
                Panel("trial_curve", FIGURES["learning_curves"], alone=True),
                Panel("trial_layers", FIGURES["layers"], alone=True),
            ),
            listed=False,
        ),
    )
}  # fmt: skip
"""Every page by its path, in the order of the menu."""

PANELS: Final[dict[str, Panel]] = {
    panel.key: panel for page in PAGES.values() for panel in page.panels
}
"""Every figure at its place, by the key that addresses and CSV files use."""


def page_of(path: str | None) -> Page | None:
    """Return the page at a path, a slash at its end forgiven; None where there is none."""
    return PAGES.get((path or "/").rstrip("/") or "/")

"""What holds for every figure, on every kind of study."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis.figures import FIGURES, Figure, source_frame
from analysis.frames.study_frames import StudyFrames, read
from analysis.panels.picks import offers
from tests.analysis import synthetic
from tests.analysis.hand_made import trials

STUDIES: dict[str, Callable[[], list[synthetic.Point]]] = {
    "schedules": lambda: synthetic.schedules(seeds=(0, 1)),
    "discounts": lambda: synthetic.discounts(seeds=(0, 1, 2)),
    "splits": lambda: synthetic.splits(seeds=(0,)),
    "methods": lambda: synthetic.methods(seeds=(0, 1)),
    "structures": lambda: synthetic.structures(seeds=(0, 1)),
    "search": lambda: synthetic.search(n=18, seeds=(0,)),
}

SHOWN = {
    "schedules": {"schedules", "accuracy_by_sparsity", "accuracy_by_budget", "gains",
                  "paired_seeds", "ranks", "cost", "pareto", "learning_curves", "parallel",
                  "variance"},
    "discounts": {"discount", "regret", "contour", "slice", "matched"},
    "splits": {"budget_split", "importance"},
    "methods": {"gains", "ranks", "accuracy_by_sparsity"},
    "structures": {"layers", "latency"},
    "search": {"history", "importance", "contour", "slice", "parallel", "best_of_k"},
}  # fmt: skip
"""Figures that each kind of study must have something to show in."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StudyFrames]:
    root = tmp_path_factory.mktemp("studies")
    return {name: read(synthetic.write(root / name, points())) for name, points in STUDIES.items()}


def home(figure: Figure) -> str:
    """The first kind of study in which a figure has something to show."""
    return next(study for study, names in SHOWN.items() if figure.name in names)


KEY = re.compile(r"\b(?:prune|retrain|dense|task|budget|compute|origin)\.[a-z]\w*")
"""A setting's key as a study file writes it, which stands in no figure: words do."""


def drawn(figure: Figure, frame: pd.DataFrame) -> go.Figure:
    return figure.figure(figure.tabulate(frame))


def titles(figure: go.Figure) -> list[str]:
    """Titles of the axes that carry labels, y axes of categories aside."""
    layout = figure.layout.to_plotly_json()
    axes = [axis for name, axis in layout.items() if re.fullmatch(r"[xy]axis\d*", name)]
    numeric = [axis for axis in axes if axis.get("type") != "category" and "ticktext" not in axis]
    return [axis.get("title", {}).get("text", "") for axis in numeric]


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_record_agrees_with_its_functions(figure: Figure) -> None:
    parameters = inspect.signature(figure.table).parameters
    keywords = {n for n, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert set(figure.controls) <= keywords
    assert all(parameters[name].default is not inspect.Parameter.empty for name in keywords)
    assert list(inspect.signature(figure.figure).parameters) == ["table"]
    if "metric" in figure.controls:
        assert parameters["metric"].default == figure.metric
    assert figure.question.endswith("?")
    assert figure.table.__name__ == f"{figure.table.__name__.removesuffix('_table')}_table"


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
@pytest.mark.parametrize("study", STUDIES)
def test_every_figure_of_every_study(
    study: str, figure: Figure, studies: dict[str, StudyFrames]
) -> None:
    frame = source_frame(studies[study], figure.source)
    table = figure.tabulate(frame)
    plot = figure.figure(table)
    assert not KEY.findall(plot.to_json() + " ".join(table.notes))
    if not plot.data:
        assert plot.layout.annotations[0].text
        assert figure.name not in SHOWN[study]
        return
    assert plot.layout.title.text
    if figure.name not in ("parallel", "gains"):  # axes of categories or of several units
        said = titles(plot)
        assert any(said)
        assert all("(" in title for title in said if title)
    json.loads(plot.to_json())


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_every_choice_can_be_drawn(figure: Figure, studies: dict[str, StudyFrames]) -> None:
    frame = source_frame(studies[home(figure)], figure.source)
    for control, offered in offers(figure, frame).items():
        if control == "at":
            given = [{"at": {column: values[0]}} for column, values in offered.items() if values]
        else:
            given = [{control: value} for value in offered[1:3]]
        for chosen in given:
            figure.draw(frame, **chosen)


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_an_empty_frame_says_so(figure: Figure) -> None:
    table = figure.tabulate(pd.DataFrame())
    assert table.notes == ("There are no trials yet.",)
    plot = figure.figure(table)
    assert not plot.data
    assert "no trials" in plot.layout.annotations[0].text
    assert offers(figure, pd.DataFrame()) == {
        name: {} if name == "at" else [] for name in figure.controls
    }


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_a_study_in_which_all_failed_says_so(figure: Figure) -> None:
    frame = trials({"state": "failed"}, {"state": "diverged", "seed": 1})
    plot = drawn(figure, frame)
    assert not plot.data or figure.name == "schedules"


def test_an_absent_column_is_named() -> None:
    table = FIGURES["budget_split"].tabulate(trials({}))
    assert table.notes == ("No trial splits one budget between a dense run and retraining.",)


def test_unknown_controls_are_refused() -> None:
    with pytest.raises(ValueError, match="figure ranks has the controls metric, by, at, got x"):
        FIGURES["ranks"].tabulate(trials({}), x=1)


def test_choosing_figures_offer_no_test_metric(studies: dict[str, StudyFrames]) -> None:
    frame = studies["schedules"].trials
    for figure in FIGURES.values():
        offered = offers(figure, source_frame(studies["schedules"], figure.source))
        if figure.metrics == "choosing":
            names = [n for control in ("metric", "x", "y") for n in offered.get(control, [])]
            assert not [name for name in names if "test" in name]
    assert offers(FIGURES["gains"], frame)["of"] == ["ft", "lrw", "slr", "clr", "llr", "allr"]
    at = offers(FIGURES["accuracy_by_sparsity"], frame)["at"]
    assert at == {"retrain.epochs": [1.0, 3.0]}


HOSTILE = "<script>alert(1)</script><b>&"


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_text_of_a_study_stays_text(figure: Figure, studies: dict[str, StudyFrames]) -> None:
    """Names of a study are no markup, wherever a figure puts them."""
    frame = source_frame(studies[home(figure)], figure.source).copy()
    for column in ("retrain.schedule", "prune.structure", "layer", "origin.block", "task.model"):
        if column in frame and (figure.name, column) != ("schedules", "retrain.schedule"):
            frame[column] = HOSTILE + frame[column].astype(str)
    frame.loc[frame.index[-1], "task.model"] = "other"
    plot = drawn(figure, frame)
    text = plot.to_json().replace("\\u003c", "<").replace("\\u003e", ">")
    assert plot.data
    assert "<script" not in text
    assert "<b>" not in text

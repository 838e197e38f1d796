"""Fronts of three objectives and free axes, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from analysis.figures import FIGURES
from analysis.fronts.axes import NONE, bounds_of, front_axes, levels_offered
from analysis.fronts.drawing import _stacked
from analysis.fronts.pareto import pareto_figure, pareto_table
from analysis.panels.aims import aimed
from analysis.panels.picks import offers
from analysis.stats import TestSelectionError
from tests.analysis.hand_made import grid

AIMS: dict[str, Any] = {"retrain_epochs": "min", "sparsity": "max", "val_accuracy": "max"}


def searched() -> pd.DataFrame:
    """Six configurations of (epochs, sparsity), two seeds each; the discount tells them apart.

    At one epoch: .95 at 80 %, .90 at 90 %, .60 at 95 %. At three: .96 at 80 %, .94 at 90 %, .85 at
    85 %, which both others beat.
    """
    places = {(1.0, 0.8, 0.1): [0.95, 0.95], (1.0, 0.9, 0.2): [0.88, 0.92],
              (1.0, 0.95, 0.3): [0.6, 0.6], (3.0, 0.8, 0.4): [0.96, 0.96],
              (3.0, 0.9, 0.5): [0.94, 0.94], (3.0, 0.85, 0.6): [0.85, 0.85]}  # fmt: skip
    frame = grid(places, "retrain.epochs", "prune.sparsity", "retrain.discount")
    return frame.assign(
        sparsity=frame["prune.sparsity"], retrain_epochs=frame["retrain.epochs"],
        theoretical_speedup=1 / (1 - frame["prune.sparsity"]),
    )  # fmt: skip


def test_the_searchs_objectives_are_the_default_axes() -> None:
    table = pareto_table(searched(), objectives=AIMS)
    axes = table.facts.axes
    assert (axes.y, axes.x, axes.level) == ("val_accuracy", "sparsity", "retrain_epochs")
    assert table.chosen == {"x": "sparsity", "y": "val_accuracy", "level": "retrain_epochs"}
    front = table.frame.set_index("retrain.discount")["front"].to_dict()
    assert front == {0.1: True, 0.2: True, 0.3: True, 0.4: True, 0.5: True, 0.6: False}


def test_there_is_one_front_of_steps_per_level() -> None:
    fronts = pareto_table(searched(), objectives=AIMS).facts
    assert fronts.bounds == (1.0, 3.0)
    steps = {bound: part[["x", "y"]].to_numpy().tolist()
             for bound, part in fronts.steps.groupby("bound")}  # fmt: skip
    assert steps[1.0] == [[0.8, 0.95], [0.9, pytest.approx(0.9)], [0.95, 0.6]]
    # within three epochs those of one epoch count too: 95 % is theirs
    assert steps[3.0] == [[0.8, 0.96], [0.9, 0.94], [0.95, 0.6]]
    figure = pareto_figure(pareto_table(searched(), objectives=AIMS))
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert [line.name for line in lines] == ["at most 1 epoch", "at most 3 epochs"]
    assert all(line.line.shape == "vh" for line in lines)
    assert list(lines[1].x) == pytest.approx([5, 10, 20])  # by what they leave, as elsewhere
    assert list(lines[1].y) == pytest.approx([96, 94, 60])


def test_points_have_the_colour_of_the_strictest_level_that_they_are_within() -> None:
    table = pareto_table(searched(), objectives=AIMS, by="method")
    assert table.frame.set_index("retrain.discount")["bound"].to_dict() == {
        0.1: 1.0, 0.2: 1.0, 0.3: 1.0, 0.4: 3.0, 0.5: 3.0, 0.6: 3.0
    }  # fmt: skip
    figure = pareto_figure(table)
    points, *lines = figure.data[:3]
    first, second = (line.line.color for line in lines)
    assert list(points.marker.color) == [first] * 3 + [second] * 3


def test_the_ends_and_the_knee_are_named_by_their_settings() -> None:
    """Ends: 96 % (.4), 95 % sparse (.3), shortest and then nearest to the ideal (.2).

    The knee: of gains scaled to the front's range, .2 loses (.06/.36, .05/.15, 0), nothing less.
    """
    table = pareto_table(searched(), objectives=AIMS).frame
    named = table[table["label"] != ""].set_index("retrain.discount")["label"].to_dict()
    assert named == {0.2: "discount d 0.2", 0.3: "discount d 0.3", 0.4: "discount d 0.4"}
    figure = pareto_figure(pareto_table(searched(), objectives=AIMS))
    assert sorted(note.text for note in figure.layout.annotations) == sorted(named.values())


def test_axes_are_free_over_objectives_and_measures() -> None:
    table = pareto_table(searched(), objectives=AIMS, x="theoretical_speedup", level=NONE)
    axes = table.facts.axes
    assert axes.objectives == {"val_accuracy": "max", "theoretical_speedup": "max"}
    assert axes.aside == ("retrain_epochs", "sparsity")
    assert any("take no part here: retraining and sparsity" in note for note in table.notes)
    assert table.facts.bounds == ()
    assert table.facts.steps["y"].tolist() == [0.96, 0.94, 0.6]
    figure = pareto_figure(table)
    assert figure.layout.xaxis.title.text == "theoretical speedup (times, more is better)"
    sparse = pareto_figure(pareto_table(searched(), x="sparsity"))
    assert sparse.layout.xaxis.title.text == "sparsity (%, more is better)"
    assert list(sparse.layout.xaxis.ticktext) == ["80", "85", "90", "95"]
    with pytest.raises(TestSelectionError, match="test_accuracy"):
        pareto_table(searched(), y="test_accuracy")


def test_of_an_axis_without_a_better_side_there_is_no_front() -> None:
    table = pareto_table(searched().assign(d1=0.1), x="d1")
    assert not table.frame["front"].any()
    assert any("so there is no front" in note for note in table.notes)
    assert not [t for t in pareto_figure(table).data if t.mode == "lines"]


def test_intervals_stand_on_the_front_where_there_are_seeds() -> None:
    table = pareto_table(searched(), objectives=AIMS, by="method")
    rows: Any = table.frame.set_index("retrain.discount")
    row = rows.loc[0.2]
    # .88 and .92: error .02, t 12.706
    assert row["y_lo"] == pytest.approx(0.9 - 12.7062 * 0.02, abs=1e-5)
    assert math.isnan(rows.loc[0.6, "y_lo"])
    points = pareto_figure(table).data[0]
    assert points.error_y.array is None  # two seeds: in the hover text alone
    assert "validation accuracy 90 % [64.59 %, 100 %]" in points.hovertext[1]
    third = searched().query("seed == 0").assign(seed=2)
    three = pd.concat([searched(), third.assign(fingerprint=third["fingerprint"] + "c")])
    bars = pareto_figure(pareto_table(three, objectives=AIMS, by="method")).data[0].error_y.array
    # .88, .92, .88: spread .0231, error .01333, t 4.3027
    assert bars[1] == pytest.approx(100 * 4.3027 * 0.0133333, abs=1e-2)


def test_many_levels_are_taken_where_the_front_has_its_points() -> None:
    values = pd.Series([1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0])
    on_front = pd.Series([True] * 8 + [False])
    # of 1 1 2 3 4 5 6 7 every fifth part, from above
    assert bounds_of(values, on_front, "min") == [2.0, 3.0, 5.0, 6.0, 7.0]
    assert bounds_of(values, on_front, "max") == [5.0, 4.0, 2.0, 1.0]
    few = pd.Series([3.0, 1.0, 2.0])
    assert bounds_of(few, few > 0, "max") == [3.0, 2.0, 1.0]


def test_the_choices_beside_it_are_objectives_first() -> None:
    figure = aimed(FIGURES["pareto"], AIMS)
    offered = offers(figure, searched(), objectives=AIMS)
    assert offered["x"][:4] == ["retrain_epochs", "sparsity", "val_accuracy", "theoretical_speedup"]
    assert not [name for name in offered["y"] if "test" in name]
    assert levels_offered(searched(), AIMS)[:3] == [NONE, "retrain_epochs", "sparsity"]
    assert aimed(FIGURES["gains"], AIMS) is FIGURES["gains"]


def test_one_configuration_is_no_front() -> None:
    frame = searched().head(2)
    figure = pareto_figure(pareto_table(frame))
    assert not figure.data
    assert "one configuration alone" in figure.layout.annotations[0].text.replace("<br>", " ")


def test_without_objectives_it_is_the_choice_over_the_speedup() -> None:
    axes = front_axes(searched(), None)
    assert (axes.y, axes.x, axes.level) == ("val_accuracy", "theoretical_speedup", "")


@pytest.mark.parametrize(("lines", "second"), [(2, 44), (3, 60)])
def test_names_that_are_near_each_other_are_stacked_by_their_lines(lines: int, second: int) -> None:
    """A name of three lines lay on the one below it, as each was given room for two."""
    sizes = pd.Series([16.0 * lines] * 3)
    lifts = _stacked(pd.Series([0.1, 0.98, 1.0]), pd.Series([90.0, 90.0, 90.0]), sizes)
    assert lifts == {0: 12, 1: 12, 2: second}


def test_trials_without_what_tells_the_series_apart_have_points_too() -> None:
    """As methods from scratch have no schedule of retraining."""
    frame = searched().assign(**{"retrain.schedule": ["llr", None] * 6})
    figure = pareto_figure(pareto_table(frame, by="retrain.schedule"))
    drawn = [len(trace.x) for trace in figure.data if trace.mode == "markers" and len(trace.x)]
    assert sum(drawn) >= 6

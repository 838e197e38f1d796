"""One setting and two settings: whatever else takes few values is held, and said."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from analysis.figures import FIGURES
from analysis.figures.contour import contour_figure, contour_table
from analysis.figures.slice import slice_table
from analysis.panels.picks import offers
from tests.analysis.hand_made import grid


def searched() -> pd.DataFrame:
    """A discount and a decay of nine values each at 1 and at 3 epochs, which gain ten points."""
    places: dict[Any, Any] = {
        (epochs, round(0.1 * n, 1), round(0.01 * (n * 4 % 9 + 1), 2)): [0.8 + 0.05 * epochs]
        for epochs in (1.0, 3.0)
        for n in range(1, 10)
    }
    frame = grid(places, "retrain.epochs", "retrain.discount", "dense.weight_decay")
    return frame.assign(**{"origin.number": 0})


def test_a_surface_lies_over_one_budget() -> None:
    """It went through the points of 1 and of 3 epochs, .85 and .95, as if they were one."""
    table = contour_table(searched())
    assert (table.x, table.y) == ("retrain.discount", "dense.weight_decay")
    assert table.at == {"retrain.epochs": 3.0}
    assert table.frame["value"].tolist() == pytest.approx([0.95] * 9)
    assert "Held: retraining 3 epochs." in table.notes
    assert contour_figure(table).layout.title.subtitle.text == "3 epochs of retraining"
    other = contour_table(searched(), at={"retrain.epochs": 1.0})
    assert other.frame["value"].tolist() == pytest.approx([0.85] * 9)


def test_what_is_an_axis_is_not_held() -> None:
    three = pd.concat([searched(), searched().assign(**{"retrain.epochs": 2.0})])
    three["fingerprint"] = [f"t{n}" for n in range(len(three))]
    table = contour_table(three, x="retrain.epochs", y="retrain.discount",
                          at={"retrain.epochs": 3.0})  # fmt: skip
    assert table.at == {}
    assert sorted(set(table.frame["x"])) == [1.0, 2.0, 3.0]
    loose = "Not held, since they take too many values: weight decay. Points differ in them too."
    assert loose in table.notes


def test_points_over_one_setting_are_of_one_block() -> None:
    two = pd.concat([searched(), searched().assign(**{"prune.sparsity": 0.95})])
    two["fingerprint"] = [f"t{n}" for n in range(len(two))]
    table = slice_table(two, x="retrain.discount")
    assert (table.by, table.at) == ("prune.sparsity", {"retrain.epochs": 3.0})
    assert len(table.frame) == 18
    assert any("Held: retraining 3 epochs. Not held" in note for note in table.notes)


def test_blocks_can_be_chosen_beside_them() -> None:
    for name in ("slice", "contour"):
        offered = offers(FIGURES[name], searched())
        assert offered["at"] == {"retrain.epochs": [1.0, 3.0]}


def test_the_same_setting_twice_is_no_surface() -> None:
    table = contour_table(searched(), x="retrain.discount", y="retrain.discount")
    assert table.frame.empty and "the same" in table.notes[0]

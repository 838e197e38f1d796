"""The discount study, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from analysis.figures.discount import discount_figure, discount_table
from analysis.figures.lines import HOVERED
from analysis.figures.regret import regret_figure, regret_table
from tests.analysis.hand_made import grid


def discounts() -> pd.DataFrame:
    """At 90 %: 0.2, 0.5 and adaptive; at 80 %: fixed ones alone; at 95 %: adaptive alone.

    On validation 0.5 is the best fixed one at 90 %, on test 0.2 is: the choice must be 0.5.
    """
    frame = grid(
        {
            (0.9, 0.2): [0.90, 0.92, 0.91], (0.9, 0.5): [0.94, 0.96, 0.95],
            (0.9, "adaptive"): [0.93, 0.97, 0.96],
            (0.8, 0.2): [0.97, None, 0.97], (0.8, 0.5): [0.95, 0.95, 0.95],
            (0.95, "adaptive"): [0.70, 0.72, 0.71],
        },
        "prune.sparsity", "retrain.discount",
    )  # fmt: skip
    frame["d"] = [v if v != "adaptive" else 0.4 + 0.1 * s for v, s in
                  zip(frame["retrain.discount"], frame["seed"], strict=True)]  # fmt: skip
    best = (frame["prune.sparsity"] == 0.9) & (frame["retrain.discount"] == 0.2)
    frame.loc[best, "test_accuracy"] = 0.999
    return frame


def test_discount_table_by_value() -> None:
    table = discount_table(discounts())
    rows: Any = table.frame.set_index(["sparsity", "kind", "d"])
    assert len(rows) == 6
    (adaptive,) = table.frame.query("sparsity == 0.9 and kind == 'adaptive'").to_dict("records")
    assert adaptive["d"] == pytest.approx(0.5)
    assert (adaptive["mean"], adaptive["n"]) == (pytest.approx(2.86 / 3), 3)
    assert rows.loc[(0.9, "fixed", 0.5)]["tuned"]
    assert not rows.loc[(0.9, "fixed", 0.2)]["tuned"]
    assert rows.loc[(0.8, "fixed", 0.2)]["n_failed"] == 1


def test_a_discount_that_lost_a_seed_is_not_the_tuned_one() -> None:
    rows: Any = discount_table(discounts()).frame.set_index(["sparsity", "kind", "d"])
    assert rows.loc[(0.8, "fixed", 0.5)]["tuned"]
    assert not rows.loc[(0.8, "fixed", 0.2)]["tuned"]


def test_equal_discounts_are_a_tie_however_they_were_rounded() -> None:
    table = {(0.5,): [0.3, 0.3, 0.3], (0.3,): [0.1 + 0.2, 0.3, 0.3], (0.1,): [0.2, 0.2, 0.2],
             ("adaptive",): [0.3, 0.3, 0.3]}  # fmt: skip
    frame = grid(table, "retrain.discount").assign(d=0.4)
    rows: Any = discount_table(frame).frame.query("kind == 'fixed'").set_index("d")
    assert rows["tuned"].to_dict() == {0.1: False, 0.3: True, 0.5: True}
    regret = regret_table(frame, metric="val_accuracy")
    (row,) = regret.frame.to_dict("records")
    assert (row["tuned"], row["n_tied"]) == (0.3, 1)
    assert row["regret"] == pytest.approx(0.0, abs=1e-12)
    assert (
        "tuned d = 0.3 (a tie with 1 other) of 3 tried"
        in regret_figure(regret).data[0].hovertext[0]
    )


def test_discount_figure() -> None:
    figure = discount_figure(discount_table(discounts()))
    names = [trace.name for trace in figure.data]
    assert names == ["80 % sparse", "90 % sparse", "90 % sparse, adaptive",
                     "95 % sparse, adaptive", "best fixed d on validation",
                     "adaptive d, on average"]  # fmt: skip
    star = figure.data[2]
    assert star.marker.symbol == "star"
    assert list(star.x) == pytest.approx([0.5])
    assert list(star.y) == pytest.approx([286 / 3])
    assert figure.layout.xaxis.title.text == "discount d (share of the top rate)"
    assert "best fixed d on validation" in figure.data[1].hovertext[1]


def test_adaptive_discounts_alone_are_left_out() -> None:
    frame = grid({(s, "adaptive"): [0.9, 0.9, 0.9] for s in (0.8, 0.9, 0.95)}, "prune.sparsity",
                 "retrain.discount").assign(d=0.4)  # fmt: skip
    figure = discount_figure(discount_table(frame))
    assert not figure.data
    assert figure.layout.annotations[0].text.startswith("No fixed discount was tried")


def test_regret_by_value() -> None:
    table: Any = regret_table(discounts(), metric="val_accuracy").frame.set_index("sparsity")
    known = table.loc[0.9]
    assert (known["tuned"], known["n_tried"], known["d"]) == (0.5, 2, pytest.approx(0.5))
    # .01, -.01 and -.01; their spread .011547, error times sqrt(1/3 + 1/2), t 4.30265
    assert known["regret"] == pytest.approx(-0.01 / 3, abs=1e-12)
    assert known["hi"] - known["regret"] == pytest.approx(0.045354, abs=1e-6)
    assert known["n"] == 3
    for sparsity in (0.8, 0.95):
        assert table.loc[sparsity]["n"] == 0
        assert math.isnan(table.loc[sparsity]["regret"])
    assert math.isnan(table.loc[0.8]["d"])
    assert math.isnan(table.loc[0.95]["tuned"])


def test_regret_is_measured_at_the_discount_chosen_on_validation() -> None:
    table: Any = regret_table(discounts(), metric="test_accuracy").frame.set_index("sparsity")
    assert table.loc[0.9]["tuned"] == 0.5
    assert table.loc[0.9]["regret"] == pytest.approx(-0.01 / 3, abs=1e-12)


def test_the_discount_is_tuned_on_the_seeds_that_do_not_score_it() -> None:
    # Alone, each seed is best at another discount; the other two choose .2, .3 and .5.
    frame = grid(
        {(0.2,): [0.90, 0.95, 0.95], (0.3,): [0.95, 0.90, 0.94], (0.5,): [0.94, 0.94, 0.90],
         ("adaptive",): [0.92, 0.92, 0.92]},
        "retrain.discount",
    )  # fmt: skip
    frame["d"] = 0.4
    regrets = regret_table(frame)
    (row,) = regrets.frame.to_dict("records")
    assert row["tuned"] == 0.2
    assert row["regret"] == pytest.approx((0.90 + 0.90 + 0.90) / 3 - 0.92)
    assert regrets.facts.mean == pytest.approx(row["regret"])
    assert any("chosen on validation at all seeds but one" in note for note in regrets.notes)
    searched = regret_table(frame.assign(**{"origin.number": range(len(frame))}))
    assert any("course of a search cannot be cross-fitted" in note for note in searched.notes)


def test_with_two_seeds_the_regret_is_not_known() -> None:
    table = regret_table(discounts().query("seed < 2"))
    row = table.frame.set_index("sparsity").loc[0.9]
    assert (row["n"], row["tuned"]) == (2, 0.5)
    assert math.isnan(row["regret"])
    assert any("missing where, with 2 seeds it cannot be known" in note for note in table.notes)
    figure = regret_figure(table)
    assert not figure.data
    assert "with 2 seeds" in figure.layout.annotations[0].text.replace("<br>", " ")


def test_regret_of_a_loss_is_turned() -> None:
    frame = discounts()
    frame["val_loss"] = 2 - 2 * frame["val_accuracy"]
    frame.loc[frame["retrain.discount"] == "adaptive", "val_loss"] += 0.1
    table = regret_table(frame, metric="val_loss").frame.set_index("sparsity")
    assert table.loc[0.9]["regret"] == pytest.approx(0.1 - 0.02 / 3)


def test_regret_figure_marks_the_missing() -> None:
    table = regret_table(discounts(), metric="val_accuracy")
    figure = regret_figure(table)
    assert list(figure.data[0].y) == ["80 %, 2 epochs", "90 %, 2 epochs", "95 %, 2 epochs"]
    missing = [note.y for note in figure.layout.annotations]
    assert missing == ["80 %, 2 epochs", "95 %, 2 epochs"]
    assert figure.layout.xaxis.title.text == "validation accuracy lost (points of %)"
    assert any("discount was done in 2 of 3 settings" in note for note in table.notes)


def test_regret_without_any_adaptive_trial_is_said() -> None:
    frame = discounts()
    table = regret_table(frame[frame["retrain.discount"] != "adaptive"])
    figure = regret_figure(table)
    assert not figure.data
    assert "the regret is missing" in figure.layout.annotations[0].text.replace("<br>", " ")


def test_many_sparsities_have_shades_and_no_bars() -> None:
    frame = grid(
        {(s / 20, d): [0.9, 0.92] for s in range(1, 14) for d in (0.2, 0.5)},
        "prune.sparsity", "retrain.discount",
    )  # fmt: skip
    frame["d"] = frame["retrain.discount"]
    table = discount_table(frame)
    figure = discount_figure(table)
    *lines, key = figure.data
    assert len({trace.line.color for trace in lines}) == len(lines) == 13
    assert all(trace.error_y.array is None for trace in lines)
    assert key.name == "best fixed d on validation"
    assert HOVERED in table.notes
    assert figure.layout.legend.title.text == "8 of 13:"

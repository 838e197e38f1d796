"""Loss from the dense model on a logarithmic scale, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.figures.accuracy import accuracy_by_sparsity_figure, accuracy_by_sparsity_table
from analysis.figures.losses import EDGE
from analysis.selection.tabulation import Tabulation
from tests.analysis.hand_made import NAN, grid


def losses(**changes: object) -> Tabulation:
    """slr loses .2 and 5 points of 99, clr gains .1 and loses 20."""
    frame = grid(
        {("slr", 0.8): [0.988, 0.988], ("slr", 0.95): [0.93, 0.95], ("clr", 0.8): [0.991, 0.991],
         ("clr", 0.95): [0.78, 0.80]},
        "retrain.schedule", "prune.sparsity",
    ).assign(**{"dense_val_accuracy": 0.99, **changes})  # fmt: skip
    return accuracy_by_sparsity_table(frame, metric="val_accuracy", view="loss")


def test_losses_by_value() -> None:
    table: Any = losses().frame.set_index(["series", "x"])
    assert table["mean"].to_dict() == pytest.approx(
        {("slr", 0.8): 0.002, ("slr", 0.95): 0.05, ("clr", 0.8): -0.001, ("clr", 0.95): 0.2}
    )
    assert not table["reference"].any()
    # two seeds .04 and .06: error .01, t 12.706; the interval goes below zero and is not cut
    assert table.loc[("slr", 0.95), "lo"] == pytest.approx(0.05 - 12.7062 * 0.01, abs=1e-5)


def test_each_trial_is_set_against_its_own_dense_run() -> None:
    table: Any = losses(dense_val_accuracy=[0.99, 0.97] * 4).frame.set_index(["series", "x"])
    assert table.loc[("slr", 0.95), "mean"] == pytest.approx((0.06 + 0.02) / 2)


def test_a_lower_loss_of_the_network_is_no_loss() -> None:
    frame = grid({("slr", s): [0.5] for s in (0.8, 0.9)}, "retrain.schedule", "prune.sparsity")
    frame = frame.assign(val_loss=[0.3, 0.5], dense_val_loss=0.2)
    table = accuracy_by_sparsity_table(frame, metric="val_loss", view="loss")
    assert table.frame["mean"].tolist() == pytest.approx([0.1, 0.3])
    figure = accuracy_by_sparsity_figure(table)
    assert figure.layout.yaxis.title.text == "loss from dense (nats, log)"


def test_a_trial_without_a_dense_run_takes_that_of_its_seed() -> None:
    table = losses(dense_val_accuracy=[0.99, 0.97, 0.99, 0.97, NAN, NAN, NAN, NAN])
    clr = table.frame.set_index(["series", "x"]).loc[("clr", 0.95), "mean"]
    assert clr == pytest.approx(((0.99 - 0.78) + (0.97 - 0.80)) / 2)
    assert any("of the others with their seed" in note for note in table.notes)


def test_the_axis_is_logarithmic_and_what_lost_nothing_stands_on_its_edge() -> None:
    figure = accuracy_by_sparsity_figure(losses())
    traces = {trace.name: trace for trace in figure.data if trace.x[0] is not None}
    floor = 0.2 / 1.6
    assert list(traces["SLR"].y) == pytest.approx([0.2, 5.0])
    assert list(traces["CLR"].y) == pytest.approx([floor, 20.0])
    assert list(traces["CLR"].marker.symbol) == [EDGE, "square"]
    assert traces["CLR"].error_y.array[0] is None
    axis = figure.layout.yaxis
    assert (axis.type, axis.title.text) == ("log", "loss from dense (points, log)")
    assert axis.range == pytest.approx((math.log10(floor / 1.6), math.log10(20 * 1.6)))
    assert "1" in axis.ticktext and "10" in axis.ticktext
    keys = [t.name for t in figure.data if t.x[0] is None]
    assert keys == ["CLR", "no loss"]
    assert figure.layout.title.text == "Validation accuracy lost from dense against sparsity"


def test_without_a_dense_metric_there_is_no_such_view() -> None:
    table = losses(dense_val_accuracy=NAN)
    assert table.frame.empty
    assert "dense run recorded" in table.notes[0]
    frame = grid({(0.8,): [0.9]}, "prune.sparsity")
    with pytest.raises(ValueError, match="view must be one of value, loss, got 'x'"):
        accuracy_by_sparsity_table(frame, view="x")

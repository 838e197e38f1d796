"""Learning curves, worked out by hand: the true rates, and the drop right after each prune."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from analysis.courses.curves import learning_curves_figure, learning_curves_table
from analysis.figures.record import with_prunes

STEPS = 4
"""Steps of an epoch."""


def course(**changes: Any) -> pd.DataFrame:
    """Two seeds under LLR: two dense epochs at .4, then two cycles of 8 and 6 steps.

    The second cycle ends in the middle of an epoch. Right after the prunes .2 and .6 are left.
    """
    rows = []
    for seed in (0, 1):
        epochs = [(0, 0, 4, 0.5), (0, 1, 8, 0.9), (1, 0, 4, 0.6), (1, 1, 8, 0.8), (2, 0, 4, 0.7),
                  (2, 1, 6, 0.7)]  # fmt: skip
        for total, (cycle, epoch, step, value) in enumerate(epochs):
            rows.append(
                {"study": "s", "fingerprint": f"f{seed}", "total_epoch": total, "cycle": cycle,
                 "epoch": epoch, "step": step, "lr": 0.1, "val_accuracy": value + 0.02 * seed,
                 "phase": "retrain" if cycle else "dense", "seed": seed, "state": "done",
                 "retrain.schedule": "llr", "method": "imp", "prune.sparsity": 0.9,
                 "retrain.epochs": 3.5, "dense.epochs": 2.0, "dense.lr": 0.4,
                 "dense.schedule": "constant", "task.dataset": "digits", "task.model": "cnn"}
            )  # fmt: skip
    frame = pd.DataFrame(rows)
    cycles = pd.DataFrame(
        [{"study": "s", "fingerprint": f"f{seed}", "cycle": cycle, "d": 0.5,
          "pruned_val_accuracy": left + 0.02 * seed}
         for seed in (0, 1) for cycle, left in ((1, 0.2), (2, 0.6))]
    )  # fmt: skip
    return with_prunes(frame, cycles).assign(**changes)


def test_what_a_prune_left_stands_in_the_first_epoch_of_its_cycle_alone() -> None:
    frame = course()
    known = frame[frame["pruned_val_accuracy"].notna()]
    assert known[["cycle", "epoch"]].drop_duplicates().to_numpy().tolist() == [[1, 0], [2, 0]]


def test_the_drop_right_after_each_prune_is_there() -> None:
    table = learning_curves_table(course()).frame
    drops = table[table["event"] == "pruned"]
    assert drops["trained"].tolist() == [2.0, 4.0]
    assert drops["mean"].tolist() == pytest.approx([0.21, 0.61])
    assert drops["std"].tolist() == pytest.approx([0.02 / math.sqrt(2)] * 2)
    ends = table[table["event"] == "epoch"]["trained"].tolist()
    assert ends == [1.0, 2.0, 3.0, 4.0, 5.0, 5.5]  # two steps of four are half an epoch


def test_only_what_is_drawn_is_explained() -> None:
    """A lone trial has no bands, a single cycle no dashed lines, an old record no falls."""
    frame = course()
    whole = learning_curves_table(frame).notes[0]
    assert [text in whole for text in ("Bands", "falls to", "Dashed lines")] == [True] * 3
    lone = frame[(frame["seed"] == frame["seed"].min()) & (frame["cycle"] < 2)]
    alone = learning_curves_table(lone.drop(columns="pruned_val_accuracy")).notes
    assert not [note for note in alone if "Bands" in note or "Dashed" in note or "falls" in note]


def test_rates_are_those_of_every_step() -> None:
    """LLR from .4 to zero; of 8 and 6 steps the tenth for the warm-up is none."""
    rates = learning_curves_table(course()).facts
    assert rates["computed"].all()
    dense = rates[rates["cycle"] == 0]
    assert dense[["trained", "lr"]].to_numpy().tolist() == [[0.0, 0.4], [2.0, 0.4]]
    first = rates[rates["cycle"] == 1]
    assert first["trained"].tolist() == [2.0 + n / STEPS for n in range(8)] + [4.0]
    assert first["lr"].tolist() == pytest.approx([0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0.05])
    second = rates[rates["cycle"] == 2]["lr"].tolist()
    assert second == pytest.approx([0.4 * (1 - n / 6) for n in range(6)] + [0.4 / 6])


def test_the_discount_of_each_cycle_is_in_its_rates() -> None:
    frame = course(**{"retrain.schedule": "allr"})
    frame.loc[frame["cycle"] == 2, "d"] = frame["d"] / 2
    rates = learning_curves_table(frame).facts
    assert rates.groupby("cycle")["lr"].max().tolist() == pytest.approx([0.4, 0.2, 0.1])


def test_rates_of_a_schedule_that_is_not_at_hand_are_dots() -> None:
    table = learning_curves_table(course(**{"retrain.schedule": "mine:rate"}))
    cycles = table.facts[table.facts["cycle"] > 0]
    assert not cycles["computed"].any()
    assert cycles["trained"].tolist() == [2.0, 3.0, 4.0, 5.0]  # the first steps of epochs
    assert any("known at the first step of each epoch alone" in note for note in table.notes)
    (rate,) = [t for t in learning_curves_figure(table).data if t.yaxis == "y4"]
    assert rate.mode == "markers"


def test_a_cycle_falls_from_where_the_stage_before_it_ended() -> None:
    figure = learning_curves_figure(learning_curves_table(course()))
    curve = next(t for t in figure.data if (t.yaxis, t.fill) == ("y2", None))
    assert list(curve.x) == [2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 5.5]
    assert list(curve.y) == pytest.approx([91, 21, 61, 81, 61, 71, 71])
    (rings,) = [t for t in figure.data if t.marker.symbol == "circle-open" and t.x[0] is not None]
    assert (list(rings.x), list(rings.y)) == ([2.0, 4.0], pytest.approx([21, 61]))
    assert "right after the prune of cycle 2" in curve.hovertext[4]
    assert [shape.x0 for shape in figure.layout.shapes] == [4.0]
    assert figure.data[-1].name == "right after a prune"
    assert figure.layout.xaxis2.range[0] == pytest.approx(2 - 0.03 * 3.5)


def test_without_a_curve_of_the_dense_run_the_cycles_have_the_whole_width() -> None:
    frame = course()
    figure = learning_curves_figure(learning_curves_table(frame[frame["cycle"] > 0]))
    assert figure.layout.xaxis2.domain == (0, 1)
    assert (figure.layout.xaxis.visible, figure.layout.yaxis.visible) == (False, False)
    assert figure.layout.yaxis2.title.text == "validation accuracy (%)"
    assert next(t for t in figure.data if t.name == "IMP").marker.symbol == "circle"


def test_all_panels_have_one_range_upwards() -> None:
    layout = learning_curves_figure(learning_curves_table(course())).layout
    assert (layout.yaxis2.matches, layout.yaxis4.matches) == ("y", "y3")

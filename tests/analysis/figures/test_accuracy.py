"""Means over sparsity, budget, split and cost: tables by value, figures by traces and axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.drawing.axes import compression
from analysis.figures.accuracy import (
    accuracy_by_budget_figure,
    accuracy_by_budget_table,
    accuracy_by_sparsity_figure,
    accuracy_by_sparsity_table,
    budget_split_figure,
    budget_split_table,
)
from analysis.figures.cost import cost_figure, cost_table, costs
from tests.analysis.hand_made import NAN, grid, trials


def over_sparsity() -> pd.DataFrame:
    """ft and allr at two sparsities; a failed seed, a missing cell, unequal n, one seed."""
    return grid(
        {
            ("ft", 0.8): [0.90, 0.94, None],
            ("ft", 0.9): [0.80],
            ("allr", 0.8): [0.95, 0.95, 0.95],
        },
        "retrain.schedule", "prune.sparsity",
        dense_val_accuracy=0.97, dense_stage="dense-0",
    )  # fmt: skip


def test_table_by_value() -> None:
    table = accuracy_by_sparsity_table(over_sparsity(), metric="val_accuracy")
    rows: Any = table.frame[~table.frame["reference"]].set_index(["series", "x"])
    assert sorted(rows.index) == [("allr", 0.8), ("ft", 0.8), ("ft", 0.9)]
    ft = rows.loc[("ft", 0.8)]
    assert (ft["mean"], ft["n"], ft["n_failed"]) == (pytest.approx(0.92), 2, 1)
    assert ft["std"] == pytest.approx(0.04 / math.sqrt(2))
    assert ft["lo"] < 0.92 < ft["hi"]
    alone = rows.loc[("ft", 0.9)]
    assert alone["n"] == 1
    assert math.isnan(alone["lo"])
    tied = rows.loc[("allr", 0.8)]
    assert (tied["lo"], tied["hi"]) == (pytest.approx(0.95), pytest.approx(0.95))
    assert any("1 failed" in note for note in table.notes)


def test_dense_run_counts_once() -> None:
    frame = over_sparsity()
    later = frame["seed"] > 0
    frame.loc[later, "dense_stage"] = "dense-1"
    frame.loc[later, "dense_val_accuracy"] = 0.99
    table = accuracy_by_sparsity_table(frame, metric="val_accuracy")
    (dense,) = [row for row in table.frame.to_dict("records") if row["reference"]]
    assert (dense["mean"], dense["n"]) == (pytest.approx(0.98), 2)


def test_no_dense_row_for_a_metric_without_one() -> None:
    frame = over_sparsity().assign(theoretical_speedup=4.0)
    table = accuracy_by_sparsity_table(frame, metric="theoretical_speedup")
    assert not table.frame["reference"].any()


def test_figure_has_a_line_a_series_and_units() -> None:
    table = accuracy_by_sparsity_table(over_sparsity(), metric="val_accuracy")
    figure = accuracy_by_sparsity_figure(table)
    assert [trace.name for trace in figure.data] == ["FT", "ALLR", "dense model"]
    assert figure.layout.xaxis.title.text == "sparsity (% of the prunable weights)"
    assert figure.layout.yaxis.title.text == "validation accuracy (%)"
    assert figure.layout.title.text == "Validation accuracy against sparsity"
    ft = figure.data[0]
    assert list(ft.y) == pytest.approx([92.0, 80.0])
    assert ft.x[0] == pytest.approx(compression(0.8), rel=0.02)
    assert ft.error_y.array[1] is None
    assert "n = 2" in ft.hovertext[0]
    assert "1 failed" in ft.hovertext[0]


def test_the_best_of_several_is_said() -> None:
    frame = grid(
        {("allr", 0.1, 0.9): [0.90, 0.92], ("allr", 0.5, 0.9): [0.95, 0.95],
         ("ft", NAN, 0.9): [0.8, 0.8], ("ft", NAN, 0.8): [0.9, 0.9]},
        "retrain.schedule", "retrain.discount", "prune.sparsity",
    )  # fmt: skip
    table = accuracy_by_sparsity_table(frame, metric="val_accuracy")
    assert table.frame.set_index("series").loc["allr", "mean"] == pytest.approx(0.95)
    assert any("several configurations" in note for note in table.notes)
    allr = accuracy_by_sparsity_figure(table).data[1]
    assert "best of 2 configurations on validation" in allr.hovertext[0]


def test_over_budget() -> None:
    frame = grid(
        {("ft", 1.0): [0.8, 0.8], ("ft", 4.0): [0.9, 0.92]}, "retrain.schedule", "retrain.epochs"
    )
    table = accuracy_by_budget_table(frame, metric="val_accuracy")
    assert table.frame["x"].tolist() == [1.0, 4.0]
    assert table.frame["mean"].tolist() == pytest.approx([0.8, 0.91])
    figure = accuracy_by_budget_figure(table)
    assert figure.layout.xaxis.title.text == "retraining (epochs)"
    assert list(figure.layout.xaxis.ticktext) == ["1", "4"]


def test_many_levels_are_points_not_a_line() -> None:
    rows = {("ft", 1.0 + i): [0.8] for i in range(13)}
    table = accuracy_by_budget_table(
        grid(rows, "retrain.schedule", "retrain.epochs"), metric="val_accuracy"
    )
    assert accuracy_by_budget_figure(table).data[0].mode == "markers"


def test_nothing_done_is_said() -> None:
    table = accuracy_by_sparsity_table(trials({"state": "failed"}))
    figure = accuracy_by_sparsity_figure(table)
    assert not figure.data
    assert figure.layout.annotations[0].text == "No trial here is done."


def test_split_by_value() -> None:
    frame = grid(
        {(0.5, 1): [0.90, 0.92], (0.75, 1): [0.93, 0.95], (0.75, 2): [0.96]},
        "budget.dense_fraction", "prune.cycles",
        method="bimp",
    ).assign(**{"budget.epochs": 24.0})  # fmt: skip
    table = budget_split_table(frame)
    assert table.frame[["series", "x", "mean", "n"]].to_numpy().tolist() == [
        [1, 0.5, pytest.approx(0.91), 2],
        [1, 0.75, pytest.approx(0.94), 2],
        [2, 0.75, pytest.approx(0.96), 1],
    ]
    figure = budget_split_figure(table)
    assert [trace.name for trace in figure.data] == ["1", "2"]
    assert figure.layout.xaxis.title.text == "dense share of the budget (%)"
    assert list(figure.layout.xaxis.ticktext) == ["50", "75"]


def costly() -> pd.DataFrame:
    """Two trials share dense run a (one more failed there), one has its own, one has none."""
    return trials(
        {"dense_stage": "a", "epochs": 12.0, "dense_epochs": 10.0, "train_s": 4.0,
         "dense_train_s": 20.0, "val": 0.9},
        {"dense_stage": "a", "epochs": 12.0, "dense_epochs": 10.0, "train_s": 6.0,
         "dense_train_s": 20.0, "retrain.schedule": "ft", "val": 0.8},
        {"dense_stage": "a", "state": "failed", "retrain.schedule": "llr"},
        {"dense_stage": "b", "epochs": 14.0, "dense_epochs": 10.0, "train_s": 8.0, "seed": 1,
         "dense_train_s": 20.0, "val": 0.92},
        {"dense_stage": None, "epochs": 12.0, "train_s": 30.0, "method": "gmp", "val": 0.7,
         "retrain.schedule": None},
    )  # fmt: skip


def test_costs_alone_and_shared() -> None:
    table = costs(costly())
    assert table["epochs"].tolist() == [12, 12, pytest.approx(NAN, nan_ok=True), 14, 12]
    shared = table["epochs, shared"].tolist()
    assert [shared[0], shared[1], shared[3], shared[4]] == [7, 7, 14, 12]
    assert table["seconds"].dropna().tolist() == [24, 26, 28, 30]
    assert table["seconds, shared"].dropna().tolist() == [14, 16, 28, 30]


def test_shared_costs_add_up_to_what_was_spent() -> None:
    assert costs(costly())["epochs, shared"].sum() == 10 + 2 + 2 + 10 + 4 + 12


def test_cost_table_and_figure() -> None:
    frame = costly().query("method == 'imp' and state == 'done'")
    table = cost_table(frame, metric="val_accuracy", cost="seconds, shared")
    assert table.frame.set_index("series")["cost"].to_dict() == {"ft": 16.0, "allr": 21.0}
    assert table.frame.set_index("series")["mean"].to_dict() == {
        "ft": pytest.approx(0.8), "allr": pytest.approx(0.91)
    }  # fmt: skip
    figure = cost_figure(table)
    assert figure.layout.xaxis.title.text == "training per trial, dense run shared (seconds)"
    assert figure.layout.yaxis.title.text == "validation accuracy (%)"
    assert any("split evenly" in note for note in table.notes)


def test_cost_of_unequal_seeds_one_of_them_failed() -> None:
    frame = grid({("ft",): [0.8, 0.9, None], ("allr",): [0.7]}, "retrain.schedule")
    frame = frame.assign(dense_epochs=10.0, epochs=[12.0, 14.0, NAN, 15.0])
    costly_ones = cost_table(frame, metric="val_accuracy")
    table = costly_ones.frame.set_index("series")
    assert table["cost"].to_dict() == {"ft": 13.0, "allr": 15.0}
    assert table["n"].to_dict() == {"ft": 2, "allr": 1}
    assert table["n_failed"].to_dict() == {"ft": 1, "allr": 0}
    assert math.isnan(table["std"]["allr"]) and math.isnan(table["lo"]["allr"])
    texts = [text for trace in cost_figure(costly_ones).data for text in trace.hovertext]
    assert any("left out: 1 failed" in text for text in texts)


def test_costs_without_recorded_times_are_missing() -> None:
    frame = costly().drop(columns=["train_s", "dense_train_s"])
    assert np.isnan(costs(frame)["seconds"].to_numpy(dtype=float)).all()


def test_equal_costs_leave_nothing_to_draw_across() -> None:
    frame = grid({("ft",): [0.8], ("allr",): [0.7], ("llr",): [0.9]}, "retrain.schedule")
    table = cost_table(frame.assign(dense_epochs=10.0, epochs=12.0), metric="val_accuracy")
    assert table.frame["cost"].tolist() == [12.0] * 3
    figure = cost_figure(table)
    assert not figure.data
    assert "All trials here cost the same, 12" in figure.layout.annotations[0].text


def test_levels_that_crowd_have_no_ticks_of_their_own() -> None:
    frame = grid({(0.401566,): [0.8], (0.402,): [0.7], (0.9,): [0.9]}, "budget.dense_fraction")
    frame["budget.epochs"] = 8.0
    crowded = budget_split_figure(budget_split_table(frame))
    assert crowded.layout.xaxis.ticktext is None
    spaced = budget_split_figure(budget_split_table(frame.iloc[1:]))
    assert list(spaced.layout.xaxis.ticktext) == ["40.2", "90"]
    assert spaced.layout.legend.title.text == "number of cycles"


def test_a_single_level_leaves_nothing_to_draw_across() -> None:
    frame = grid(
        {("llr", 0.9): [0.9, 0.91], ("ft", 0.9): [0.8, 0.8]}, "retrain.schedule", "prune.sparsity"
    )
    figure = accuracy_by_sparsity_figure(accuracy_by_sparsity_table(frame))
    assert not figure.data
    said = figure.layout.annotations[0].text.replace("<br>", " ")
    assert said.startswith("All trials here have the same sparsity, 90 %: nothing to draw")
    figure = accuracy_by_budget_figure(accuracy_by_budget_table(frame))
    said = figure.layout.annotations[0].text.replace("<br>", " ")
    assert said.startswith("All trials here have the same retraining, 2 epochs:")


def test_dense_runs_of_several_settings_have_no_line() -> None:
    frame = over_sparsity()
    frame["dense.epochs"] = frame["prune.sparsity"].map({0.8: 10.0, 0.9: 20.0})
    table = accuracy_by_sparsity_table(frame, metric="val_accuracy")
    assert not table.frame["reference"].any()
    assert "dense runs differ in length." in " ".join(table.notes)
    recorded = over_sparsity().assign(dense_epochs=[9.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0])
    table = accuracy_by_sparsity_table(recorded, metric="val_accuracy")
    assert "dense runs differ in length." in " ".join(table.notes)


def test_only_the_dense_runs_of_what_is_drawn_count() -> None:
    """Of two learning rates the worse one is not drawn, nor is its dense run."""
    frame = grid({("allr", 0.5): [0.8, 0.8], ("allr", 0.1): [0.9, 0.9]}, "retrain.schedule",
                 "dense.lr")  # fmt: skip
    frame["dense_val_accuracy"] = [0.5, 0.5, 0.97, 0.99]
    table = accuracy_by_sparsity_table(frame, metric="val_accuracy")
    (dense,) = [row for row in table.frame.to_dict("records") if row["reference"]]
    assert (dense["mean"], dense["n"]) == (pytest.approx(0.98), 2)


def test_trials_without_the_compared_setting_stand_beside_those_with_it() -> None:
    """A method from scratch has no cycles, which makes the column one of mixed types."""
    frame = grid(
        {(0.5, 1): [0.90, 0.92], (0.75, 2): [0.96]}, "budget.dense_fraction", "prune.cycles"
    )
    scratch = trials({"method": "gmp", "prune.cycles": None}).assign(fingerprint="g")
    both = pd.concat([frame.assign(method="bimp"), scratch], ignore_index=True)
    both["prune.cycles"] = (
        both["prune.cycles"].astype(object).where(both["prune.cycles"].notna(), None)
    )
    table = budget_split_table(both.assign(**{"budget.epochs": 24.0}))
    assert table.frame[["series", "x", "n", "n_configurations"]].to_numpy().tolist() == [
        [1, 0.5, 2, 1], [2, 0.75, 1, 1],
    ]  # fmt: skip


def test_a_block_without_any_such_trial_says_nothing_of_bars() -> None:
    frame = grid({(0.5, 0.8): [0.9], (NAN, 0.9): [0.9]}, "budget.dense_fraction", "prune.sparsity")
    table = budget_split_table(frame.assign(**{"budget.epochs": 24.0}), at={"prune.sparsity": 0.9})
    assert table.frame.empty and table.notes == ()
    assert not budget_split_figure(table).data

"""Where variance comes from, comparisons on an equal footing, the best of k: by hand."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from analysis.evidence.best_of_k import best_of_k_figure, best_of_k_table
from analysis.evidence.equal_footing import matched_figure, matched_table
from analysis.evidence.variance import MERGED, SOURCES, images_of, variance_figure, variance_table
from tests.analysis.hand_made import NAN, grid, trials


def test_variance_of_one_retraining_each_holds_two_sources() -> None:
    # Within ft and llr alike .8 .9 1.0: variance .01. 360 test images at a mean of .9 make at most
    # .09 / 360 of it.
    frame = grid({("ft",): [0.8, 0.9, 1.0], ("llr",): [0.8, 0.9, 1.0]}, "retrain.schedule")
    table = variance_table(frame)
    rows: Any = table.frame.set_index("source")
    images = 0.09 / images_of(frame, "test_accuracy")
    assert rows["variance"].to_dict() == pytest.approx(
        {MERGED: 0.01 - images, SOURCES["evaluation"]: images}
    )
    assert rows["share"].sum() == pytest.approx(1)
    assert rows["total_std"].tolist() == pytest.approx([0.1, 0.1])
    assert (rows["n_seeds"].iloc[0], rows["n_trials"].iloc[0], rows["n_settings"].iloc[0]) == (
        3,
        6,
        2,
    )
    assert any("several retrainings of each would tell them apart" in note for note in table.notes)
    figure = variance_figure(table)
    assert [trace.name for trace in figure.data] == [MERGED, SOURCES["evaluation"]]
    assert sum(trace.x[0] for trace in figure.data) == pytest.approx(100)
    assert "in all 10 points" in figure.data[0].y[0]


def test_retrainings_of_a_dense_run_are_a_source_of_their_own() -> None:
    # Dense means .85 and .95, retrainings .05 off each: between dense .005, within .005 / 2 each.
    values = {(0, 0): 0.8, (0, 1): 0.9, (1, 0): 0.9, (1, 1): 1.0}
    frame = trials(
        *({"seed": s, "retrain_seed": r, "val": value} for (s, r), value in values.items())
    ).assign(val_loss=list(values.values()))
    rows: Any = variance_table(frame, metric="val_loss").frame.set_index("source")
    # Mean squares: between 2 x .005 = .01, within .005, so that dense runs have (.01 - .005) / 2.
    assert rows["variance"].to_dict() == pytest.approx(
        {SOURCES["dense"]: 0.0025, SOURCES["retraining"]: 0.005}
    )
    assert rows["n_trials"].tolist() == [4, 4] and rows["n_seeds"].tolist() == [2, 2]


def test_of_many_places_variance_is_pooled() -> None:
    """Of 25 sparsities, .8 and .9 in each: one bar of all, not 25."""
    places = {(round(0.5 + n / 100, 2),): [0.8, 0.9] for n in range(25)}
    frame = grid(places, "prune.sparsity").assign(val_loss=[0.8, 0.9] * 25)
    table = variance_table(frame, metric="val_loss").frame
    assert table["block"].unique().tolist() == ["all trials"]
    assert table["total_std"].iloc[0] ** 2 == pytest.approx(0.005)
    assert table["n_settings"].tolist() == [25] * len(table)
    few = frame[frame["prune.sparsity"] < 0.74]
    assert variance_table(few, metric="val_loss").frame["block"].nunique() == 24


def test_variance_of_one_seed_is_not_known() -> None:
    table = variance_table(grid({("ft",): [0.8], ("llr",): [0.9]}, "retrain.schedule"))
    assert table.frame.empty
    assert "where variance lies is not known" in table.notes[0]
    assert not variance_figure(table).data


def test_variance_of_other_metrics_knows_no_images() -> None:
    frame = grid({("ft",): [0.8, 0.9, 1.0]}, "retrain.schedule").assign(val_loss=[1.0, 2.0, 3.0])
    table = variance_table(frame, metric="val_loss").frame
    assert table["source"].tolist() == [MERGED]
    assert table["variance"].tolist() == [1.0]


def off_goal() -> pd.DataFrame:
    """dst ends above its goals: .91 .95 for .9, .95 for .95 asked; gmp hits both goals."""
    frame = grid(
        {("gmp", 0.9): [0.90, 0.91, 0.92], ("gmp", 0.95): [0.80, 0.81, 0.82],
         ("dst", 0.9): [0.85, 0.86, 0.87], ("dst", 0.95): [0.75, 0.76, 0.77]},
        "method", "prune.sparsity",
    )  # fmt: skip
    reached = {("gmp", 0.9): 0.9, ("gmp", 0.95): 0.95, ("dst", 0.9): 0.9375, ("dst", 0.95): 0.96875}
    places = list(zip(frame["method"], frame["prune.sparsity"], strict=True))
    frame["sparsity"] = [reached[place] for place in places]
    return frame.assign(theoretical_speedup=1 / (1 - frame["sparsity"]))


def test_methods_are_read_off_their_fronts_at_equal_sparsity() -> None:
    table = matched_table(off_goal())
    assert (table.x, table.by) == ("sparsity", "method")
    rows: Any = table.frame.set_index(["series", "at"])
    assert rows["mean"]["gmp", 0.9] == pytest.approx(0.91)
    # dst does not reach down to .9; .95 lies log(.0625 / .05) / log(2) of the way to .96875.
    assert math.isnan(rows["mean"]["dst", 0.9])
    way = math.log(0.0625 / 0.05) / math.log(2)
    assert rows["mean"]["dst", 0.95] == pytest.approx(0.86 - 0.1 * way)
    assert rows["n"]["dst", 0.95] == 3
    figure = matched_figure(table)
    assert [len(trace.x) for trace in figure.data] == [2, 1]
    assert list(figure.data[0].x) == pytest.approx([10, 20], rel=0.01)
    assert any("Pairs with a settled difference at" in note for note in table.notes)


def test_where_all_hit_their_goals_speedup_is_matched() -> None:
    frame = off_goal()
    frame["sparsity"] = frame["prune.sparsity"]
    table = matched_table(frame)
    assert table.x == "theoretical_speedup"
    # Speedups go from 10 to 32.
    assert table.frame["at"].unique().tolist() == [12.0, 16.0, 24.0, 32.0]
    assert matched_table(frame, along="sparsity").frame["at"].unique().tolist() == [0.9, 0.95]
    with pytest.raises(ValueError, match="along must be one of sparsity, theoretical_speedup"):
        matched_table(frame, along="epochs")


def test_a_front_of_two_seeds_is_not_known() -> None:
    frame = off_goal()
    table = matched_table(frame[frame["seed"] < 2])
    assert table.frame["mean"].isna().all()
    assert any("takes 3 seeds" in note for note in table.notes)
    assert not matched_figure(table).data


def test_the_best_of_k_settings_by_value() -> None:
    # Validation ranks .3 over .2 over .1 at every seed; test has .6, .7 and .8 of these.
    table = {("allr", d): [d, d, d] for d in (0.1, 0.2, 0.3)}
    frame = grid({**table, ("ft", NAN): [0.5] * 3}, "retrain.schedule", "retrain.discount")
    frame["test_accuracy"] = frame["retrain.discount"].fillna(0.0) + 0.5
    found = best_of_k_table(frame)
    allr = found.frame.query("series == 'allr'")
    # The best of two: of three pairs two hold the best, one the second.
    assert allr["k"].tolist() == [1, 2, 3]
    assert allr["mean"].tolist() == pytest.approx([0.7, (2 * 0.8 + 0.7) / 3, 0.8])
    assert (allr["worth"] == "setting").all() and (allr["n"] == 3).all()
    ft = found.frame.query("series == 'ft'")
    assert (ft["k"].tolist(), ft["mean"].tolist()) == ([1], [0.5])
    figure = best_of_k_figure(found)
    assert [trace.name for trace in figure.data] == ["FT", "ALLR"]
    assert figure.layout.xaxis.title.text == "settings tried (count)"


def test_of_one_seed_the_best_of_k_is_a_network_in_hand() -> None:
    frame = grid(
        {("allr", d): [d] for d in (0.1, 0.2, 0.3)}, "retrain.schedule", "retrain.discount"
    )
    confirmed = trials({"retrain.discount": 0.3, "seed": 1, "val": 0.9, "fingerprint": "c"})
    found = best_of_k_table(pd.concat([frame, confirmed]), by="retrain.schedule")
    assert found.frame["mean"].tolist() == pytest.approx([0.2, (2 * 0.3 + 0.2) / 3, 0.3])
    assert (found.frame["worth"] == "network").all() and (found.frame["n"] == 3).all()
    assert any("By its luck" in note or "by its luck" in note for note in found.notes)


def test_without_several_settings_there_is_no_best_of_k() -> None:
    table = best_of_k_table(grid({("ft",): [0.9], ("llr",): [0.8]}, "retrain.schedule"))
    assert table.notes == ("No schedule was tried in several ways at one sparsity and budget.",)
    assert not best_of_k_figure(table).data

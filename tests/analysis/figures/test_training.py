"""Learning rates, learning curves and layers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.courses.curves import learning_curves_figure, learning_curves_table
from analysis.courses.schedules import rates_table, schedules_figure, schedules_table
from analysis.figures import source_frame
from analysis.figures.layers import layers_figure, layers_table
from analysis.frames.study_frames import read
from tests.analysis import synthetic
from tests.analysis.hand_made import grid, trials
from trainables.formulas.dense_schedules import dense_rates
from trainables.formulas.schedules import retrain_rates


def test_rates_by_value() -> None:
    table = rates_table([0.2, 0.1], {"ft": [0.1], "lrw": [0.2, 0.1]}, steps_per_epoch=2)
    rows = [tuple(row) for row in table.frame[["series", "epoch", "lr"]].to_numpy()]
    assert rows == [
        ("dense", 0.0, 0.2), ("dense", 0.5, 0.1), ("dense", 1.0, 0.1),
        ("ft", 1.0, 0.1), ("ft", 1.5, 0.1),
        ("lrw", 1.0, 0.2), ("lrw", 1.5, 0.1), ("lrw", 2.0, 0.1),
    ]  # fmt: skip
    assert table.frame["d"].isna().all()


def test_rates_of_a_long_run_stay_small_and_keep_their_jumps() -> None:
    """90 epochs of 5,005 steps, as on ImageNet."""
    steps = 90 * 5005
    dense = dense_rates(
        "multistep", lr=0.1, steps=steps, steps_per_epoch=5005, milestones=(30, 60, 80)
    )
    retrain = {"slr": retrain_rates("slr", steps=10 * 5005, dense=dense)}
    table = rates_table(dense, retrain, steps_per_epoch=5005)
    assert len(table.frame) < 2000
    own = table.frame[table.frame["series"] == "dense"].set_index("epoch")["lr"]
    for epoch, before, after in ((30, 0.1, 0.01), (60, 0.01, 0.001)):
        assert own[epoch] == pytest.approx(after)
        assert own[epoch - 1 / 5005] == pytest.approx(before)
    slr = table.frame[table.frame["series"] == "slr"]["lr"]
    assert slr.max() == pytest.approx(0.1)


def schedule_trials() -> pd.DataFrame:
    """Digits in batches of 64: 21 steps an epoch."""
    frame = grid({("ft",): [0.9], ("allr",): [0.9]}, "retrain.schedule")
    return frame.assign(d_adaptive=[0.4, 0.6])


def test_schedules_show_every_schedule_behind_the_dense_run() -> None:
    table = schedules_table(schedule_trials())
    series = ["dense", "ft", "lrw", "slr", "clr", "llr", "allr"]
    assert list(dict.fromkeys(table.frame["series"])) == series
    assert table.frame[table.frame["series"] == "dense"]["epoch"].max() == 20
    allr = table.frame[table.frame["series"] == "allr"]
    assert allr["d"].unique().tolist() == [0.5]
    assert allr["lr"].max() == pytest.approx(0.05)
    assert allr["epoch"].min() == 20
    assert allr["epoch"].max() == 22


def test_schedules_of_the_last_of_several_cycles() -> None:
    frame = schedule_trials().assign(**{"prune.cycles": 2, "retrain.epochs": 5.0})
    table = schedules_table(frame)
    assert table.frame[table.frame["series"] == "ft"]["epoch"].max() == 23
    assert "Of 2 cycles the last is shown." in table.notes


def test_of_several_dense_runs_one_trial_s_is_drawn() -> None:
    frame = grid({("allr", 0.1): [0.9], ("allr", 0.2): [0.95]}, "retrain.schedule", "dense.lr")
    table = schedules_table(frame.assign(d_adaptive=[0.4, 0.6]))
    allr = table.frame[table.frame["series"] == "allr"]
    assert allr["d"].unique().tolist() == [0.6]
    assert table.frame[table.frame["series"] == "llr"]["lr"].max() == pytest.approx(0.2)
    said = "Trials here differ in dense learning rate; drawn is the best on validation."
    assert said in table.notes
    assert not any("differ in" in note for note in schedules_table(schedule_trials()).notes)


def test_a_schedule_that_cannot_be_is_said() -> None:
    frame = schedule_trials().assign(**{"retrain.epochs": 30.0})
    table = schedules_table(frame)
    assert "lrw" not in set(table.frame["series"])
    assert "lrw cannot retrain for longer than the dense run." in table.notes


def test_without_a_recorded_discount_allr_is_not_shown() -> None:
    table = schedules_table(schedule_trials().drop(columns="d_adaptive"))
    assert "allr" not in set(table.frame["series"])
    assert any("ALLR is not shown" in note for note in table.notes)


def test_a_tunable_schedule_is_shown_with_its_own_peak() -> None:
    frame = trials({"retrain.schedule": "cosine", "retrain.init": 0.03, "retrain.warmup": 0.2})
    table = schedules_table(frame)
    assert table.frame[table.frame["series"] == "cosine"]["lr"].max() == pytest.approx(0.03)


def test_an_unknown_data_set_is_said() -> None:
    table = schedules_table(schedule_trials().assign(**{"task.dataset": "elsewhere"}))
    assert table.frame.empty
    assert "not known" in table.notes[0]


def test_schedules_figure() -> None:
    figure = schedules_figure(schedules_table(schedule_trials()))
    names = [trace.name for trace in figure.data]
    assert names == ["dense run", "FT", "LRW", "SLR", "CLR", "LLR", "ALLR, d = 0.5"]
    assert [trace.xaxis for trace in figure.data] == ["x"] + ["x2"] * 6
    assert figure.layout.xaxis.title.text == "dense (epochs)"
    assert figure.layout.xaxis2.title.text == "retraining (epochs)"
    assert figure.layout.yaxis.title.text == "learning rate (no unit)"


def curves() -> pd.DataFrame:
    """Two seeds of ft, two dense epochs and two cycles of one epoch; a third seed failed."""
    rows = []
    for seed in (0, 1, 2):
        for total, (cycle, value) in enumerate(((0, 0.5), (0, 0.9), (1, 0.7), (2, 0.8))):
            rows.append(
                {"study": "s", "fingerprint": f"f{seed}", "total_epoch": total, "cycle": cycle,
                 "phase": "retrain" if cycle else "dense", "lr": 0.1 / (total + 1),
                 "val_accuracy": value + 0.02 * seed, "seed": seed,
                 "state": "done" if seed < 2 else "failed", "retrain.schedule": "ft",
                 "method": "imp", "prune.sparsity": 0.9, "retrain.epochs": 2.0,
                 "task.dataset": "digits", "task.model": "cnn"}
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_learning_curves_by_value() -> None:
    table = learning_curves_table(curves())
    assert table.frame["trained"].tolist() == [1, 2, 3, 4]
    assert table.frame["cycle"].tolist() == [0, 0, 1, 2]
    assert table.frame["mean"].tolist() == pytest.approx([0.51, 0.91, 0.71, 0.81])
    assert table.frame["std"].tolist() == pytest.approx([0.02 / math.sqrt(2)] * 4)
    assert table.frame["n"].unique().tolist() == [2]
    assert "Left out: 1 of 3 trials that did not end as done." in table.notes


def test_learning_curves_figure_marks_cycles_and_shows_rates_below() -> None:
    figure = learning_curves_figure(learning_curves_table(curves()))
    by_axes = {(trace.xaxis, trace.yaxis): trace for trace in figure.data if trace.fill is None}
    assert set(by_axes) == {("x", "y"), ("x", "y3"), ("x2", "y2"), ("x2", "y4")}
    assert by_axes["x", "y"].name == "dense run"
    assert list(by_axes["x2", "y2"].y) == pytest.approx([91, 71, 81])  # from the dense run's end
    assert list(by_axes["x2", "y4"].x) == [2, 3]
    assert [shape.x0 for shape in figure.layout.shapes] == [3]
    assert figure.layout.yaxis.title.text == "validation accuracy (%)"
    assert figure.layout.xaxis2.title.text == "retraining (epochs)"


def test_one_seed_has_a_curve_without_spread() -> None:
    frame = curves()
    table = learning_curves_table(frame[frame["seed"] == 0])
    assert table.frame["std"].isna().all()
    assert len(learning_curves_figure(table).data) == 6


def test_curves_from_scratch_have_one_panel() -> None:
    frame = curves().assign(cycle=0, method="gmp")
    figure = learning_curves_figure(learning_curves_table(frame))
    assert figure.layout.xaxis.title.text == "training so far (epochs)"
    assert {trace.xaxis for trace in figure.data} == {"x"}


def test_a_long_curve_is_thinned() -> None:
    n = 5000
    frame = pd.concat([curves().iloc[:1]] * n, ignore_index=True)
    frame["total_epoch"] = np.arange(n)
    frame["val_accuracy"] = np.linspace(0.1, 0.9, n)
    table = learning_curves_table(frame)
    assert len(table.frame) < 2500
    assert table.frame["trained"].iloc[[0, -1]].tolist() == [1, n]


def layers() -> pd.DataFrame:
    """Two structures at 90 %; the layers out of order; one trial diverged."""
    rows = []
    for structure, share in (("weights", 0.9), ("filters", 0.5)):
        for seed in (0, 1, 2):
            for layer, add in (("conv10.weight", 0.04), ("conv2.weight", 0.0)):
                rows.append(
                    {"study": "s", "fingerprint": f"{structure}{seed}", "layer": layer,
                     "layer_sparsity": share + add + 0.02 * seed, "prune.structure": structure,
                     "prune.sparsity": 0.9, "seed": seed, "method": "imp",
                     "state": "diverged" if seed == 2 else "done", "retrain.epochs": 1.0}
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_layers_by_value() -> None:
    table = layers_table(layers())
    assert table.frame["layer"].tolist() == ["conv2.weight", "conv10.weight"] * 2
    assert table.frame["series"].tolist() == ["filters"] * 2 + ["weights"] * 2
    assert table.frame["mean"].tolist() == pytest.approx([0.51, 0.55, 0.91, 0.95])
    assert table.frame["n"].unique().tolist() == [2]


def test_layers_take_the_sparsity_where_both_structures_met() -> None:
    frame = layers()
    alone = frame[frame["prune.structure"] == "weights"].assign(**{"prune.sparsity": 0.99})
    alone["fingerprint"] += "x"
    table = layers_table(pd.concat([frame, alone], ignore_index=True))
    assert table.at == {"prune.sparsity": 0.9}
    asked = layers_table(pd.concat([frame, alone]), at={"prune.sparsity": 0.99})
    assert asked.frame["series"].unique().tolist() == ["weights"]
    assert any("Only one" in note for note in asked.notes)


def test_layers_are_those_of_the_configuration_that_stands_for_a_series() -> None:
    """Of two scopes of one structure the better on validation is shown, not the mean of both."""
    frame = layers().assign(val_accuracy=0.9, **{"prune.scope": "global"})
    worse = frame[frame["prune.structure"] == "weights"].assign(
        val_accuracy=0.8, layer_sparsity=0.1, **{"prune.scope": "layer"}
    )
    worse["fingerprint"] += "x"
    both = pd.concat([worse, frame], ignore_index=True)
    table = layers_table(both)
    assert table.frame["mean"].tolist() == pytest.approx([0.51, 0.55, 0.91, 0.95])
    assert any("several configurations" in note for note in table.notes)
    # Of one structure alone, what varies is compared.
    alone = layers_table(both[both["prune.structure"] == "weights"])
    assert alone.by == "prune.scope"
    assert alone.frame.groupby("series")["mean"].max().to_dict() == {
        "global": pytest.approx(0.95), "layer": pytest.approx(0.1)
    }  # fmt: skip


def test_layers_figure() -> None:
    figure = layers_figure(layers_table(layers()))
    assert [trace.name for trace in figure.data] == ["weights", "filters"]
    assert list(figure.data[0].x) == pytest.approx([91.0, 95.0])
    assert figure.layout.xaxis.title.text == "sparsity of the layer (%)"
    assert list(figure.layout.yaxis.categoryarray) == ["conv2.weight", "conv10.weight"]


def test_curves_and_layers_of_a_real_folder(tmp_path: Path) -> None:
    points = synthetic.schedules(seeds=(0, 1), sparsities=(0.9,), epochs=(3.0,))
    study = read(synthetic.write(tmp_path / "study", points))
    table = learning_curves_table(source_frame(study, "epochs"))
    assert set(table.frame["series"]) == set(synthetic.SCHEDULES)
    assert table.frame.groupby("series")["trained"].max().unique().tolist() == [23]
    by_layer = layers_table(source_frame(study, "layers"))
    assert set(by_layer.frame["series"]) == set(synthetic.SCHEDULES)
    assert len(by_layer.frame) == len(synthetic.LAYERS) * len(synthetic.SCHEDULES)

"""What a search leaves: fronts, importances, slices, contours, its course."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.drawing import theme
from analysis.figures.contour import contour_figure, contour_table
from analysis.figures.history import history_figure, history_table
from analysis.figures.parallel import parallel_figure, parallel_table
from analysis.figures.slice import slice_figure, slice_table
from analysis.fronts.axes import directions
from analysis.fronts.pareto import pareto_figure, pareto_table
from analysis.stats import TestSelectionError
from tests.analysis.hand_made import grid, trials


def test_directions_come_from_the_schema_or_are_given() -> None:
    assert directions(("val_accuracy", "epochs")) == {"val_accuracy": "max", "epochs": "min"}
    assert directions({"val_accuracy": "max", "sparsity": "max"})["sparsity"] == "max"
    with pytest.raises(ValueError, match="objective sparsity needs a direction"):
        directions(("val_accuracy", "sparsity"))
    with pytest.raises(TestSelectionError, match="test_accuracy"):
        directions(("test_accuracy", "epochs"))


def front() -> pd.DataFrame:
    frame = grid(
        {(0.8,): [0.95, 0.97], (0.9,): [0.92, 0.92], (0.85,): [0.90, 0.90], (0.95,): [0.6, None]},
        "prune.sparsity",
    )  # fmt: skip
    speed = {0.8: 4.0, 0.85: 5.0, 0.9: 8.0, 0.95: 16.0}
    return frame.assign(theoretical_speedup=frame["prune.sparsity"].map(speed))


def test_pareto_by_value() -> None:
    table = pareto_table(front()).frame.set_index("prune.sparsity")
    # 0.95 has the highest speedup, but one of its seeds failed.
    assert table["front"].to_dict() == {0.8: True, 0.9: True, 0.85: False, 0.95: False}
    assert table["val_accuracy"].to_dict() == {
        0.8: pytest.approx(0.96), 0.9: pytest.approx(0.92), 0.85: pytest.approx(0.9),
        0.95: pytest.approx(0.6),
    }  # fmt: skip
    assert table["n"].to_dict() == {0.8: 2, 0.9: 2, 0.85: 2, 0.95: 1}


def test_pareto_figure() -> None:
    figure = pareto_figure(pareto_table(front()))
    points, line, key, *sizes = figure.data
    assert (points.showlegend, key.showlegend, key.name) == (False, True, points.name)
    assert key.marker.opacity is None
    assert [trace.name for trace in sizes] == ["on the front", "beaten by another"]
    assert list(line.x) == [4.0, 8.0]
    assert list(line.y) == pytest.approx([96.0, 92.0])
    assert len(points.x) == 4
    assert figure.layout.xaxis.title.text == "theoretical speedup (times, more is better)"
    assert figure.layout.yaxis.title.text == "validation accuracy (%, more is better)"


def test_a_front_of_one_objective_is_refused_in_words() -> None:
    table = pareto_table(front(), y="theoretical_speedup", x="theoretical_speedup")
    assert table.frame.empty
    assert "these are the same" in table.notes[0]
    assert not pareto_figure(table).data


def test_parallel_by_value() -> None:
    frame = front().assign(**{"retrain.budget": front()["retrain.epochs"] / 20})
    table = parallel_table(frame)
    assert list(table.frame.columns) == ["prune.sparsity", "val_accuracy", "n"]
    assert table.frame["prune.sparsity"].tolist() == [0.95, 0.85, 0.9, 0.8]
    figure = parallel_figure(table)
    dimensions = figure.data[0].dimensions
    assert [d.label for d in dimensions] == ["sparsity (%)", "validation accuracy (%)"]
    assert list(dimensions[0].values) == pytest.approx([95, 85, 90, 80])


def test_parallel_places_words_and_missing_settings() -> None:
    frame = trials(
        {"retrain.schedule": "allr", "retrain.discount": 0.5},
        {"retrain.schedule": "ft", "retrain.discount": None},
        {"retrain.schedule": "allr", "retrain.discount": "adaptive"},
    )
    figure = parallel_figure(parallel_table(frame))
    by_label = {d.label: d for d in figure.data[0].dimensions}
    assert list(by_label["discount d"].ticktext) == ["0.5", "adaptive", "not set"]
    assert list(by_label["schedule"].ticktext) == ["FT", "ALLR"]


def test_parallel_of_equal_configurations_is_said() -> None:
    figure = parallel_figure(parallel_table(trials({})))
    assert "the same" in figure.layout.annotations[0].text


def searched(n: int, sparsities: tuple[float, ...] = (0.9,)) -> pd.DataFrame:
    """A search in which the learning rate decides and the warm-up does nothing."""
    rng = np.random.default_rng(0)
    rows = []
    for sparsity in sparsities:
        for number in range(n):
            lr, warmup = rng.uniform(0.01, 1), rng.uniform(0, 0.5)
            rows += [
                {"prune.sparsity": sparsity, "dense.lr": lr, "retrain.warmup": warmup,
                 "val": 0.9 - (lr - 0.4) ** 2 + 0.001 * seed, "seed": seed,
                 "origin.number": number, "origin.block": f"prune.sparsity={sparsity}"}
                for seed in (0, 1)
            ]  # fmt: skip
    return trials(*rows)


def test_slice_by_value() -> None:
    frame = grid(
        {(0.1,): [0.8, 0.9], (0.5,): [0.95, None], ("adaptive",): [0.9, 0.9], (0.7,): [0.7]},
        "retrain.discount",
    )  # fmt: skip
    table = slice_table(frame, x="retrain.discount")
    assert table.frame["x"].tolist() == [0.1, 0.5, 0.7]
    assert table.frame["value"].tolist() == pytest.approx([0.85, 0.95, 0.7])
    assert table.frame["n"].tolist() == [2, 1, 1]
    figure = slice_figure(table)
    assert figure.layout.xaxis.title.text == "discount d (share of the top rate)"
    assert figure.layout.yaxis.title.text == "validation accuracy (%)"


def test_slice_over_two_orders_of_magnitude_is_logarithmic() -> None:
    frame = grid({(0.001,): [0.8], (0.01,): [0.9], (0.1,): [0.7]}, "dense.lr")
    assert slice_figure(slice_table(frame)).layout.xaxis.type == "log"


def test_slice_without_numbers_is_said() -> None:
    table = slice_table(trials({}, {"retrain.schedule": "ft"}))
    assert table.frame.empty
    assert "No setting takes more than two numbers" in table.notes[0]


def test_contour_by_value() -> None:
    table = contour_table(searched(10), x="dense.lr", y="retrain.warmup")
    assert len(table.frame) == 10
    assert table.frame["n"].unique().tolist() == [2]
    figure = contour_figure(table)
    assert [trace.type for trace in figure.data] == ["contour", "scatter"]
    assert figure.layout.yaxis.title.text == "warm-up (% of the cycle's steps)"


def test_contour_of_points_on_a_line_has_no_surface() -> None:
    frame = grid({(i / 20, i / 10): [0.5 + i / 30] for i in range(1, 10)}, "dense.lr",
                 "retrain.warmup")  # fmt: skip
    table = contour_table(frame, x="dense.lr", y="retrain.warmup")
    assert [trace.type for trace in contour_figure(table).data] == ["scatter"]


def test_contour_needs_two_settings() -> None:
    table = contour_table(grid({(0.1,): [0.8], (0.2,): [0.9], (0.3,): [0.7]}, "dense.lr"))
    assert table.frame.empty
    assert not contour_figure(table).data


def test_history_by_value() -> None:
    asked: list[list[float | None]] = [[0.8, 0.9], [0.7, 0.7], [0.99, None], [0.9, 0.92]]
    rows: list[dict[str, Any]] = []
    for number, found in enumerate(asked):
        for seed, value in enumerate(found):
            end: dict[str, Any] = {"state": "failed"} if value is None else {"val": value}
            place = {"origin.number": number, "seed": seed, "dense.lr": 0.1 * (number + 1)}
            rows.append({**place, **end})
    table = history_table(trials(*rows))
    assert table.frame["value"].tolist() == pytest.approx([0.85, 0.7, 0.99, 0.91])
    assert table.frame["best"].tolist() == pytest.approx([0.85, 0.85, 0.85, 0.91])
    assert table.frame["n"].tolist() == [2, 2, 1, 2]
    assert table.frame["n_fallen"].tolist() == [0, 0, 1, 0]
    figure = history_figure(table)
    assert figure.layout.xaxis.title.text == "configuration asked for (count, from 0)"
    assert list(figure.data[1].y) == pytest.approx([85, 85, 85, 91])


def test_history_of_a_loss_goes_down() -> None:
    frame = searched(5).assign(val_loss=[v for v in (3, 2, 4, 1, 5) for _ in (0, 1)])
    assert history_table(frame, metric="val_loss").frame["best"].tolist() == [3, 2, 2, 1, 1]


def test_history_keeps_blocks_apart() -> None:
    table = history_table(searched(3, (0.9, 0.95)))
    assert table.frame["block"].tolist() == ["90 % sparse"] * 3 + ["95 % sparse"] * 3
    figure = history_figure(table)
    assert [t.name for t in figure.data if t.showlegend is not False] == [
        "90 % sparse", "95 % sparse", "best so far",
    ]  # fmt: skip
    levels = theme.styles([0.9, 0.95], "prune.sparsity")
    assert [t.marker.color for t in figure.data[:4:2]] == [style.color for style in levels.values()]


def test_history_before_anything_is_done() -> None:
    table = history_table(trials({"origin.number": 0, "state": "diverged"}))
    assert math.isnan(table.frame["best"].iloc[0])
    assert not history_figure(table).data
    with pytest.raises(TestSelectionError):
        history_table(searched(3), metric="test_accuracy")


def test_searches_of_several_methods_at_one_sparsity_stay_apart() -> None:
    rows = [
        {"method": method, "origin.search": key, "origin.block": "prune.sparsity=0.9",
         "origin.number": number, "dense.lr": lr, "val": value}
        for method, key, values in (("gmp", "k1", [0.7, 0.6]), ("lc", "k2", [0.4, 0.5]))
        for number, (lr, value) in enumerate(zip((0.1, 0.2), values, strict=True))
    ]  # fmt: skip
    table = history_table(trials(*rows))
    blocks = table.frame["block"].unique().tolist()
    assert blocks == ["gmp, 90 % sparse", "lc, 90 % sparse"]
    assert table.frame["best"].tolist() == [0.7, 0.7, 0.4, 0.5]
    same = trials(*({**row, "method": "gmp"} for row in rows))
    assert history_table(same).frame["block"].unique().tolist() == [
        "90 % sparse (search 1)", "90 % sparse (search 2)",
    ]  # fmt: skip


def test_many_searches_have_no_legend() -> None:
    table = history_table(searched(2, tuple(0.5 + 0.04 * n for n in range(11))))
    named = [t.name for t in history_figure(table).data if t.showlegend is not False]
    assert named == ["best so far"]
    assert any("11 searches" in note for note in table.notes)


def test_parallel_sets_many_numbers_by_their_size_and_words_below() -> None:
    rates: list[Any] = [10.0**-n for n in range(8)]
    frame = trials(*({"dense.lr": lr} for lr in rates), {"dense.lr": None}, {"dense.lr": "auto"})
    (axis, _) = parallel_figure(parallel_table(frame)).data[0].dimensions
    places = dict(zip(parallel_table(frame).frame["dense.lr"], axis.values, strict=True))
    assert [places[rate] for rate in rates] == pytest.approx([-n for n in range(8)])
    assert axis.ticktext[0] == "1e−07" and axis.ticktext[5] == "1"
    assert list(axis.ticktext[6:]) == ["auto", "not set"]
    assert places["auto"] < -7 and max(axis.tickvals[6:]) < -7


def test_pareto_of_several_tasks_says_that_they_do_not_compare() -> None:
    mixed = pd.concat([front(), front().assign(**{"task.dataset": "mnist", "fingerprint": "m"})])
    assert any("do not compare" in note for note in pareto_table(mixed).notes)
    assert not any("do not compare" in note for note in pareto_table(front()).notes)


def test_what_is_not_on_the_front_keeps_no_other_off_it() -> None:
    frame = grid({(0.1,): [0.99, None], (0.2,): [0.9, 0.9], (0.3,): [0.8, 0.8]}, "dense.lr")
    frame["theoretical_speedup"] = [9.0, 9.0, 2.0, 2.0, 1.0, 1.0]
    table = pareto_table(frame).frame.set_index("dense.lr")
    assert table["front"].to_dict() == {0.1: False, 0.2: True, 0.3: False}
    searched_ones = frame.assign(**{"origin.block": "b"})
    searched_ones["origin.beyond"] = [0.0, 0.0, 0.0, 0.1, 0.0, 0.0]
    bounded = pareto_table(searched_ones).frame.set_index("dense.lr")
    assert bounded["front"].to_dict() == {0.1: False, 0.2: False, 0.3: True}
    none_within = searched_ones.assign(**{"origin.beyond": 0.1})
    assert pareto_table(none_within).frame.set_index("dense.lr")["front"].to_dict() == {
        0.1: False, 0.2: True, 0.3: False
    }  # fmt: skip


def test_the_best_so_far_does_not_climb_beyond_the_bounds() -> None:
    frame = searched(4).assign(val_accuracy=[v for v in (0.5, 0.9, 0.6, 0.95) for _ in (0, 1)])
    frame["origin.beyond"] = [0.0, 0.0, 0.0, 0.1, 0.0, 0.0, 0.2, 0.2]
    table = history_table(frame)
    assert table.frame["value"].tolist() == pytest.approx([0.5, 0.9, 0.6, 0.95])
    assert table.frame["best"].tolist() == pytest.approx([0.5, 0.5, 0.6, 0.6])
    assert any("bounds" in note for note in table.notes)
    none_within = history_table(frame.assign(**{"origin.beyond": 0.1}))
    assert none_within.frame["best"].tolist() == pytest.approx([0.5, 0.9, 0.9, 0.95])
    assert not any("bounds" in note for note in none_within.notes)

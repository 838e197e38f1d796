"""What the figures are made of: labels, blocks, stand-ins, thinning."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.columns import labels
from analysis.drawing import canvas
from analysis.drawing.thin import kept_points
from analysis.selection import blocks
from tests.analysis.hand_made import NAN, grid, trials


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<b>x</b> & y", "&lt;b&gt;x&lt;/b&gt; &amp; y"),
        ("two\nlines", "two lines"),
        ("x" * 80, "x" * 59 + "…"),
    ],
)
def test_escape(text: str, said: str) -> None:
    assert labels.escape(text) == said


@given(st.text())
def test_escaped_text_holds_no_tag(text: str) -> None:
    said = labels.escape(text)
    assert "<" not in said
    assert ">" not in said


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("prune.sparsity", 0.9, "90 %"),
        ("prune.sparsity", 0.995, "99.5 %"),
        ("retrain.epochs", 1.0, "1 epoch"),
        ("retrain.epochs", 3.0, "3 epochs"),
        ("retrain.epochs", np.int64(3), "3 epochs"),
        ("test_accuracy", 0.97125, "97.12 %"),
        ("retrain.schedule", "<b>", "&lt;b&gt;"),
        ("retrain.schedule", None, "–"),
        ("val_loss", NAN, "–"),
        ("train_s", 2.5, "2.5 s"),
        ("compute.compile", True, "True"),
    ],
)
def test_shown(column: str, value: object, said: str) -> None:
    assert labels.shown(column, value) == said


@pytest.mark.parametrize(
    ("column", "title"),
    [
        ("test_accuracy", "test accuracy (%)"),
        ("val_loss", "validation loss (nats)"),
        ("sparsity_all_parameters", "sparsity of all parameters (%)"),
        ("train_images_per_s", "training speed (images/s)"),
        ("n_parameters", "parameters (count)"),
        ("d1", "d1 (ratio)"),
        ("retrain.budget", "retraining (% of the dense epochs)"),
        ("dense.momentum", "dense.momentum (as configured)"),
    ],
)
def test_axis_titles_have_units(column: str, title: str) -> None:
    assert labels.axis_title(column) == title


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0123, "+1.23"), (-0.0123, "−1.23"), (0.00001, "0.00"), (-0.00001, "0.00"), (NAN, "–")],
)
def test_points(value: float, said: str) -> None:
    assert labels.points(value) == said


def test_names_and_values_with_braces_stand_in_a_place_as_they_are() -> None:
    at = {"task.model.{0}": "{x}", "prune.sparsity": 0.9, "task.dataset": "a{}b"}
    assert labels.place(at) == "task.model.{0} {x}, 90 % sparse, a{}b"


def test_number() -> None:
    assert labels.number(12345.0) == "12 345"
    assert labels.number(-0.5) == "−0.5"
    assert labels.number(math.inf) == "–"
    assert labels.label(1.0) == "1"


def test_series_are_methods_before_schedules() -> None:
    both = trials({"method": "imp"}, {"method": "bimp", "retrain.schedule": "llr"})
    assert blocks.series_column(both) == "method"
    schedules = trials({"retrain.schedule": "ft"}, {"retrain.schedule": "llr"})
    assert blocks.series_column(schedules) == "retrain.schedule"
    structures = trials({"prune.structure": "filters"}, {})
    assert blocks.series_column(structures) == "prune.structure"
    assert blocks.series_column(trials({})) == "method"


def test_budget_is_retraining_unless_a_method_has_one_budget() -> None:
    assert blocks.budget_column(trials({})) == "retrain.epochs"
    frame = trials(
        {"retrain.epochs": 3.0},
        {"method": "gmp", "budget.epochs": 23.0, "retrain.epochs": NAN, "dense.epochs": NAN},
    )
    assert blocks.budget_column(frame) == "budget.epochs"
    assert blocks.comparable(frame)["budget.epochs"].tolist() == [23.0, 23.0]


def test_a_trial_in_two_studies_counts_once() -> None:
    frame = trials({}, {"study": "other"})
    frame["fingerprint"] = "same"
    assert len(blocks.comparable(frame)) == 1


def test_of_a_trial_in_two_studies_the_done_copy_counts() -> None:
    frame = trials({"state": "failed"}, {"study": "other", "val": 0.9})
    relabelled = frame.assign(fingerprint=["small/same", "other/same"])
    frame["fingerprint"] = "same"
    assert blocks.comparable(frame)["val_accuracy"].tolist() == [0.9]
    assert len(blocks.comparable(relabelled)) == 2


def test_blocks_hold_what_varies_of_the_task() -> None:
    one = trials({}, {"prune.sparsity": 0.95})
    assert blocks.block_columns(one, "retrain.schedule") == ["prune.sparsity", "retrain.epochs"]
    two = trials({}, {"task.model": "mlp"})
    assert blocks.block_columns(two, "retrain.schedule")[0] == "task.model"


def test_default_block_has_most_trials_then_the_highest_values() -> None:
    frame = grid(
        {(0.8, 1.0): [0.9, 0.9], (0.9, 1.0): [0.9, 0.9, 0.9], (0.95, 2.0): [0.9, 0.9, 0.9]},
        "prune.sparsity", "retrain.epochs",
    )  # fmt: skip
    columns = ["prune.sparsity", "retrain.epochs"]
    assert blocks.block_of(frame, columns, None) == {"prune.sparsity": 0.95, "retrain.epochs": 2.0}
    given_one = blocks.block_of(frame, columns, {"prune.sparsity": 0.9})
    assert given_one == {"prune.sparsity": 0.9, "retrain.epochs": 1.0}
    with pytest.raises(ValueError, match=r"unknown column 'prune\.sparsty'"):
        blocks.block_of(frame, columns, {"prune.sparsty": 0.9})


def test_the_best_on_validation_stands_for_a_series() -> None:
    frame = grid(
        {("allr", 0.1): [0.90, 0.92], ("allr", 0.5): [0.95, 0.91], ("llr", NAN): [0.8, 0.8]},
        "retrain.schedule", "retrain.discount",
    )  # fmt: skip
    frame.loc[frame["retrain.discount"] == 0.1, "test_accuracy"] = 0.99
    chosen = blocks.stand_ins(frame, "retrain.schedule", ["prune.sparsity"])
    assert chosen.groupby("retrain.schedule")["val_accuracy"].mean().to_dict() == {
        "allr": pytest.approx(0.93), "llr": pytest.approx(0.8)
    }  # fmt: skip
    assert chosen.groupby("retrain.schedule")["n_configurations"].first().to_dict() == {
        "allr": 2, "llr": 1
    }  # fmt: skip


def test_a_configuration_that_lost_a_seed_does_not_stand_before_a_whole_one() -> None:
    frame = grid(
        {("allr", 0.1): [0.99, None], ("allr", 0.5): [0.90, 0.90]},
        "retrain.schedule", "retrain.discount",
    )  # fmt: skip
    chosen = blocks.stand_ins(frame, "retrain.schedule", ["prune.sparsity"])
    assert chosen["retrain.discount"].unique().tolist() == [0.5]


def test_stand_ins_need_validation() -> None:
    frame = trials({}).drop(columns="val_accuracy")
    with pytest.raises(ValueError, match="val_accuracy"):
        blocks.stand_ins(frame, "retrain.schedule", ["prune.sparsity"])


def test_means_count_what_fell_out() -> None:
    frame = grid({("ft",): [0.9, 0.94, None]}, "retrain.schedule")
    (row,) = blocks.tuples(blocks.means(frame, ["retrain.schedule"], "val_accuracy"))
    assert (row.mean, row.n, row.n_failed, row.n_diverged) == (pytest.approx(0.92), 2, 1, 0)
    assert row.std == pytest.approx(0.04 / math.sqrt(2))


def test_one_seed_has_no_interval() -> None:
    frame = grid({("ft",): [0.9]}, "retrain.schedule")
    (row,) = blocks.tuples(blocks.means(frame, ["retrain.schedule"], "val_accuracy"))
    assert row.n == 1
    assert math.isnan(row.lo)
    assert math.isnan(row.std)


def test_notes_gather() -> None:
    table = blocks.noted(blocks.noted(pd.DataFrame(), "One."), "", "Two.")
    assert blocks.notes(table) == ["One.", "Two."]


def test_scatter_changes_to_webgl_beyond_the_limit() -> None:
    assert isinstance(canvas.scatter(15_000), go.Scatter)
    assert isinstance(canvas.scatter(15_001), go.Scattergl)


def test_a_blank_figure_says_why() -> None:
    figure = canvas.blank("Title", ["Nothing was recorded."])
    assert not figure.data
    assert figure.layout.annotations[0].text == "Nothing was recorded."


def test_sparsities_are_spaced_by_compression() -> None:
    axis = canvas.sparsity_axis([0.9, 0.8, 0.9])
    assert axis["type"] == "log"
    assert axis["tickvals"] == pytest.approx([5.0, 10.0])
    assert axis["ticktext"] == ["80", "90"]


def test_of_sparsities_that_crowd_some_have_a_tick() -> None:
    axis = canvas.sparsity_axis([0.5, 0.9, 0.98, 0.9801, 0.9802, 0.99])
    assert axis["ticktext"] == ["50", "90", "98", "99"]
    near_the_last = canvas.sparsity_axis([0.5, 0.9, 0.9899, 0.99])
    assert near_the_last["ticktext"] == ["50", "90", "99"]


def named_points(n: int) -> go.Figure:
    figure = canvas.canvas("Title", subtitle="90 % &lt;sparse&gt;")
    for i in range(n):
        figure.add_scatter(x=[i], y=[i], name=f"{i}")
    return figure


def test_a_legend_of_many_names_a_few_and_says_so() -> None:
    few, many = named_points(12), named_points(15)
    canvas.brief_legend(few)
    canvas.brief_legend(many)
    assert all(trace.showlegend is None for trace in few.data)
    assert [t.name for t in many.data if t.showlegend] == [
        "0", "2", "4", "6", "8", "10", "12", "14",
    ]  # fmt: skip
    assert many.layout.legend.title.text == "8 of 15:"


def test_ratios_that_span_much_have_a_logarithmic_axis() -> None:
    assert canvas.ratio_axis([5.0, 99.0]) == {}
    assert canvas.ratio_axis([0.0, 99.0]) == {}
    axis = canvas.ratio_axis([5.0, 100.0])
    assert axis["type"] == "log"
    assert axis["ticktext"][:7] == ["1", "2", "5", "10", "20", "50", "100"]
    assert axis["tickvals"][:7] == pytest.approx([1, 2, 5, 10, 20, 50, 100])


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("prune.sparsity", "%"),
        ("dense.momentum", ""),
        ("dense.lr", ""),
        ("d", "share"),
        ("epochs", "epochs"),
    ],
)
def test_short_units(column: str, said: str) -> None:
    assert labels.sign(column) == said


def test_a_page_has_the_title_as_text_and_room_for_a_legend() -> None:
    one, two = canvas.untitled(named_points(1)), canvas.untitled(named_points(2))
    assert (one.subtitle, one.said, one.height) == ("90 % <sparse>", "", 460 - canvas.TITLE)
    assert not {"title", "template"} & set(one.layout)
    assert one.layout["margin"]["b"] < canvas.LEGEND == two.layout["margin"]["b"]
    asked = named_points(1)
    asked.data[0].showlegend = True
    assert canvas.untitled(asked).layout["margin"]["b"] == canvas.LEGEND
    assert canvas.untitled(asked.update_layout(showlegend=False)).layout["margin"]["b"] == 60
    assert canvas.untitled(canvas.blank("Title", ["All of a &lt; b"])).said == "All of a < b"


def test_a_long_series_keeps_its_jumps() -> None:
    values = np.concatenate([np.full(70_000, 0.1), np.full(200_000, 0.01), np.full(30_000, 0.001)])
    kept = kept_points(values)
    assert len(kept) < 700
    assert {0, 69_999, 70_000, 269_999, 270_000, 299_999} <= set(kept.tolist())


def test_a_short_series_is_kept_whole() -> None:
    assert kept_points([3.0, 1.0, 2.0]).tolist() == [0, 1, 2]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=3000), st.integers(2, 300))
def test_thinning_keeps_ends_and_order(values: list[float], limit: int) -> None:
    kept = kept_points(values, limit)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= max(len(values) if len(values) <= limit else 0, 3 * limit)


def test_lengths_that_follow_from_others_are_synonyms_and_searched_numbers_are_not() -> None:
    frame = grid({(0.5, 0.1): [0.9], (0.6, 0.2): [0.9]}, "budget.dense_fraction", "dense.lr")
    frame["retrain.epochs"] = 24 * (1 - frame["budget.dense_fraction"])
    columns = ["budget.dense_fraction", "dense.lr", "retrain.epochs"]
    assert blocks.without_synonyms(frame, columns) == ["budget.dense_fraction", "dense.lr"]

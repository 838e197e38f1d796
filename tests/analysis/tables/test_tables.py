"""The two tables on frames worked out by hand, and every rendering of text that bites."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.selection.stand_ins import stand_ins
from analysis.stats import TestSelectionError
from analysis.tables.content import comparison_table, methods_table, pooling_notes
from analysis.tables.layout import cell_text, heading, lay_out, number, value_text
from analysis.tables.render import RENDERERS, to_csv, to_text
from tests.analysis.small import hand_frame

COLUMNS = ["retrain.schedule", "prune.sparsity", "retrain.epochs", "seed", "test_accuracy"]
ROWS: list[tuple[Any, ...]] = [
    ("ft", 0.8, 1.0, 0, 0.70), ("ft", 0.8, 1.0, 1, 0.72),
    ("slr", 0.8, 1.0, 0, 0.80), ("slr", 0.8, 1.0, 1, 0.78),
    ("clr", 0.8, 1.0, 0, 0.78), ("clr", 0.8, 1.0, 1, 0.80),
    ("llr", 0.8, 1.0, 0, 0.75),
    ("allr", 0.8, 1.0, 0, 0.90), ("allr", 0.8, 1.0, 1, 0.92),
    ("ft", 0.9, 1.0, 0, 0.60), ("allr", 0.9, 3.0, 0, 0.85),
]  # fmt: skip


@pytest.fixture
def frame() -> pd.DataFrame:
    table = hand_frame(COLUMNS, ROWS)
    failed = hand_frame(COLUMNS, [("llr", 0.8, 1.0, 1, math.nan)], state="failed")
    return pd.concat([table, failed], ignore_index=True)


def cell(cells: pd.DataFrame, **keys: Any) -> dict[str, Any]:
    named = {
        "schedule": "retrain.schedule",
        "sparsity": "prune.sparsity",
        "epochs": "retrain.epochs",
    }
    for key, value in keys.items():
        cells = cells[cells[named.get(key, key)] == value]
    (found,) = cells.to_dict("records")
    return {str(key): value for key, value in found.items()}


def test_comparison_cells_by_value(frame: pd.DataFrame) -> None:
    cells = comparison_table(frame).cells
    assert len(cells) == 5 * 3  # five schedules, three combinations that occur
    ft = cell(cells, schedule="ft", sparsity=0.8)
    assert ft["mean"] == pytest.approx(0.71)
    assert ft["std"] == pytest.approx(0.02 / math.sqrt(2))
    assert (ft["n"], ft["n_failed"], ft["n_diverged"], ft["n_stopped"]) == (2, 0, 0, 0)
    llr = cell(cells, schedule="llr", sparsity=0.8)
    assert (llr["mean"], llr["n"], llr["n_failed"]) == (0.75, 1, 1)
    assert math.isnan(llr["std"])
    empty = cell(cells, schedule="slr", sparsity=0.9, epochs=3.0)
    assert (empty["n"], empty["n_failed"], empty["marked"]) == (0, 0, False)
    assert math.isnan(empty["mean"])
    assert math.isnan(empty["rank"])


def test_ties_share_a_rank_and_the_three_best_of_each_column_are_marked(
    frame: pd.DataFrame,
) -> None:
    cells = comparison_table(frame).cells
    column = cells[(cells["prune.sparsity"] == 0.8) & (cells["retrain.epochs"] == 1.0)]
    assert dict(zip(column["retrain.schedule"], column["rank"], strict=True)) == {
        "ft": 5, "slr": 2, "clr": 2, "llr": 4, "allr": 1,
    }  # fmt: skip
    assert column.loc[column["marked"], "retrain.schedule"].tolist() == ["slr", "clr", "allr"]
    assert cell(cells, schedule="ft", sparsity=0.9, epochs=1.0)["rank"] == 1


@pytest.mark.parametrize(("mark", "marked"), [(0, []), (1, ["allr"]), (2, ["slr", "clr", "allr"])])
def test_as_many_are_marked_as_asked(frame: pd.DataFrame, mark: int, marked: list[str]) -> None:
    cells = comparison_table(frame, columns=["prune.sparsity"], mark=mark).cells
    column = cells[cells["prune.sparsity"] == 0.8]
    assert column.loc[column["marked"], "retrain.schedule"].tolist() == marked


def test_rows_and_columns_come_in_reading_order(frame: pd.DataFrame) -> None:
    grid = lay_out(comparison_table(frame.sample(frac=1, random_state=1)))
    assert [label for (label,) in grid.labels] == ["FT", "SLR", "CLR", "LLR", "ALLR"]
    assert grid.headers == (
        ("80 % sparse", "1 epoch"), ("90 % sparse", "1 epoch"), ("90 % sparse", "3 epochs"),
    )  # fmt: skip


def test_cells_say_what_is_in_them_and_what_is_not(frame: pd.DataFrame) -> None:
    extra = hand_frame(
        COLUMNS,
        [("ft", 0.9, 3.0, 0, math.nan), ("slr", 0.9, 3.0, 0, 0.5), ("clr", 0.9, 3.0, 0, math.nan)],
    )
    extra["state"] = ["diverged", "stopped", "done"]
    grid = lay_out(comparison_table(pd.concat([frame, extra], ignore_index=True)))
    texts = {
        label: [c.text for c in row] for (label,), row in zip(grid.labels, grid.rows, strict=True)
    }
    assert texts["FT"] == ["71.00 ± 1.41 (n = 2)", "60.00 (n = 1)", "1 diverged"]
    assert texts["LLR"] == ["75.00 (n = 1, 1 failed)", "no trials", "no trials"]
    assert texts["SLR"][2] == "1 stopped"
    assert texts["CLR"][2] == "not recorded in 1"
    assert grid.title == "Test accuracy at the end by schedule [%]"


def test_equal_counts_are_said_once() -> None:
    table = comparison_table(hand_frame(COLUMNS, ROWS[:6]))
    assert "n = 2 in every cell that has a mean." in table.notes
    assert lay_out(table).rows[0][0].text == "71.00 ± 1.41"


def test_the_notes_say_what_marks_mean_and_what_was_pooled(frame: pd.DataFrame) -> None:
    notes = comparison_table(frame).notes
    assert notes[0].startswith("Mean ± sample standard deviation over seeds")
    assert notes[1] == "n differs between cells and stands in each."
    assert "test results" in notes[2]
    assert "choose nothing" in notes[2]
    assert len(notes) == 3
    pooled = frame.assign(**{"dense.lr": [0.1, 0.2] * 6})
    assert (
        comparison_table(pooled).notes[-1]
        == "Some means run over trials that differ in dense learning rate."
    )
    apart = frame.assign(**{"retrain.discount": frame["retrain.schedule"]})
    assert comparison_table(apart).notes == notes


def test_a_validation_metric_needs_no_word_on_test(frame: pd.DataFrame) -> None:
    table = comparison_table(frame.rename(columns={"test_accuracy": "val_loss"}), metric="val_loss")
    assert "test" not in table.notes[2]
    assert cell(table.cells, schedule="ft", sparsity=0.8)["rank"] == 1  # the lowest loss is best


def test_trials_without_a_row_are_left_out_and_counted(frame: pd.DataFrame) -> None:
    frame.loc[:1, "retrain.schedule"] = None
    table = comparison_table(frame)
    assert table.notes[-1] == "2 trials without schedule are left out."
    assert cell(table.cells, schedule="ft", sparsity=0.8)["n"] == 0


def test_tasks_are_rows_of_their_own_and_ranked_apart(frame: pd.DataFrame) -> None:
    both = pd.concat(
        [frame.assign(**{"task.model": "mlp"}), frame.assign(**{"task.model": "cnn"})],
        ignore_index=True,
    )
    table = comparison_table(both)
    assert table.row_keys == ("task.model", "retrain.schedule")
    best = table.cells[(table.cells["rank"] == 1) & (table.cells["prune.sparsity"] == 0.8)]
    assert best["task.model"].tolist() == ["cnn", "mlp"]
    assert lay_out(table).labels[0] == ("cnn", "FT")


def test_one_seed_only() -> None:
    grid = lay_out(comparison_table(hand_frame(COLUMNS, ROWS[9:])))
    assert grid.rows[0][0].text == "60.00"
    assert "n = 1 in every cell that has a mean." in grid.notes


def test_a_trial_read_from_two_studies_counts_once(frame: pd.DataFrame) -> None:
    both = pd.concat([frame, frame.assign(study="other")], ignore_index=True)
    pd.testing.assert_frame_equal(comparison_table(both).cells, comparison_table(frame).cells)


def test_no_trials_at_all_is_an_empty_table() -> None:
    table = comparison_table(hand_frame(COLUMNS, []).astype({"retrain.schedule": "str"}))
    assert table.cells.empty
    for render in RENDERERS.values():
        assert isinstance(render(table), str)


def test_an_unknown_column_is_named(frame: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"unknown column 'prune.sparsty'; nearest are prune"):
        comparison_table(frame, columns=["prune.sparsty"])


METHOD_COLUMNS = [
    "method", "method.interval", "prune.sparsity", "seed", "val_accuracy", "test_accuracy",
    "theoretical_speedup", "sparsity", "train_images_per_s",
]  # fmt: skip
METHOD_ROWS = [
    ("bimp", None, 0.9, 0, 0.90, 0.89, 4.0, 0.9, 1000.0),
    ("bimp", None, 0.9, 1, 0.92, 0.91, 5.0, 0.9, 1200.0),
    ("gmp", 2, 0.9, 0, 0.80, 0.95, 6.0, 0.91, 500.0),
    ("gmp", 2, 0.9, 1, 0.82, 0.97, 6.0, 0.91, 500.0),
    ("gmp", 5, 0.9, 0, 0.85, 0.84, 3.0, 0.88, 700.0),
    ("gmp", 5, 0.9, 1, 0.87, 0.86, 3.0, 0.88, 700.0),
    ("dst", None, 0.9, 0, math.nan, math.nan, math.nan, math.nan, math.nan),
]


@pytest.fixture
def methods() -> pd.DataFrame:
    frame = hand_frame(METHOD_COLUMNS, METHOD_ROWS)
    frame.loc[6, "state"] = "failed"
    return frame


def test_methods_cells_by_value(methods: pd.DataFrame) -> None:
    table = methods_table(methods)
    assert set(table.cells["method"]) == {"bimp", "gmp", "dst"}
    gmp = cell(table.cells, method="gmp", metric="test_accuracy")
    assert gmp["mean"] == pytest.approx(0.85)  # interval 5, chosen on validation; not .96
    # Two seeds chose it themselves: too good, and neither ranked nor marked.
    assert gmp["n"] == 2 and math.isnan(gmp["rank"]) and not gmp["marked"]
    assert gmp["self_chosen"] and cell_text(gmp, show_n=False).endswith("(too good)")
    assert cell(table.cells, method="bimp", metric="test_accuracy")["marked"]
    assert cell(table.cells, method="gmp", metric="theoretical_speedup")["mean"] == 3.0
    assert math.isnan(cell(table.cells, method="bimp", metric="sparsity")["rank"])
    dst = cell(table.cells, method="dst", metric="test_accuracy")
    assert (dst["n"], dst["n_failed"]) == (0, 1)


def test_methods_are_laid_out_by_goal_and_metric(methods: pd.DataFrame) -> None:
    more = methods.assign(**{"prune.sparsity": 0.8})
    grid = lay_out(methods_table(pd.concat([methods, more], ignore_index=True)))
    words = ["test accuracy [%]", "theoretical speedup [x]", "sparsity reached",
             "training throughput [images/s]"]  # fmt: skip
    assert grid.headers == tuple((f"{s} % sparse", w) for s in (80, 90) for w in words)
    (bimp,) = [row for (label,), row in zip(grid.labels, grid.rows, strict=True) if label == "BIMP"]
    assert [c.text for c in bimp[:4]] == [
        "90.00 ± 1.41", "4.50 ± 0.71", "0.9000 ± 0.0000", "1100 ± 141",
    ]  # fmt: skip
    (dst,) = [row for (label,), row in zip(grid.labels, grid.rows, strict=True) if label == "DST"]
    assert {c.text for c in dst} == {"1 failed"}


def third_seed(methods: pd.DataFrame, **val: float) -> pd.DataFrame:
    """The methods with a third seed of each setting that is done."""
    third = methods[(methods["seed"] == 1) & (methods["state"] == "done")].assign(seed=2)
    third["val_accuracy"] = list(val.values())
    third["test_accuracy"] = [0.93, 0.99, 0.85]
    third["fingerprint"] = [f"s{place}" for place in range(3)]
    return pd.concat([methods, third], ignore_index=True)


def test_a_setting_is_scored_at_the_seed_that_did_not_choose_it(methods: pd.DataFrame) -> None:
    # gmp on validation: interval 2 has .80 .82 .99, interval 5 has .85 .87 .86. The seeds 1 and 2
    # choose interval 2 (.905 to .865), 0 and 2 too (.895 to .855), 0 and 1 interval 5.
    table = methods_table(third_seed(methods, bimp=0.91, two=0.99, five=0.86))
    gmp = cell(table.cells, method="gmp", metric="test_accuracy")
    assert gmp["mean"] == pytest.approx((0.95 + 0.97 + 0.85) / 3)
    assert (gmp["n"], gmp["rank"], gmp["self_chosen"]) == (3, 1, False)
    assert cell(table.cells, method="bimp", metric="test_accuracy")["rank"] == 2
    assert not any("differ in" in note for note in table.notes)


def test_the_choice_is_said(methods: pd.DataFrame) -> None:
    notes = " ".join(methods_table(methods).notes)
    assert "has several configurations in one place (up to 2), the one that is best" in notes
    assert "Tries are unequal: GMP is the best of 2 settings, BIMP and DST of 1." in notes
    assert "With fewer than 3 seeds it cannot be known" in notes
    whole = " ".join(methods_table(third_seed(methods, bimp=0.91, two=0.99, five=0.86)).notes)
    assert "With fewer than 3 seeds" not in whole
    single = methods[methods["method"] == "bimp"]
    assert "several configurations" not in " ".join(methods_table(single).notes)


def test_methods_are_not_chosen_on_test(methods: pd.DataFrame) -> None:
    with pytest.raises(TestSelectionError, match="use val_accuracy"):
        methods_table(methods, choose_by="test_accuracy")


def test_a_searchs_cost_counts_every_trial_and_shared_dense_runs_once(
    methods: pd.DataFrame,
) -> None:
    methods["origin.number"] = range(7)
    methods["train_s"] = [10.0, 20.0, 1.0, 2.0, 3.0, 4.0, math.nan]
    methods["dense_stage"] = ["d0", "d0", None, None, None, None, None]
    methods["dense_train_s"] = [100.0, 100.0, math.nan, math.nan, math.nan, math.nan, math.nan]
    table = methods_table(methods)
    assert cell(table.cells, method="gmp", metric="search_trials")["mean"] == 4
    assert cell(table.cells, method="gmp", metric="search_train_s")["mean"] == 10
    assert cell(table.cells, method="bimp", metric="search_train_s")["mean"] == 130
    texts = [c.text for c in lay_out(table).rows[-1]]
    assert texts[-2:] == ["1 (1 failed)", "0 (1 failed)"]
    assert lay_out(table).headers[-1][-1] == "search training [s]"
    assert table.notes[-1].startswith("Search: all trials")


def chosen(frame: pd.DataFrame) -> list[str]:
    return stand_ins(frame, "method", ["prune.sparsity"])["fingerprint"].tolist()


def test_settings_beyond_their_bounds_stand_only_where_none_is_within(
    methods: pd.DataFrame,
) -> None:
    methods["origin.beyond"] = [0.0, 0.0, 0.0, 0.0, 0.02, 0.0, math.nan]
    assert chosen(methods) == ["t0", "t1", "t2", "t3", "t6"]
    assert "lies beyond" not in " ".join(methods_table(methods).notes)
    methods["origin.beyond"] = [0.0, 0.0, 0.01, 0.0, 0.02, 0.0, math.nan]
    assert chosen(methods) == ["t0", "t1", "t4", "t5", "t6"]
    note = "What is shown for GMP lies beyond the search's bounds at some goal"
    assert note in " ".join(methods_table(methods).notes)


def test_a_confirmed_winner_stands_even_where_another_seed_left_its_bounds(
    methods: pd.DataFrame,
) -> None:
    methods["origin.beyond"] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.01, math.nan]
    once = methods.drop(index=3)  # interval 2 keeps to its bounds, at the one seed it ran at
    assert chosen(once) == ["t0", "t1", "t4", "t5", "t6"]


def test_settings_at_most_seeds_stand_for_choice_and_the_table_says_so(
    methods: pd.DataFrame,
) -> None:
    methods["origin.number"] = [0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 0.0]
    kept = methods.drop(index=5)  # the better setting of gmp ran at one seed alone
    table = methods_table(kept)
    # Seed 0 chose it among both, so that only seed 1 scores it.
    gmp = cell(table.cells, method="gmp", metric="test_accuracy")
    assert (gmp["mean"], gmp["n"], gmp["self_chosen"]) == (pytest.approx(0.97), 1, False)
    note = (
        "those that ran at most seeds (up to 2) are shown, at the seeds that did not choose them."
    )
    assert note in " ".join(table.notes)


@pytest.mark.parametrize(
    ("metric", "value", "words", "text"),
    [
        ("test_accuracy", 0.91234, "test accuracy [%]", "91.23"),
        ("val_loss", 0.123456, "val loss [nat]", "0.1235"),
        ("theoretical_speedup", 4.256, "theoretical speedup [x]", "4.26"),
        ("train_images_per_s", 1234.5, "training throughput [images/s]", "1234"),
        ("sparsity", 0.9, "sparsity reached", "0.9000"),
        ("train_s", 12.34, "train s [s]", "12.3"),
        ("d", 0.5, "d", "0.5000"),
    ],
)
def test_numbers_are_shown_in_their_unit(metric: str, value: float, words: str, text: str) -> None:
    assert heading(metric) == words
    assert number(value, metric) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9, "0.9"), (3.0, "3"), (1e-5, "1e-05"), ("allr", "allr"), (True, "True"), (None, "none"),
     (math.nan, "none"), ((64, 32), "(64, 32)"), (7, "7")],
)  # fmt: skip
def test_values_are_short(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_text_marks_with_an_asterisk_and_aligns(frame: pd.DataFrame) -> None:
    lines = to_text(comparison_table(frame, columns=["prune.sparsity"])).splitlines()
    rows = {line.split()[0]: line for line in lines if line[:4].strip() in {"FT", "SLR", "ALLR"}}
    assert rows["ALLR"].count("*") == 2
    assert rows["SLR"].count("*") == 1
    assert rows["FT"].count("*") == 1
    assert len({len(line) for line in rows.values()}) == 1


def test_csv_holds_the_numbers_in_full() -> None:
    frame = hand_frame(COLUMNS, ROWS)
    frame.loc[0, "retrain.schedule"] = 'a,"b"\n<c>'
    rows = list(csv.DictReader(io.StringIO(to_csv(comparison_table(frame)))))
    assert rows[-1]["retrain.schedule"] == 'a,"b"\n<c>'
    (found,) = [r for r in rows if r["retrain.schedule"] == "slr" and r["prune.sparsity"] == "0.8"]
    assert float(found["std"]) == np.std([0.80, 0.78], ddof=1)
    assert found["n"] == "2"


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_every_renderer_takes_both_tables(
    name: str, frame: pd.DataFrame, methods: pd.DataFrame
) -> None:
    for table in (comparison_table(frame), methods_table(methods)):
        text = RENDERERS[name](table)
        assert text.endswith("\n")
        assert "nan" not in text.lower() or name == "csv"


def test_means_are_told_apart_by_lists_that_some_networks_lack() -> None:
    """As one network has channels and another widths: pandas warns where it would sort these."""
    networks = {
        "task.model": ["cnn", "cnn", "mlp", "mlp"],
        "task.model.channels": [(16, 32, 32), (8, 16), None, None],
        "task.model.hidden": [None, None, (64,), (64, 32)],
    }
    frame = pd.DataFrame({**networks, "prune.cycles": [1, 2, 1, 2]})
    assert pooling_notes(frame, [*networks]) == []
    assert pooling_notes(frame, ["task.model"]) == [
        "Some means run over trials that differ in channels of the model, hidden of the model and"
        " number of cycles."
    ]

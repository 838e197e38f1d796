"""The dense model's row: its mean in every column, no rank, and none where it is no one model."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.tables.content import comparison_table, methods_table
from analysis.tables.layout import lay_out
from tests.analysis.hand_made import grid

TABLE = {("llr", 0.8): [0.5, 0.75], ("llr", 0.9): [0.5, 0.25], ("ft", 0.8): [0.25, 0.5]}


def study(**more: object) -> pd.DataFrame:
    frame = grid(TABLE, "retrain.schedule", "prune.sparsity", **more)
    return frame.assign(dense_test_accuracy=[0.75, 1.0] * (len(frame) // 2))


def test_it_stands_first_with_one_mean_in_every_column() -> None:
    table = comparison_table(study(), columns=["prune.sparsity"])
    dense = table.cells[table.cells["retrain.schedule"] == "dense"]
    assert dense["mean"].tolist() == [0.875, 0.875] and dense["n"].tolist() == [2, 2]
    assert dense["std"].iloc[0] == pytest.approx(0.25 / 2**0.5)
    assert dense["rank"].isna().all() and not dense["marked"].any()
    laid_out = lay_out(table)
    assert [labels[-1] for labels in laid_out.labels] == ["dense", "FT", "LLR"]
    assert [cell.text for cell in laid_out.rows[0]] == ["87.50 ± 17.68", "87.50 ± 17.68"]


def test_it_takes_no_mark_from_a_schedule() -> None:
    marked = comparison_table(study(), columns=["prune.sparsity"], mark=1).cells
    assert marked.loc[marked["marked"].astype(bool), "retrain.schedule"].tolist() == ["llr", "llr"]


def test_dense_runs_of_several_settings_have_no_row() -> None:
    frame = study()
    frame.loc[0, "dense.lr"] = 0.2
    for none in (frame, study().drop(columns="dense_test_accuracy")):
        rows = lay_out(comparison_table(none, columns=["prune.sparsity"])).labels
        assert [labels[-1] for labels in rows] == ["FT", "LLR"]


def test_every_task_has_its_own() -> None:
    other = study(**{"task.model": "mlp"}).assign(dense_test_accuracy=0.5)
    both = pd.concat([study(), other], ignore_index=True)
    both["fingerprint"] = [f"g{n}" for n in range(len(both))]
    table = comparison_table(both, columns=["prune.sparsity"])
    dense = table.cells[table.cells["retrain.schedule"] == "dense"]
    assert dense.groupby("task.model")["mean"].first().to_dict() == {"cnn": 0.875, "mlp": 0.5}


def test_what_the_dense_model_does_not_have_is_left_empty() -> None:
    frame = study().assign(theoretical_speedup=5.0)
    frame["method"] = ["imp", "gmp"] * 3
    table = lay_out(methods_table(frame, ["test_accuracy", "theoretical_speedup"]))
    assert [cell.text for cell in table.rows[0]][:2] == ["87.50 ± 17.68 (n = 2)", ""]


def test_a_task_may_have_a_key_that_is_a_tuple() -> None:
    """Widths of layers: as many as there are columns, fewer, and more."""
    widths: list[tuple[int, ...]] = [(8,), (8, 16), (8, 16, 8)]
    frames = [study(**{"task.model": "mlp"}) for _ in widths]
    for frame, width in zip(frames, widths, strict=True):
        frame["task.model.hidden"] = [width] * len(frame)
    both = pd.concat(frames, ignore_index=True)
    both["fingerprint"] = [f"g{n}" for n in range(len(both))]
    cells = comparison_table(both, columns=["prune.sparsity"]).cells
    dense = cells[cells["retrain.schedule"] == "dense"]
    assert dense["task.model.hidden"].tolist() == [w for w in widths for _ in range(2)]
    assert dense["mean"].tolist() == [0.875] * 6
    alone = comparison_table(frames[0], columns=["prune.sparsity"]).cells
    assert alone.loc[alone["retrain.schedule"] == "dense", "mean"].tolist() == [0.875, 0.875]

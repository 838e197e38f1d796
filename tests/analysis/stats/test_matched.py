"""Methods at matched sparsity and speedup, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.stats import TestSelectionError, matched
from tests.analysis.small import hand_frame

COLUMNS = ["method", "goal", "seed", "sparsity", "val_accuracy", "test_accuracy"]


def trials(
    method: str, reached: dict[float, float], accuracy: dict[float, float], n: int = 3
) -> list[tuple[Any, ...]]:
    """One trial per goal and seed; test is a point above validation, a tenth more per seed."""
    return [
        (method, goal, seed, sparsity, accuracy[goal], accuracy[goal] + 0.01 + seed / 1000)
        for goal, sparsity in reached.items()
        for seed in range(n)
    ]


def frame(n: int = 3) -> pd.DataFrame:
    """imp reaches its goals, and dst .8 and .936 where .8 and .95 were meant."""
    rows = [
        *trials("imp", {0.9: 0.9, 0.96: 0.96}, {0.9: 0.90, 0.96: 0.84}, n),
        *trials("dst", {0.8: 0.8, 0.95: 0.936}, {0.8: 0.95, 0.95: 0.80}, n),
    ]
    return hand_frame(COLUMNS, rows)


def test_methods_are_read_off_where_they_are_equally_sparse() -> None:
    found = matched(frame(), "method", ["goal"], [0.9, 0.95])
    table = found.table().set_index(["entrant", "at"])
    # imp at .95: a tenth to a twentieth left, of a tenth to a twenty-fifth: log 2 / log 2.5
    share = math.log(2) / math.log(2.5)
    assert table.loc[("imp", 0.9), "mean"] == pytest.approx(0.911)
    assert table.loc[("imp", 0.95), "mean"] == pytest.approx(0.911 - 0.06 * share)
    # dst at .9: a fifth to a tenth left, of a fifth to .064; at .95 it has nothing.
    share = math.log(2) / math.log(0.2 / 0.064)
    assert table.loc[("dst", 0.9), "mean"] == pytest.approx(0.961 - 0.15 * share)
    assert math.isnan(table.loc[("dst", 0.95), "mean"])
    assert (table.loc[("dst", 0.95), "n"], table.loc[("dst", 0.9), "n"]) == (0, 3)
    assert set(found.tuned) == {"imp", "dst"}
    assert found.unknown == ()


def test_verdicts_at_matched_sparsity() -> None:
    rows = frame()
    # Apart from seed to seed by a little, else no t test is defined.
    rows.loc[(rows["method"] == "imp") & (rows["seed"] == 0), "test_accuracy"] += 1e-4
    found = matched(rows, "method", ["goal"], [0.9, 0.95])
    (one,) = found.verdicts(0.9)
    assert (one.outcome, one.interval.kind, one.interval.n) == ("better", "twice corrected t", 3)
    assert {one.of, one.rival} == {"imp", "dst"}
    (none,) = found.verdicts(0.95)
    assert none.outcome == "unknown"


def test_a_setting_that_is_beaten_is_not_on_the_front() -> None:
    rows = trials("imp", {0.9: 0.9, 0.96: 0.96, 0.5: 0.93}, {0.9: 0.90, 0.96: 0.84, 0.5: 0.80})
    found = matched(hand_frame(COLUMNS, rows), "method", ["goal"], [0.93])
    share = math.log(1 / 0.7) / math.log(2.5)
    assert found.table()["mean"].tolist() == pytest.approx([0.911 - 0.06 * share])


def test_a_goal_is_met_to_a_weight_not_to_the_last_digit() -> None:
    rows = trials("imp", {0.9: 0.9, 0.96: 0.9598}, {0.9: 0.90, 0.96: 0.84})
    table = matched(hand_frame(COLUMNS, rows), "method", ["goal"], [0.96, 0.97]).table()
    assert table["mean"].iloc[0] == pytest.approx(0.851)
    assert math.isnan(table["mean"].iloc[1])


def test_two_seeds_choose_no_front() -> None:
    found = matched(frame(2), "method", ["goal"], [0.9])
    assert set(found.unknown) == {"imp", "dst"}
    assert found.table()["mean"].isna().all()
    alone = matched(frame(2).query("goal == 0.9"), "method", ["goal"], [0.9])
    assert alone.unknown == ()
    assert alone.tuned == ()
    (row,) = alone.table().to_dict("records")
    assert (row["mean"], row["kind"], row["n"]) == (pytest.approx(0.9105), "t", 2)


def test_methods_are_matched_on_speedup_too() -> None:
    rows = frame().assign(theoretical_speedup=lambda t: 1 / (1 - t["sparsity"]))
    found = matched(rows, "method", ["goal"], [10.0, 20.0], by="theoretical_speedup")
    same = matched(rows, "method", ["goal"], [0.9, 0.95])
    np.testing.assert_allclose(found.table()["mean"], same.table()["mean"])


def test_what_cannot_be_matched_is_refused() -> None:
    with pytest.raises(ValueError, match="by must be one of sparsity, theoretical_speedup, got 'd"):
        matched(frame(), "method", ["goal"], [0.9], by="d")
    with pytest.raises(TestSelectionError, match="use val_accuracy"):
        matched(frame(), "method", ["goal"], [0.9], choose_by="test_accuracy")
    assert matched(frame()[:0], "method", ["goal"], [0.9]).table().empty

"""Expressions, selection, order and groups, on a frame of a few rows."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest

from analysis.frames.query import group, names_in, select, sort, where
from tests.analysis.small import hand_frame


@pytest.fixture
def frame() -> pd.DataFrame:
    columns = ["retrain.schedule", "retrain.discount", "prune.sparsity", "seed", "val_accuracy"]
    return hand_frame(
        columns,
        [
            ("ft", None, 0.8, 0, 0.80),
            ("ft", None, 0.9, 1, 0.70),
            ("allr", "adaptive", 0.8, 0, 0.90),
            ("allr", 0.25, 0.9, 1, math.nan),
            ("allr", 0.5, 0.95, 0, 0.60),
        ],
        **{"task.model.hidden": [(64,), (64,), (64, 32), (64, 32), (8,)], "dense.lr": 0.1},
    )


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("prune.sparsity > 0.8", [1, 3, 4]),
        ("prune.sparsity >= 0.8", [0, 1, 2, 3, 4]),
        ("0.8 < prune.sparsity < 0.95", [1, 3]),
        ("prune.sparsity == 0.9 and seed == 1", [1, 3]),
        ("prune.sparsity == 0.9 & seed == 1", [1, 3]),
        ("seed == 1 | prune.sparsity > 0.9", [1, 3, 4]),
        ("not seed == 1", [0, 2, 4]),
        ("~(seed == 1)", [0, 2, 4]),
        ("not (seed == 1 or prune.sparsity == 0.8)", [4]),
        ("retrain.schedule == 'ft'", [0, 1]),
        ('retrain.schedule != "ft"', [2, 3, 4]),
        ('"ft" == retrain.schedule', [0, 1]),
        ("`retrain.schedule` == 'ft' and `seed` == 0", [0]),
        ("retrain.schedule in ['ft', 'lrw']", [0, 1]),
        ("retrain.schedule not in ('ft', 'lrw')", [2, 3, 4]),
        ("prune.sparsity == [0.8, 0.95]", [0, 2, 4]),
        ("seed != [1, 2]", [0, 2, 4]),
        ("retrain.discount == 'adaptive'", [2]),
        ("retrain.discount == 0.25", [3]),
        ("retrain.discount > 0.25", [4]),
        ("retrain.discount <= 0.5", [3, 4]),
        ("retrain.discount.isna()", [0, 1]),
        ("retrain.discount.notna() and val_accuracy.isna()", [3]),
        ("val_accuracy > 0.75", [0, 2]),
        ("not val_accuracy > 0.75", [1, 3, 4]),
        ("retrain.schedule.contains('l')", [2, 3, 4]),
        ("retrain.schedule.str.startswith('al')", [2, 3, 4]),
        ("retrain.discount.contains('a')", [2]),
        ("retrain.schedule.isin(['ft', 'lrw'])", [0, 1]),
        ("prune.sparsity.between(0.85, 0.92)", [1, 3]),
        ("retrain.discount.between(0, 0.3)", [3]),
        ("seed % 2 == 1", [1, 3]),
        ("task.model.hidden == (64, 32)", [2, 3]),
        ("task.model.hidden != (64, 32)", [0, 1, 4]),
        ("1 - prune.sparsity < 0.15", [1, 3, 4]),
        ("val_accuracy + 0.1 * seed >= 0.79", [0, 1, 2]),
        ("-seed < 0", [1, 3]),
        ("seed / 2 == 0.5", [1, 3]),
        ("True", [0, 1, 2, 3, 4]),
        ("1 > 2", []),
        ("state == 'done' and study == \"small\"", [0, 1, 2, 3, 4]),
        ("retrain.schedule == 'a & b | c'", []),
        ("retrain.schedule == 'it`s'", []),
    ],
)
def test_where(frame: pd.DataFrame, expression: str, rows: list[int]) -> None:
    found = where(frame, expression)
    assert found["fingerprint"].tolist() == [f"t{row}" for row in rows]
    assert list(found.index) == list(range(len(rows)))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("prune.sparsit > 0.8", r"unknown column 'prune.sparsit'; nearest are prune\.sparsity"),
        ("sparsity > 0.8", r"unknown column 'sparsity'; nearest are.*prune\.sparsity"),
        ("`prune.sprsity` > 1", r"unknown column 'prune.sprsity'; nearest are prune\.sparsity"),
        ("retrain.schedule == ft", "unknown column 'ft'.*a text value needs quotes"),
        ("prune.sparsity", "'prune.sparsity' is not a condition; compare it"),
        ("seed + 1", "'seed \\+ 1' is not a condition"),
        ("prune.sparsity >", "cannot read the expression 'prune.sparsity >': invalid syntax"),
        ("", "cannot read the expression ''"),
        ("retrain.schedule > 3", "'retrain.schedule' and '3' cannot be compared"),
        ("seed > 'a'", "'seed' and 'a' cannot be compared|cannot be compared"),
        ("seed in 3", "'3' is not a list of values"),
        ("seed < [1, 2]", r"a list \[1, 2\] cannot be ordered"),
        ("retrain.schedule * 2 == 1", "'retrain.schedule' is not a number"),
        ("seed.sum() > 1", "'seed.sum' is not understood; known are .isna"),
        ("seed.isna(1)", "not understood"),
        ("retrain.schedule.contains(1)", "not understood"),
        ("retrain.schedule.isin('ft')", "not understood"),
        ("prune.sparsity.between(0.1)", "not understood"),
        ("seed == None", "'None' is not understood"),
        ("seed is seed", "is not a list of values"),
        ("seed ** 9 > 1", r"'seed \*\* 9' is not understood"),
        ("[s for s in seed]", "not understood"),
        ("(lambda: 1)()", "not understood"),
        ("not " * 900 + "True", "nested too deeply|cannot read the expression"),
        ("(" * 300 + "1" + ")" * 300, "cannot read the expression"),
        ("seed > 1 / 0", "cannot compute the expression 'seed > 1 / 0': division by zero"),
    ],
)
def test_a_bad_expression_is_one_clear_error(
    frame: pd.DataFrame, expression: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        where(frame, expression)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "seed.__class__",
        "seed.apply('print')",
        "@pd.io",
        "frame.to_csv('/tmp/x')",
        "seed.map(print)",
        "seed == (yield)",
        "f'{seed}' == 'x'",
    ],
)
def test_an_expression_cannot_run_code(frame: pd.DataFrame, expression: str) -> None:
    with pytest.raises(ValueError, match=r"unknown column|not understood|cannot read"):
        where(frame, expression)


def test_the_names_in_an_expression() -> None:
    assert {"prune.sparsity", "seed"} <= set(names_in("prune.sparsity > 1 and `seed` == 'val'"))
    assert "val" not in names_in("seed == 'val'")
    assert names_in("") == names_in("  ") == []


def test_select_takes_names_and_patterns(frame: pd.DataFrame) -> None:
    assert list(select(frame, ["seed", "retrain.*", "seed"])) == [
        "seed", "retrain.schedule", "retrain.discount",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"unknown column 'sede'; nearest are seed"):
        select(frame, ["sede"])
    with pytest.raises(ValueError, match="unknown column 'nothing"):
        select(frame, ["nothing.*"])


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        (["prune.sparsity", "-seed"], [0, 2, 1, 3, 4]),
        (["-val_accuracy"], [2, 0, 1, 4, 3]),
        (["val_accuracy"], [4, 1, 0, 2, 3]),
        (["retrain.discount"], [3, 4, 2, 0, 1]),
        (["-retrain.discount"], [2, 4, 3, 0, 1]),
        (["retrain.schedule", "seed"], [0, 1, 2, 4, 3]),
    ],
)
def test_sort_keeps_missing_last_and_mixes_kinds(
    frame: pd.DataFrame, by: list[str], rows: list[int]
) -> None:
    assert sort(frame, by)["fingerprint"].tolist() == [f"t{row}" for row in rows]


def test_sort_by_an_unknown_column(frame: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="unknown column 'see'; nearest are seed"):
        sort(frame, ["-see"])


def test_groups_by_value() -> None:
    frame = hand_frame(
        ["retrain.schedule", "state", "val_accuracy"],
        [
            ("ft", "done", 0.1), ("ft", "done", 0.3), ("ft", "failed", math.nan),
            ("ft", "diverged", 0.9), ("allr", "done", 0.5), ("allr", "done", math.nan),
            (None, "done", 0.7), ("llr", "failed", math.nan), ("llr", "stopped", 0.4),
        ],
    )  # fmt: skip
    table = group(frame, ["retrain.schedule"], ["val_accuracy"])
    assert list(table.columns) == [
        "retrain.schedule", "metric", "mean", "std", "n", "lo", "hi", "n_missing", "n_failed",
        "n_diverged", "n_stopped", "n_collapsed",
    ]  # fmt: skip
    assert table["retrain.schedule"].fillna("").tolist() == ["ft", "llr", "allr", ""]
    assert table["n"].tolist() == [2, 0, 1, 1]
    assert table["mean"].fillna(-1).round(12).tolist() == [0.2, -1, 0.5, 0.7]
    assert table["std"].fillna(-1).round(6).tolist() == [0.141421, -1, -1, -1]
    assert table["n_missing"].tolist() == [0, 0, 1, 0]
    assert table["n_failed"].tolist() == [1, 1, 0, 0]
    assert table["n_diverged"].tolist() == [1, 0, 0, 0]
    assert table["n_stopped"].tolist() == [0, 1, 0, 0]
    assert table["lo"].notna().tolist() == [True, False, False, False]
    assert (table["lo"][0], table["hi"][0]) == (0.0, 1.0)  # .2 +- 12.7 * .1, cut to what can be


def test_collapsed_trials_are_counted_beside_the_mean_that_they_are_in() -> None:
    frame = hand_frame(
        ["retrain.schedule", "state", "val_accuracy", "collapsed_layers"],
        [("ft", "done", 0.1, 1.0), ("ft", "done", 0.3, 0.0), ("ft", "failed", math.nan, 2.0),
         ("llr", "done", 0.2, math.nan)],
    )  # fmt: skip
    table = group(frame, ["retrain.schedule"], ["val_accuracy"])
    assert table["n"].tolist() == [2, 1]
    assert table["n_collapsed"].tolist() == [1, 0]


def test_groups_of_several_metrics_and_of_everything() -> None:
    frame = hand_frame(["a", "b"], [(1.0, 5.0), (3.0, 5.0)])
    table = group(frame, [], ["b", "a"])
    assert table["metric"].tolist() == ["a", "b"]
    assert table["mean"].tolist() == [2.0, 5.0]
    assert (table["lo"][1], table["hi"][1]) == (5.0, 5.0)
    with pytest.raises(ValueError, match="unknown column 'c'"):
        group(frame, ["c"], ["a"])


def test_a_truth_value_that_some_trials_do_not_have(frame: pd.DataFrame) -> None:
    frame = frame.assign(**{"method.recover": [True, None, False, None, True]})
    assert where(frame, "method.recover")["prune.sparsity"].tolist() == [0.8, 0.95]
    assert where(frame, "method.recover and prune.sparsity > 0.9")["seed"].tolist() == [0]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("seed == '0'", "'seed' holds numbers, and no text such as '0'"),
        ("seed in ['0', '1']", "'seed' holds numbers, and no text such as '0'"),
        ("'0' != seed", "'seed' holds numbers, and no text such as '0'"),
        ("retrain.schedule == 3", "'retrain.schedule' holds words, and no number such as 3"),
        ("retrain.schedule not in [3]", "'retrain.schedule' holds words, and no number such as 3"),
    ],
)
def test_a_comparison_that_no_row_can_fit_is_said(expression: str, message: str) -> None:
    frame = pd.DataFrame({"seed": [0, 1], "retrain.schedule": ["ft", "llr"]})
    with pytest.raises(ValueError, match=re.escape(message)):
        where(frame, expression)


def test_columns_of_both_kinds_take_either() -> None:
    frame = pd.DataFrame({"retrain.discount": pd.Series([0.5, "d1"], dtype=object)})
    assert where(frame, "retrain.discount == 'd1'").index.size == 1
    assert where(frame, "retrain.discount == 0.5").index.size == 1
    assert where(frame.iloc[:0], "retrain.discount == 'd2'").empty

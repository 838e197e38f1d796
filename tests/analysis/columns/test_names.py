"""The order of columns and of their values."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.columns.names import (
    SECTIONS,
    codes,
    config_columns,
    differing,
    in_schema_order,
    is_missing,
    joined,
    ordered,
)
from trainables.config.trial import TrialConfig


def test_values_come_in_reading_order() -> None:
    assert ordered(["allr", "zzz", "ft", "lrw"], "retrain.schedule") == ["ft", "lrw", "allr", "zzz"]
    assert ordered(["b", 10, None, "a", 9.5, float("nan"), (2,), (1,)]) == [
        9.5, 10, "a", "b", (1,), (2,), None,
    ]  # fmt: skip
    assert ordered(["allr", "ft"]) == ["allr", "ft"]
    structures = ["1:4", "columns", "weights", "blocks 4x4", "2:4", "filters"]
    assert ordered(structures, "prune.structure") == [
        "weights", "filters", "1:4", "2:4", "blocks 4x4", "columns",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT])
def test_every_kind_of_missing_value_is_missing(value: object) -> None:
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, 0.0, "", False, (), (None,), float("inf")])
def test_what_is_empty_is_not_missing(value: object) -> None:
    assert not is_missing(value)


def test_what_differs_counts_a_missing_value_as_one() -> None:
    frame = pd.DataFrame({"a": [1, 1], "b": [1, None], "c": [None, None], "d": [(1,), (2,)]})
    assert differing(frame, frame.columns) == ["b", "d"]
    kinds = pd.DataFrame({"a": pd.Series([None, float("nan")], dtype=object)})
    assert differing(kinds, ["a"]) == []


def test_configuration_comes_by_section_and_leading_setting() -> None:
    given = ["retrain.epochs", "compute.precision", "prune.cycles", "budget.epochs", "task.model",
             "retrain.schedule", "method.interval", "dense.lr", "other.key", "method",
             "prune.sparsity", "dense.epochs", "task.dataset"]  # fmt: skip
    assert in_schema_order(given) == [
        "task.dataset", "task.model", "dense.epochs", "dense.lr", "method", "method.interval",
        "prune.sparsity", "prune.cycles", "retrain.schedule", "retrain.epochs", "budget.epochs",
        "compute.precision", "other.key",
    ]  # fmt: skip
    frame = pd.DataFrame(columns=["study", *given, "seed", "methodical"])
    assert config_columns(frame) == [name for name in given if name != "other.key"]


def test_the_sections_are_those_of_a_configuration() -> None:
    assert tuple(TrialConfig.model_fields) == (*SECTIONS, "facts")


def test_codes_sort_mixed_kinds_and_keep_missing_missing() -> None:
    column = pd.Series(["adaptive", 0.5, None, 0.1], name="retrain.discount", dtype=object)
    assert codes(column).fillna(-1).tolist() == [2, 1, -1, 0]
    numbers = pd.Series([3.0, 1.0])
    assert codes(numbers) is numbers


@pytest.mark.parametrize(
    ("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_in_a_sentence(names: list[str], text: str) -> None:
    assert joined(names) == text

"""The table of trials while a study runs."""

from __future__ import annotations

from analysis.columns.names import KEYS
from analysis.dashboard import elements
from analysis.dashboard.address import Address
from analysis.dashboard.grid import (
    NOTE,
    column_defs,
    columns_of,
    offered_columns,
    rows_of,
    sorted_by,
    with_notes,
)
from tests.analysis.hand_made import trials
from trainables.files.notes import Note


def test_an_update_of_the_table_leaves_the_reader_where_they_are() -> None:
    (shown,) = [one for one in elements.grid().children if hasattr(one, "getRowId")]
    assert shown.getRowId == "params.data.study + '/' + params.data.fingerprint"
    assert shown.dashGridOptions["suppressScrollOnNewData"] is True


def test_every_row_holds_what_its_name_is_made_of() -> None:
    (row,) = rows_of(trials({}), ["state", "seed"])
    assert set(KEYS) <= set(row)


def test_columns_are_those_that_the_address_names() -> None:
    frame = trials({"seed": 0}, {"seed": 1})
    chosen = Address.of("?trials.columns=val_accuracy&trials.columns=seed&trials.columns=nobody")
    assert columns_of(frame, chosen) == ["fingerprint", "val_accuracy", "seed"]
    assert columns_of(frame, Address({})) != ["fingerprint", "val_accuracy", "seed"]
    assert "val_accuracy" in dict(offered_columns(frame))
    assert "message" not in dict(offered_columns(frame))  # nobody has one


def test_the_sort_is_in_the_address() -> None:
    order = sorted_by(Address.of("?trials.sort=-val_accuracy&trials.sort=seed"))
    assert order == [("val_accuracy", "desc"), ("seed", "asc")]
    frame = trials({"seed": 0}, {"seed": 1})
    defs = column_defs(frame, ["fingerprint", "seed", "val_accuracy"], order)
    assert [(c.get("field"), c.get("sort"), c.get("sortIndex")) for c in defs] == [
        (None, None, None), ("fingerprint", None, None), ("seed", "asc", 1),
        ("val_accuracy", "desc", 0),
    ]  # fmt: skip
    assert defs[0]["cellRenderer"] == "TickBox"


def test_notes_are_a_column_where_there_is_one() -> None:
    frame = trials({"seed": 0}, {"seed": 1})
    study, name = frame["study"].iloc[1], frame["fingerprint"].iloc[1]
    assert with_notes(frame, {}) is frame
    assert with_notes(frame, {(study, "study"): Note("study", "x", "now")}) is frame
    noted = with_notes(frame, {(study, name): Note(name, "odd", "now")})
    assert noted[NOTE].isna().tolist() == [True, False] and noted[NOTE].iloc[1] == "odd"
    assert NOTE in columns_of(noted, Address({})) and NOTE not in frame

"""Records of a table are decoded as they are asked for, and equal what was written."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa
import pytest

from trainables.files.records import record_table
from trainables.files.stored_record import StoredRecord, stored_records
from trainables.files.trial_record import Record, encode

FULL = Record(
    "aa", "s", {"prune": {"sparsity": 0.9}}, 3, "failed",
    attempt=2, metrics={"val_accuracy": 0.5}, cycles=[{"cycle": 1}], layers={"a": 0.25},
    stages=["h0", "h1"], message="m", error={"type": "E"}, provenance={"host": "h"},
    origin={"number": 7}, declared={"metrics": {}},
)  # fmt: skip
PLAIN = Record("bb", "s", {}, 0, "done")


def stored() -> list[Record]:
    return stored_records(record_table([FULL, PLAIN]))


def test_a_stored_record_equals_the_one_that_was_written_either_way() -> None:
    assert stored() == [FULL, PLAIN]
    assert stored() == [FULL, PLAIN]
    assert stored()[0] != replace(FULL, layers={"a": 0.5})
    assert asdict(stored()[0]) == asdict(FULL)
    assert encode(stored()[1]) == encode(PLAIN)


def test_copies_are_records_by_themselves() -> None:
    for made in (copy.deepcopy(stored()[0]), pickle.loads(pickle.dumps(stored()[0]))):
        assert type(made) is Record and made == FULL
    assert replace(stored()[0], attempt=3).metrics == {"val_accuracy": 0.5}
    with pytest.raises(AttributeError, match="colour"):
        stored()[0].colour  # type: ignore[attr-defined]  # noqa: B018


def test_nothing_nested_is_decoded_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    loads = json.loads

    def counted(text: str) -> Any:
        texts.append(text)
        return loads(text)

    monkeypatch.setattr(json, "loads", counted)
    records = stored()
    assert texts == ['{"type": "E"}', "null"], "errors alone, which people are told"
    assert records[0].origin == {"number": 7} and records[0].origin is records[0].origin
    assert texts[2:] == ['{"number": 7}']


def test_a_table_of_before_there_were_declarations_declares_nothing() -> None:
    table: pa.Table = record_table([PLAIN]).drop_columns(["declared"])
    (one,) = stored_records(table)
    assert isinstance(one, StoredRecord) and one == PLAIN

"""Records of a table are decoded as they are asked for, and equal what was written."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.trainables.files.damage import damaged
from trainables.files.parquet import parquet
from trainables.files.records import StudyFolder
from trainables.files.stored_record import FileColumns, StoredRecord, stored_records
from trainables.files.tables import record_table
from trainables.files.trial_record import Record, RecordError, encode

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


def test_seeds_of_a_configuration_share_what_is_decoded() -> None:
    other = replace(FULL, fingerprint="ab", seed=4)
    one, two = stored_records(record_table([FULL, other]))
    assert one.config is two.config and one.provenance is two.provenance
    assert one.metrics == two.metrics and one.metrics is not two.metrics
    assert [one, two] == [FULL, other]


class AskedColumns(FileColumns):
    """Columns that remember which were read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, "tables/records.parquet")
        self.asked: list[str] = []

    def column(self, name: str) -> pa.ChunkedArray:
        self.asked.append(name)
        return super().column(name)


def test_a_column_of_a_file_is_read_when_it_is_first_asked_for() -> None:
    columns = AskedColumns(parquet(record_table([FULL, PLAIN])))
    records = stored_records(columns)
    assert not {"config", "metrics", "cycles", "layers", "stages"} & set(columns.asked)
    del columns.asked[:]
    assert [r.metrics for r in records] == [{"val_accuracy": 0.5}, {}]
    assert set(columns.asked) == {"metrics"}
    assert records == [FULL, PLAIN]


def test_a_damaged_column_is_named_with_its_file() -> None:
    data = damaged(parquet(record_table([FULL, PLAIN])), "cycles")
    first, _ = stored_records(FileColumns(data, "tables/records.parquet"))
    assert first.layers == FULL.layers
    with pytest.raises(RecordError, match=r"^tables/records.parquet: cannot be read \(.+\)$"):
        first.cycles  # noqa: B018


def test_where_what_everybody_asks_for_is_damaged_the_loose_files_are_read(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    study.write_record(PLAIN)
    data = damaged(parquet(record_table([PLAIN])), "state")
    study.folder.write("tables/records.parquet", data)
    found = study.records()
    assert found.records == [PLAIN]
    [warning] = found.warnings
    assert warning.startswith("tables/records.parquet: cannot be read (")
    assert warning.count("cannot be read") == 1

"""The files of a study folder: what survives a retry, a torn write, a foreign file, compaction."""

from __future__ import annotations

import io
import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from trainables.files.parquet import parquet
from trainables.files.records import Reading, StudyFolder
from trainables.files.storage import RemoteFolder
from trainables.files.tables import CURVE_SCHEMA, RECORD_TABLE, record_table, table_records
from trainables.files.trial_record import DEEPEST, Record, RecordError, decode, encode
from trainables.vocabulary.schema import SCHEMA_VERSION


def record(fingerprint: str = "aa", state: str = "done", **fields: object) -> Record:
    plain = {
        "fingerprint": fingerprint, "study": "s", "config": {"prune": {"sparsity": 0.9}},
        "seed": 0, "state": state, "metrics": {"val_accuracy": 0.5}, **fields,
    }  # fmt: skip
    return Record(**plain)  # type: ignore[arg-type]


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    return StudyFolder(str(tmp_path / "study"))


def curve(n: int, value: float = 0.5) -> list[dict[str, object]]:
    return [
        {"phase": "retrain", "cycle": 1, "epoch": e, "step": e + 1, "val_accuracy": value}
        for e in range(n)
    ]


def rewrite(study: StudyFolder, name: str, change: dict[str, object]) -> None:
    raw = json.loads(study.folder.read(name))
    study.folder.write(name, json.dumps({**raw, **change}).encode())


def fingerprints(study: StudyFolder) -> list[str]:
    return [one.fingerprint for one in study.records().records]


def test_a_record_is_read_as_it_was_written(study: StudyFolder) -> None:
    full = record(
        cycles=[{"cycle": 1, "d1": 0.4}], layers={"conv.weight": 0.25}, stages=["h0", "h1"],
        message="m", error={"type": "E", "message": "m", "traceback": "t"},
        provenance={"host": "a", "threads": 2}, origin={"block": {"x": 1}, "number": 3}, attempt=2,
    )  # fmt: skip
    study.write_record(full)
    assert study.read_record("aa") == full
    assert study.records().records == [full]
    assert study.read_record("bb") is None


def test_nan_is_refused_when_written() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        encode(record(metrics={"val_accuracy": math.nan}))


def test_an_empty_folder_holds_nothing(study: StudyFolder) -> None:
    assert study.records() == Reading([], [])
    assert study.folder.names("records") == []
    table, warnings = study.curves()
    assert table.schema == CURVE_SCHEMA
    assert (table.num_rows, warnings) == (0, [])


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_truncated_record_is_named_and_the_rest_is_read(study: StudyFolder, kept: int) -> None:
    study.write_record(record("aa"))
    study.write_record(record("bb"))
    data = study.folder.read("records/aa.json")
    study.folder.write("records/aa.json", data[:kept])
    found = study.records()
    assert [r.fingerprint for r in found.records] == ["bb"]
    (warning,) = found.warnings
    assert warning.startswith("records/aa.json: not a whole JSON record")


@pytest.mark.parametrize(
    "content",
    [b"[]", b"3", b"null", b'{"schema": 1}', b'{"name": "not ours"}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_foreign_file_is_named(study: StudyFolder, content: bytes) -> None:
    study.write_record(record("bb"))
    study.folder.write("records/aa.json", content)
    found = study.records()
    assert [r.fingerprint for r in found.records] == ["bb"]
    assert len(found.warnings) == 1
    assert "records/aa.json" in found.warnings[0]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_is_no_number_is_no_record(study: StudyFolder, number: bytes) -> None:
    study.write_record(record("bb"))
    study.write_record(record("aa"))
    data = study.folder.read("records/aa.json")
    study.folder.write(
        "records/aa.json", data.replace(b'"metrics": {', b'"metrics": {"x": %s, ' % number)
    )
    found = study.records()
    assert [r.fingerprint for r in found.records] == ["bb"]
    assert f"not a whole JSON record ({number.decode()} is no number)" in found.warnings[0]


@pytest.mark.parametrize(
    "edit",
    [
        {"metrics": {"val_accuracy": 0.51}},
        {"seed": 1},
        {"config": {"prune": {"sparsity": 0.95}}},
        {"state": "stopped"},
        {"message": "fine"},
        {"checksum": "0" * 64},
    ],
)
def test_an_edited_record_is_named_and_not_read(
    study: StudyFolder, edit: dict[str, object]
) -> None:
    study.write_record(record("aa"))
    study.write_record(record("bb"))
    rewrite(study, "records/aa.json", edit)
    found = study.records()
    assert fingerprints(study) == ["bb"]
    assert found.warnings == [
        "records/aa.json: must have the content that its checksum was taken of, got another: it was"
        " edited or damaged"
    ]
    study.write_record(record("aa"))  # the trial is wanted again, and its record takes the place
    assert fingerprints(study) == ["aa", "bb"]


def test_a_checksum_is_over_values_and_older_records_have_none(study: StudyFolder) -> None:
    study.write_record(record("aa", metrics={"val_accuracy": 0.1 + 0.2, "val_loss": 1e-300}))
    raw = json.loads(study.folder.read("records/aa.json"))
    study.folder.write(
        "records/aa.json", json.dumps(dict(reversed(raw.items())), indent=1).encode()
    )
    assert study.records().warnings == []
    del raw["checksum"]
    study.folder.write("records/aa.json", json.dumps(raw).encode())
    assert study.records().warnings == []
    assert fingerprints(study) == ["aa"]


@pytest.mark.parametrize("levels", [DEEPEST - 1, DEEPEST])
def test_levels_in_one_another_are_counted(study: StudyFolder, levels: int) -> None:
    """The record itself and its configuration are two of them."""
    deep: dict[str, Any] = {}
    for _ in range(levels - 2):
        deep = {"a": deep}
    study.folder.write("records/aa.json", encode(record("aa", config={"method": deep})))
    if levels < DEEPEST:
        assert study.records().warnings == []
    else:
        (warning,) = study.records().warnings
        assert warning == "records/aa.json: must be nested at most 100 deep, got more"


def test_a_number_that_python_reads_as_infinite_is_named(study: StudyFolder) -> None:
    data = encode(record("aa", seed=77)).replace(b'"config": {', b'"config": {"x": 1e999, ')
    study.folder.write("records/aa.json", data)
    (warning,) = study.records().warnings
    assert warning == "records/aa.json: must hold finite numbers, got one that is not"


def test_a_long_value_is_named_in_short(study: StudyFolder) -> None:
    raw = {**asdict(record("aa")), "seed": ["x" * 1_000_000], "y" * 1_000_000: 1}
    study.folder.write("records/aa.json", json.dumps(raw).encode())
    del raw["y" * 1_000_000]
    study.folder.write("records/bb.json", json.dumps({**raw, "fingerprint": "bb"}).encode())
    assert [len(warning) < 200 for warning in study.records().warnings] == [True, True]


@pytest.mark.parametrize(
    ("once", "twice", "key"),
    [
        (b'"seed": 0', b'"seed": 1, "seed": 0', "seed"),
        (b'"sparsity": 0.9', b'"sparsity": 0.9, "sparsity": 0.9', "sparsity"),
        (b'"checksum"', b'"checksum": null, "checksum"', "checksum"),
    ],
)
def test_a_key_that_stands_twice_is_no_record(
    study: StudyFolder, once: bytes, twice: bytes, key: str
) -> None:
    """The checksum is over one of them, and which one another reader takes is not known."""
    study.write_record(record("bb"))
    study.write_record(record("aa"))
    data = study.folder.read("records/aa.json")
    assert once in data
    study.folder.write("records/aa.json", data.replace(once, twice))
    assert fingerprints(study) == ["bb"]
    assert study.records().warnings == [
        "records/aa.json: not a whole JSON record (a key must stand once in its mapping, got"
        f" '{key}' again)"
    ]


@pytest.mark.parametrize("half", [b"\\ud800", b"\\uDFFF", b"\xed\xa0\x80"])
def test_half_a_character_is_no_text(study: StudyFolder, half: bytes) -> None:
    study.write_record(record("aa", message="fa\U0001f600de", state="failed"))
    assert study.records().records[0].message == "fa\U0001f600de", "whole pairs are text"
    data = study.folder.read("records/aa.json").replace(b"fa", half)
    study.folder.write("records/aa.json", data)
    assert study.records().warnings == [
        "records/aa.json: must hold text in Unicode, got half a character"
    ]


def test_what_a_failure_says_is_kept_as_text(study: StudyFolder) -> None:
    """A file name of bytes that are no text stands in the message of the error about it."""
    study.write_record(record("aa", message="no \udcff.csv", state="failed"))
    assert study.records().records[0].message == "no ?.csv"


HOSTILE = "<script>x</script>"


@pytest.mark.parametrize(
    "declared",
    [
        {"metrics": {HOSTILE: {"better": "more"}}, "counts": "images", "loss_unit": ""},
        {"metrics": {"iou": {"better": "up"}}, "counts": "images", "loss_unit": ""},
        {"metrics": {"iou": {"colour": "red"}}, "counts": "images", "loss_unit": ""},
        {"metrics": ["iou"], "counts": "images", "loss_unit": ""},
        {"metrics": {}, "counts": 3, "loss_unit": ""},
        {"counts": "images"},
    ],
)
def test_what_no_task_declares_is_named(study: StudyFolder, declared: dict[str, object]) -> None:
    study.write_record(record("aa", declared=declared))
    study.write_record(record("bb"))
    (warning,) = study.records().warnings
    assert warning.startswith("records/aa.json: declared must be what a task declares, got a fault")
    table = record_table([record("aa", declared=declared), record("bb")])
    study.folder.write("tables/records.parquet", parquet(table))
    first, second = study.records().warnings
    assert first.startswith("tables/records.parquet: cannot be read (declared must be what a task")
    assert second == warning
    assert fingerprints(study) == ["bb"]


def test_files_that_are_no_records_are_ignored(study: StudyFolder) -> None:
    study.write_record(record("aa"))
    study.folder.write("records/README.txt", b"hello")
    study.folder.write("records/.tmp-1234", b"half")
    assert fingerprints(study) == ["aa"]
    assert study.records().warnings == []


def test_another_schema_version_says_so_and_is_not_guessed(study: StudyFolder) -> None:
    study.write_record(record("aa"))
    rewrite(study, "records/aa.json", {"schema": SCHEMA_VERSION + 1, "novelty": 1})
    (warning,) = study.records().warnings
    assert f"schema version must be {SCHEMA_VERSION}, got {SCHEMA_VERSION + 1}" in warning
    with pytest.raises(RecordError, match="another version of bimp-study"):
        study.read_record("aa")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"state": "finished"},
            "state must be one of done, diverged, failed, stopped, got 'finish",
        ),
        ({"extra": 1}, r"unknown fields \['extra'\]"),
        ({"seed": "0"}, "seed must be of type int, got '0'"),
        ({"config": None}, "config must be of type dict, got None"),
        (
            {"config": {"retrain": {"seed": "x"}}},
            "config.retrain.seed must be a whole number, got 'x'",
        ),
        (
            {"config": {"prune": {"sparsity": [1]}}},
            r"config.prune.sparsity must be a number, got \[1\]",
        ),
        ({"config": {"dense": {"lr": True}}}, "config.dense.lr must be a number, got True"),
        (
            {"config": {"retrain": {"schedule": ["ft"]}}},
            r"config.retrain.schedule must be text, got \['ft'\]",
        ),
        ({"config": {"method": {"name": 5}}}, "config.method.name must be text, got 5"),
        (
            {"config": {"task": {"model": {"name": None}}}},
            "config.task.model.name must be text, got None",
        ),
        (
            {"origin": {"bounds": {"sparsity": {"min": "x"}}}},
            "origin.bounds.sparsity.min must be a number, got 'x'",
        ),
        (
            {"origin": {"bounds": {"sparsity": 0.5}}},
            "origin.bounds.sparsity must be of type dict, got 0.5",
        ),
        ({"cycles": [{"cycle": 1e300}]}, r"cycles\[0\].cycle must be a whole number, got 1e\+300"),
        ({"cycles": [{"cycle": None}]}, r"cycles\[0\].cycle must be a whole number, got None"),
        ({"seed": True}, "seed must be of type int, got True"),
        ({"seed": 10**30}, "seed must be of type int, got 1000"),
        ({"metrics": {"val_accuracy": 10**400}}, "metrics.val_accuracy must be a number, got 1000"),
        ({"metrics": {"val_accuracy": True}}, "metrics.val_accuracy must be a number, got True"),
        ({"cycles": [{"cycle": "a"}]}, r"cycles\[0\].cycle must be a number, got 'a'"),
        (
            {"metrics": {"val_accuracy": "high"}},
            "metrics.val_accuracy must be a number, got 'high'",
        ),
        ({"stages": "h0"}, "stages must be of type list"),
        ({"stages": ["h0", 5]}, r"stages\[1\] must be of type str, got 5"),
        ({"cycles": [1]}, r"cycles\[0\] must be of type dict, got 1"),
        ({"layers": {"fc": "all"}}, "layers.fc must be a number, got 'all'"),
        ({"message": 5}, "message must be of type str, got 5"),
        ({"error": "no"}, "error must be of type dict, got 'no'"),
        ({"origin": {"bounds": "x"}}, "origin.bounds must be of type dict, got 'x'"),
    ],
)
def test_a_record_with_a_wrong_field_is_refused(change: dict[str, object], fault: str) -> None:
    raw = {**asdict(record()), **change}
    with pytest.raises(RecordError, match=f"here: {fault}"):
        decode(json.dumps(raw), "here")


def test_a_layer_may_be_called_as_a_column_of_cycles_is() -> None:
    raw = {**asdict(record()), "layers": {"cycle": 0.5}}
    assert decode(json.dumps(raw), "here").layers == {"cycle": 0.5}


def test_a_record_under_another_name_is_refused(study: StudyFolder) -> None:
    study.write_record(record("aa"))
    study.folder.write("records/bb.json", study.folder.read("records/aa.json"))
    found = study.records()
    assert [r.fingerprint for r in found.records] == ["aa"]
    assert found.warnings == ["records/bb.json: is the record of another trial, aa"]


@pytest.mark.parametrize(
    ("state", "settled"), [("done", True), ("diverged", True), ("stopped", True), ("failed", False)]
)
def test_only_a_failed_trial_is_to_run_again(state: str, settled: bool) -> None:
    assert record(state=state).settled is settled


def test_a_retry_replaces_the_failed_record(study: StudyFolder) -> None:
    study.write_record(record(state="failed", attempt=1, metrics={}, message="boom"))
    study.compact()
    assert [r.state for r in study.records().records] == ["failed"]
    study.write_record(record(state="done", attempt=2))
    assert [(r.state, r.attempt) for r in study.records().records] == [("done", 2)]
    study.compact()
    assert [(r.state, r.attempt) for r in study.records().records] == [("done", 2)]


def test_compaction_covers_settled_records_and_their_curves(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, state in (("aa", "done"), ("bb", "diverged"), ("cc", "failed"), ("dd", "stopped")):
        study.write_record(record(name, state))
        study.write_curve(name, curve(2))
    before, curves_before = study.records(), study.curves()[0]
    study.compact()
    opened: list[str] = []
    read = study.folder.read

    def noted(name: str) -> bytes:
        opened.append(name)
        return read(name)

    monkeypatch.setattr(study.folder, "read", noted)
    assert study.records() == before
    assert study.curves()[0].sort_by("fingerprint").equals(curves_before.combine_chunks())
    assert opened == [
        "tables/records.parquet", "records/cc.json", "tables/curves.parquet", "curves/cc.parquet",
    ]  # fmt: skip


def test_what_comes_after_a_compaction_is_added(study: StudyFolder) -> None:
    study.write_record(record("bb"))
    study.compact()
    study.write_record(record("aa"))
    study.write_curve("aa", curve(1))
    assert [r.fingerprint for r in study.records().records] == ["aa", "bb"]
    assert study.curves()[0].num_rows == 1
    study.compact()
    study.compact()
    assert [r.fingerprint for r in study.records().records] == ["aa", "bb"]


def test_compaction_deletes_nothing(study: StudyFolder) -> None:
    study.write_record(record("aa"))
    study.write_curve("aa", curve(1))
    study.compact()
    assert study.folder.names("records") == ["aa.json"]
    assert study.folder.names("curves") == ["aa.parquet"]


@pytest.mark.parametrize("name", ["tables/records.parquet", "tables/curves.parquet"])
def test_a_broken_table_is_named_and_the_loose_files_are_read(
    study: StudyFolder, name: str
) -> None:
    study.write_record(record("aa"))
    study.write_curve("aa", curve(3))
    study.compact()
    study.folder.write(name, study.folder.read(name)[:-20])
    found, (table, faults) = study.records(), study.curves()
    assert [r.fingerprint for r in found.records] == ["aa"]
    assert table.num_rows == 3
    (warning,) = found.warnings + faults
    assert warning.startswith(f"{name}: cannot be read")


def test_a_table_of_other_columns_is_named(study: StudyFolder) -> None:
    study.write_record(record("aa"))
    study.folder.write("tables/records.parquet", parquet(pa.table({"x": [1]})))
    found = study.records()
    assert [r.fingerprint for r in found.records] == ["aa"]
    assert "tables/records.parquet: cannot be read" in found.warnings[0]


def test_table_rows_of_another_schema_version_are_left_out_and_named(study: StudyFolder) -> None:
    newer = replace(record("aa"), schema=SCHEMA_VERSION + 1)
    table = record_table([newer, record("bb")])
    study.folder.write("tables/records.parquet", parquet(table))
    found = study.records()
    assert [r.fingerprint for r in found.records] == ["bb"]
    assert f"got [{SCHEMA_VERSION + 1}]" in found.warnings[0]


def test_a_broken_curve_is_named_and_the_others_are_read(study: StudyFolder) -> None:
    study.write_curve("aa", curve(2))
    study.write_curve("bb", curve(3))
    study.folder.write("curves/aa.parquet", study.folder.read("curves/aa.parquet")[:50])
    table, warnings = study.curves()
    assert table.column("fingerprint").to_pylist() == ["bb"] * 3
    assert len(warnings) == 1
    assert warnings[0].startswith("curves/aa.parquet: cannot be read")


def test_a_curve_keeps_missing_values_missing(study: StudyFolder) -> None:
    study.write_curve("aa", [{"phase": "retrain", "cycle": 1, "epoch": 0, "step": 5, "lr": 0.0}])
    (row,) = study.read_curve("aa").to_pylist()
    assert row["fingerprint"] == "aa"
    assert row["lr"] == 0.0
    assert row["val_accuracy"] is None
    assert study.read_curve("zz").num_rows == 0


def test_a_curve_with_fewer_columns_than_now_is_a_warning(study: StudyFolder) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"fingerprint": ["aa"], "epoch": [0]}), sink)
    study.folder.write("curves/aa.parquet", sink.getvalue())
    table, warnings = study.curves()
    assert table.num_rows == 0
    assert "curves/aa.parquet" in warnings[0]


def test_a_write_that_dies_leaves_the_old_record_whole(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.write_record(record(state="failed", attempt=1))

    def dies(source: object, target: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(OSError, match="no space left"):
        study.write_record(record(state="done", attempt=2))
    monkeypatch.undo()
    assert [(r.state, r.attempt) for r in study.records().records] == [("failed", 1)]
    assert os.listdir(Path(study.location) / "records") == ["aa.json"]


def test_rows_are_typed_and_keep_every_field() -> None:
    full = record(origin={"number": 7}, stages=["a", "b"], metrics={"d1": 2.0, "unheard_of": 1.0})
    table = record_table([full])
    assert table.schema == RECORD_TABLE
    assert set(table.column_names) == set(asdict(full))
    assert table_records(table) == [full]


_names = st.text("abc", min_size=1, max_size=3)
_records = st.builds(
    Record,
    fingerprint=_names,
    study=st.text(max_size=5),
    config=st.dictionaries(_names, st.one_of(st.integers(0, 9), st.text(max_size=3))),
    seed=st.integers(0, 2**40),
    state=st.sampled_from(["done", "diverged", "stopped", "failed"]),
    attempt=st.integers(1, 3),
    metrics=st.dictionaries(_names, st.floats(allow_nan=False, allow_infinity=False)),
    message=st.none() | st.text(max_size=5),
    stages=st.lists(_names, max_size=2),
)


@given(st.lists(_records, max_size=6, unique_by=lambda r: r.fingerprint))
def test_tables_and_json_hold_the_same_records(given_records: list[Record]) -> None:
    assert table_records(record_table(given_records)) == given_records
    assert [decode(encode(r), "x") for r in given_records] == given_records


def test_an_object_store_is_read_the_same_in_the_same_order(study: StudyFolder) -> None:
    for name in "hgfedcba":
        study.write_record(record(name))
        study.write_curve(name, curve(1))
    study.folder.write("records/d.json", b"{")
    local = study.records(), study.curves()[0]
    path = study.location
    study.folder = RemoteFolder(fs.LocalFileSystem(), path, "s3://bucket/study")
    assert (study.records(), study.curves()[0]) == local
    assert [r.fingerprint for r in local[0].records] == list("abcefgh")


UNSOUND: dict[str, tuple[str, object]] = {
    "a number as configuration": ("config", "5"),
    "a section that is none": ("config", '{"task": 5}'),
    "torn JSON": ("config", "{"),
    "JSON of many levels": ("config", "[" * 100_000),
    "no configuration": ("config", None),
    "cycles of numbers": ("cycles", "[5]"),
    "words for sparsities": ("layers", '{"fc": "all"}'),
    "no origin": ("origin", "[1]"),
    "a state of its own": ("state", "finished"),
    "no state": ("state", None),
    "no name": ("fingerprint", None),
    "no study": ("study", None),
    "no metrics": ("metrics", None),
    "a number that is none": ("metrics", [("val_accuracy", math.inf)]),
    "stages without names": ("stages", [None]),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_a_table_with_a_row_that_is_no_record_gives_way_to_the_loose_files(
    study: StudyFolder, case: str
) -> None:
    """Where it has no checksum: another program wrote it."""
    key, value = UNSOUND[case]
    study.write_record(record("aa"))
    rows = record_table([record("aa"), record("bb")]).to_pylist()
    rows[1][key] = value
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=RECORD_TABLE), sink)
    study.folder.write("tables/records.parquet", sink.getvalue())
    reading = study.records()
    assert [one.fingerprint for one in reading.records] == ["aa"]
    (warning,) = reading.warnings
    assert warning.startswith("tables/records.parquet: cannot be read (the row of ")
    assert len(warning) < 250
    table, warnings = study.table()
    assert table.column("fingerprint").to_pylist() == ["aa"] and warnings == [warning]


FORGED = {
    "a state that is none": ("state", "finished"),
    "no seed": ("seed", None),
    "no name": ("fingerprint", None),
    "one name twice": ("fingerprint", "aa"),
    "no study": ("study", None),
    "a list for an error": ("error", "[]"),
    "no error": ("error", None),
    "no declarations": ("declared", None),
    "nesting without an end": ("declared", "[" * 100_000),
}
"""Read at once, whoever reads."""

LATER = {
    "a list for a configuration": ("config", "[]"),
    "a section that is text": ("config", '{"retrain": "x"}'),
    "a seed that is text": ("config", '{"retrain": {"seed": "x"}}'),
    "no configuration": ("config", None),
    "no JSON": ("config", "{"),
    "deep": ("origin", "[" * 100_000),
    "text for bounds": ("origin", '{"bounds": "x"}'),
    "no metrics": ("metrics", None),
    "a number that is none": ("metrics", [("val_accuracy", math.inf)]),
    "stages without names": ("stages", [None]),
    "no stages": ("stages", None),
    "cycles that are numbers": ("cycles", "[1]"),
    "cycles of text": ("cycles", '[{"d1": "x"}]'),
    "text for layers": ("layers", '{"fc": "all"}'),
    "a list for where it ran": ("provenance", "[]"),
}
"""Read when they are asked for, but for what every table of trials needs."""


@pytest.mark.parametrize("case", [*FORGED, *LATER])
def test_rows_that_are_no_records_end_in_a_sentence(study: StudyFolder, case: str) -> None:
    """Under a checksum that is right, as anybody can make it."""
    key, value = {**FORGED, **LATER}[case]
    study.write_record(record("aa"))
    rows = record_table([record("aa"), record("bb")]).to_pylist()
    rows[1][key] = value
    data = parquet(pa.Table.from_pylist(rows, schema=RECORD_TABLE))
    study.folder.write("tables/records.parquet", data)
    reading = study.records()
    if case in FORGED:
        assert [one.fingerprint for one in reading.records] == ["aa"]
        (warning,) = reading.warnings
        assert warning.startswith("tables/records.parquet: ") and len(warning) < 250
    else:
        with pytest.raises(RecordError, match=r"^tables/records.parquet: a row") as refused:
            _ = getattr(reading.records[1], key)
        assert len(str(refused.value)) < 250
    table, warnings = study.table()
    if key not in ("cycles", "layers", "provenance"):
        assert table.column("fingerprint").to_pylist() == ["aa"]
        assert warnings[0].startswith("tables/records.parquet: ")


def test_edited_tables_give_way_to_the_loose_files(study: StudyFolder) -> None:
    study.write_record(record("aa", metrics={"val_accuracy": 0.25}))
    study.write_curve("aa", [{"phase": "dense", "cycle": 0, "epoch": 0, "val_accuracy": 0.25}])
    study.compact()
    for name in ("records", "curves"):
        data = pa.BufferReader(study.folder.read(f"tables/{name}.parquet"))
        notes = {
            **pq.read_metadata(data).metadata,
            **({b"pandas": b"{}"} if name == "curves" else {}),
        }
        sink = io.BytesIO()
        pq.write_table(pq.read_table(data).replace_schema_metadata(notes), sink)
        study.folder.write(f"tables/{name}.parquet", sink.getvalue())
    assert [one.metrics["val_accuracy"] for one in study.records().records] == [0.25]
    assert study.curves()[0].num_rows == 1
    for warnings, name in ((study.records().warnings, "records"), (study.curves()[1], "curves")):
        (warning,) = warnings
        assert warning.startswith(f"tables/{name}.parquet: cannot be read (must ")

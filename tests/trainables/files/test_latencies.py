"""The table of latencies: rows written, replaced by later ones, and refused when torn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from trainables.files.latencies import (
    Latency,
    measured_fingerprints,
    read_latencies,
    write_latencies,
)
from trainables.files.storage import open_folder
from trainables.files.trial_record import RecordError

ROW = Latency(
    "f1", "masked", "torch", "cpu", "Some CPU", 1, 8, 2.0, 1.5, 2.5, 31, 100, 50, None, "today",
    {"torch": "2"},
)  # fmt: skip


def test_a_later_measurement_of_one_kind_takes_the_place_of_the_earlier(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path))
    other = replace(ROW, batch=1, lo_ms=None, hi_ms=None)
    write_latencies(folder, "f1", [ROW, other])
    later = replace(ROW, latency_ms=1.0, measured_at="tomorrow")
    removed = replace(ROW, form="removed")
    write_latencies(folder, "f1", [later, removed])
    assert read_latencies(folder, "f1") == [later, other, removed]
    assert measured_fingerprints(folder) == ["f1"]
    assert read_latencies(folder, "f2") == []


def test_a_torn_file_is_named_and_replaced(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path))
    folder.write("latency/f1.json", b'{"schema": 1, "fingerprint": "f1", "rows"')
    with pytest.raises(RecordError, match=r"latency/f1\.json"):
        read_latencies(folder, "f1")
    write_latencies(folder, "f1", [ROW])
    assert read_latencies(folder, "f1") == [ROW]
    data = json.dumps({**json.loads(folder.read("latency/f1.json")), "checksum": None}).encode()
    folder.write("latency/f2.json", data.replace(b'"fingerprint": "f1"', b'"fingerprint": "f2"', 1))
    with pytest.raises(RecordError, match="of another trial"):
        read_latencies(folder, "f2")

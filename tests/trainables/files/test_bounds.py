"""Files of a study folder that are longer than any of their kind, or have no end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from pyarrow import fs

from trainables.files import bounds
from trainables.files.bounds import MOST_BYTES, most_bytes, read_bounded
from trainables.files.records import StudyFolder
from trainables.files.storage import RemoteFolder


def test_kinds_of_files_have_their_bounds() -> None:
    assert most_bytes("records/aa.json") == 8 * 2**20
    assert most_bytes("stages/aa/weights-w1.safetensors") is None


def test_the_bound_itself_is_read_and_a_byte_more_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MOST_BYTES, ".json", 100)
    path = tmp_path / "a.json"
    path.write_bytes(b"1" * 100)
    remote = RemoteFolder(fs.LocalFileSystem(), str(tmp_path), "s3://mine")
    assert read_bounded(path) == remote.read("a.json") == b"1" * 100
    path.write_bytes(b"1" * 101)
    rule = r"must have at most 9\.53674e-05 MiB, got more"
    with pytest.raises(OSError, match=rule):
        read_bounded(path)
    with pytest.raises(OSError, match=rule):
        remote.read("a.json")
    path.rename(tmp_path / "a.safetensors")
    assert len(read_bounded(tmp_path / "a.safetensors")) == 101


def test_files_of_holes_cost_nothing(tmp_path: Path) -> None:
    """As long as a thousand studies, on a disk of next to nothing."""
    study = StudyFolder(str(tmp_path))
    names = ("records/aa.json", "tables/records.parquet", "curves/aa.parquet")
    for name, size in zip(names, (2**40, 2**40, 2**30), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    assert study.records().warnings == [
        "tables/records.parquet: cannot be read (must have at most 1024 MiB, got more)",
        "records/aa.json: cannot be read (must have at most 8 MiB, got more)",
    ]
    assert study.curves()[1] == [
        "curves/aa.parquet: cannot be read (holds next to nothing but zeros)"
    ]


def test_a_large_file_with_content_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of its samples are zeros, which is not most of them."""
    monkeypatch.setattr(bounds, "_LONG", 1)
    monkeypatch.setattr(bounds, "_STRIDE", 100)
    monkeypatch.setattr(bounds, "_SAMPLE", 10)
    data = (bytes(100) + b"1" * 100) * 2
    (tmp_path / "a.parquet").write_bytes(data)
    assert read_bounded(tmp_path / "a.parquet") == data
    (tmp_path / "a.parquet").write_bytes(data + bytes(100))
    with pytest.raises(OSError, match="holds next to nothing but zeros"):
        read_bounded(tmp_path / "a.parquet")


def test_a_reader_does_not_wait_for_somebody_who_writes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
        for name in ("pipe", "link", "socket"):
            with pytest.raises(OSError, match="no regular file"):
                read_bounded(tmp_path / name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        read_bounded(tmp_path / "folder")

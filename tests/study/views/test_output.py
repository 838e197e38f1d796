"""What a verb cannot write is a refusal that names its option."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.views.output import require_file, write, write_all
from trainables.vocabulary.refusal import Refusal


def test_one_that_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    files = {tmp_path / "first": b"1", tmp_path / "file" / "below": b"2"}
    with pytest.raises(Refusal, match=r"-o must be a file that can be written, got .*below"):
        write_all(files)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_refused_before_and_when_writing(tmp_path: Path) -> None:
    for attempt in (lambda: require_file(tmp_path), lambda: write(tmp_path, b"x")):
        with pytest.raises(Refusal, match=r"-o must be a file .*, which is a folder"):
            attempt()

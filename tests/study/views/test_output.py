"""Files that a verb writes: all of them or none, and nothing in the place of a link or device."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from study.views.output import write, write_all
from trainables.vocabulary.refusal import Refusal


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    one, two = tmp_path / "new" / "one", tmp_path / "two"
    two.write_bytes(b"before")
    write_all({one: b"1", two: b"2"})
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "two"]


def test_links_folders_and_devices_are_not_replaced(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_bytes(b"kept")
    link.symlink_to(target)
    os.mkfifo(pipe)
    for path, kind in ((link, "a link"), (tmp_path, "a folder"), (pipe, "no regular file")):
        other = tmp_path / "other"
        with pytest.raises(Refusal, match=f"-o must be a new file or a regular one, .* is {kind}"):
            write_all({other: b"x", path: b"y"})
        assert not other.exists()
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(Refusal, match="which is a link"):
        write(dangling, b"x")
    assert link.is_symlink() and target.read_bytes() == b"kept"


def test_one_that_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    files = {tmp_path / "first": b"1", tmp_path / "file" / "below": b"2"}
    with pytest.raises(Refusal, match=r"-o must be a file that can be written, got .*below"):
        write_all(files)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]

"""`bimp note`: kept, shown, taken away; refused where it is on nothing."""

from __future__ import annotations

from pathlib import Path

from tests.analysis.small import write_small
from tests.study.conftest import Command


def test_notes_are_kept_shown_and_taken_away(bimp: Command, tmp_path: Path) -> None:
    folder = write_small(str(tmp_path)).location
    before = {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}
    assert bimp("note", folder).out == ""
    assert bimp("note", folder, "lr was too high").status == 0
    assert bimp("note", folder, "odd curve", "--trial", "ft1").status == 0
    assert bimp("note", folder).out == "study: lr was too high\nft1: odd curve\n"
    assert bimp("note", folder, "--trial", "ft1").out == "ft1: odd curve\n"
    bimp("note", folder, "--delete", "--trial", "ft1")
    bimp("note", folder, "--delete")
    assert bimp("note", folder).out == ""
    assert before == {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def test_a_note_is_on_something(bimp: Command, tmp_path: Path) -> None:
    folder = write_small(str(tmp_path)).location
    for trial in ("nobody", "../study"):
        ended = bimp("note", folder, "text", "--trial", trial)
        assert ended.status == 2 and "--trial must be the fingerprint of a trial" in ended.err
    assert bimp("note", tmp_path / "nowhere", "text").status == 2
    assert "must be absent with --delete" in bimp("note", folder, "x", "--delete").err

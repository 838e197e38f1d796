"""Notes: one text per thing, replaced and taken away; nothing else is written anywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from trainables.files.notes import LONGEST, STUDY, Note, read_notes, write_note
from trainables.files.storage import LocalFolder

NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def test_a_note_is_read_back_replaced_and_taken_away(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    assert read_notes(folder) == ({}, [])
    write_note(folder, STUDY, "  looks fine, ä\n<b>second line</b> ", NOW)
    write_note(folder, "4be1", "odd", NOW)
    when = "2026-01-05T10:00:00+00:00"
    assert read_notes(folder)[0] == {
        STUDY: Note(STUDY, "looks fine, ä\n<b>second line</b>", when),
        "4be1": Note("4be1", "odd", when),
    }
    write_note(folder, "4be1", "even", NOW)
    assert read_notes(folder)[0]["4be1"].text == "even"
    write_note(folder, "4be1", " \n", NOW)
    assert set(read_notes(folder)[0]) == {STUDY}


@pytest.mark.parametrize("about", ["../study", "a/b", "", "x" * 81, "a.b"])
def test_a_note_stays_in_its_folder(tmp_path: Path, about: str) -> None:
    with pytest.raises(ValueError, match="on the study or a trial's name"):
        write_note(LocalFolder(tmp_path), about, "x", NOW)
    assert not list(tmp_path.iterdir())


def test_a_note_has_an_end(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    write_note(folder, STUDY, "x" * LONGEST, NOW)
    with pytest.raises(ValueError, match=r"at most 10,000 characters, got 10,001"):
        write_note(folder, STUDY, "x" * (LONGEST + 1), NOW)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1, "about": 1, "text": "", "at": ""}'])
def test_a_damaged_note_is_a_warning(tmp_path: Path, content: str) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bad.json").write_text(content)
    write_note(LocalFolder(tmp_path), "good", "text", NOW)
    notes, warnings = read_notes(LocalFolder(tmp_path))
    assert set(notes) == {"good"} and len(warnings) == 1 and "notes/bad.json" in warnings[0]

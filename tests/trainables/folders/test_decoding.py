"""What cannot be decoded: found out once per state of a folder, and kept where nobody minds it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.folders.pictures import folder_of, noise, scrambled
from trainables.folders import decoding
from trainables.folders.decoding import KEPT, Names, decoding_faults
from trainables.folders.listing import listing_of


class Look:
    """Finds fault with files that hold "bad", and notes which it was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []

    def __call__(self, names: Names) -> str | None:
        self.asked.append(names[0])
        bad = [name for name in names if "bad" in (self.root / name).read_text()]
        return f"{bad[0]} is bad" if bad else None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {"a/1": "good", "a/2": "bad", "b/1": "good", "b/1.mask": "bad"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


FILES = [("a/1",), ("a/2",), ("b/1", "b/1.mask")]
FAULTS = {"a/2": "a/2 is bad", "b/1": "b/1.mask is bad"}


def asked(root: Path, what: str = "texts") -> tuple[dict[str, str], list[str]]:
    """What is at fault, and which files were looked at to find out."""
    look = Look(root)
    return decoding_faults(root, FILES, look, what), sorted(look.asked)


def test_each_is_looked_at_once(root: Path) -> None:
    assert asked(root) == (FAULTS, ["a/1", "a/2", "b/1"])
    assert asked(root) == (FAULTS, [])


def test_of_a_changed_file_only_its_folder_is_looked_at_again(root: Path) -> None:
    asked(root)
    (root / "b/1.mask").write_text("fine")
    assert asked(root) == ({"a/2": "a/2 is bad"}, ["b/1"])
    time = (root / "a/1").stat().st_mtime_ns
    (root / "a/1").write_text("bad!")  # as long as it was
    os.utime(root / "a/1", ns=(time + 1, time + 1))
    assert asked(root) == ({"a/1": "a/1 is bad", "a/2": "a/2 is bad"}, ["a/1", "a/2"])


def test_another_look_asks_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(root)
    assert asked(root, "other classes")[1] == ["a/1", "a/2", "b/1"]
    monkeypatch.setattr(decoding, "version", lambda _: "another Pillow's")
    assert asked(root, "other classes")[1] == ["a/1", "a/2", "b/1"]


def test_other_sets_of_files_keep_theirs(root: Path) -> None:
    decoding_faults(root, FILES[:2], Look(root), "texts")
    decoding_faults(root, FILES[2:], Look(root), "texts")
    assert asked(root) == (FAULTS, [])


def test_what_was_torn_is_found_out_again(root: Path) -> None:
    asked(root)
    content = (root / KEPT).read_text()
    (root / KEPT).write_text(content[:-5])
    assert asked(root) == (FAULTS, ["a/1", "a/2", "b/1"])
    assert json.loads((root / KEPT).read_text()) == json.loads(content)


def only_to_be_read(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    write = Path.write_text

    def refuse(path: Path, *words: Any, **named: Any) -> int:
        if any(path.is_relative_to(folder) for folder in folders):
            raise PermissionError
        return write(path, *words, **named)

    monkeypatch.setattr(Path, "write_text", refuse)


def test_of_a_folder_that_is_only_to_be_read_it_is_kept_in_the_cache(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "CACHE", tmp_path_factory.mktemp("home") / "cache")
    asked(root)  # kept beside the files, and out of date from here on
    (root / "b/1.mask").write_text("fine")
    only_to_be_read(monkeypatch, root)
    assert asked(root) == ({"a/2": "a/2 is bad"}, ["b/1"])
    assert asked(root) == ({"a/2": "a/2 is bad"}, [])


def test_where_nothing_can_be_kept_it_is_found_out_every_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "CACHE", root / "cache")
    only_to_be_read(monkeypatch, root)
    for _ in range(2):
        assert asked(root) == (FAULTS, ["a/1", "a/2", "b/1"])
    assert not (root / KEPT).exists()


def test_a_long_look_says_how_far_it_is(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(decoding, "KEEP_EVERY_S", 0.0)
    asked(root)
    assert caplog.messages[0] == f"{root}: 2 of 3 files decoded, which is done once"


def test_what_is_kept_is_no_image_and_no_class(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    from trainables.folders.division import faults_in

    folder = folder_of(tmp_path, {"a": 2, "b": 1})
    scrambled(noise(folder / "a" / "x.jpg", 3, (40, 40)))
    before = listing_of(folder)
    assert [*faults_in(folder, before.files)] == ["a/x.jpg"]
    assert (folder / KEPT).is_file() and listing_of(folder) == before
    assert ImageFolder(str(folder)).classes == ["a", "b"]

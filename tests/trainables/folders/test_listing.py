"""Listings of folders of images: torchvision's order, the layouts, and what a digest stands for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainables.folders.pictures import folder_of, plain
from trainables.data.raw import DataFormatError, DataMissingError
from trainables.folders.listing import EXTENSIONS, listing_of


def touch(root: Path, *names: str) -> Path:
    """Write files whose content is their name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def names(root: Path, part: str = "train") -> list[tuple[str, int]]:
    return [(file.name, file.label) for file in listing_of(root).parts[part]]


def test_files_and_classes_are_torchvision_s_in_its_order(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder
    from torchvision.datasets.folder import IMG_EXTENSIONS

    touch(
        tmp_path, "b/z.png", "b/a.JPG", "b/a/2.png", "b/a-1/1.png", "B/x.webp", "a/deep/er/1.tiff",
        "a/0.jpeg", "a/notes.txt", "a/deep/0.PNG",
    )  # fmt: skip
    theirs = ImageFolder(str(tmp_path))
    ours = listing_of(tmp_path)
    assert list(ours.classes) == theirs.classes == ["B", "a", "b"]
    assert [(str(tmp_path / name), label) for name, label in names(tmp_path)] == theirs.samples
    assert EXTENSIONS == IMG_EXTENSIONS


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/._1.png", "a/.cache/2.png", ".thumbnails/3.png")
    assert names(tmp_path) == [("a/1.png", 0)]
    assert listing_of(tmp_path).classes == ("a",)


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        (("cats/1.png", "dogs/1.png"), {"train": 2}),
        (("train/cats/1.png", "val/cats/1.png"), {"train": 1, "val": 1}),
        (("train/cats/1.png", "val/cats/1.png", "test/cats/1.png", "README"),
         {"train": 1, "val": 1, "test": 1}),
        (("train/cats/1.png",), {"train": 1}),
        (("train/1.png", "car/1.png", "bus/1.png"), {"train": 3}),  # a class called train
        (("train/steam/1.png", "car/1.png"), {"train": 2}),
        (("test/1.png", "car/1.png"), {"train": 2}),
    ],
)  # fmt: skip
def test_parts_are_told_from_classes(
    tmp_path: Path, files: tuple[str, ...], parts: dict[str, int]
) -> None:
    listing = listing_of(touch(tmp_path, *files))
    assert {part: len(found) for part, found in listing.parts.items()} == parts


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "must hold a folder for each class, got .* without any"),
        (("1.png",), "must hold a folder for each class"),
        (("train/cats/1.png", "val/cats/1.png", "extra/1.png"),
         "must hold nothing beside train, val, got .* with extra"),
        (("val/cats/1.png", "test/cats/1.png"), "must hold class folders in train/ .* test, val"),
        (("train/1.png", "val/1.png"), "must hold class folders in train/"),
        (("train/a/1.png", "val/b/1.png"), "the classes of train/ in every part, got b in .*val"),
    ],
)  # fmt: skip
def test_other_layouts_are_refused(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataFormatError, match=rf"^task\.dataset\.path .*{message}"):
        listing_of(touch(tmp_path, *files))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=f"must be a folder .* got {tmp_path / 'none'}"):
        listing_of(tmp_path / "none")


def test_a_part_may_lack_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "val/b/1.png")
    assert names(tmp_path, "val") == [("val/b/1.png", 1)]


# digests


def test_a_digest_by_hand(tmp_path: Path) -> None:
    """Of the text "a/1.png" NUL "7" newline: sha256 begins with these digits."""
    import hashlib

    touch(tmp_path, "a/1.png")
    expected = hashlib.sha256(b"a/1.png\x007\n").hexdigest()[:16]
    assert listing_of(tmp_path).digest == expected


def test_moving_a_folder_keeps_its_digest(tmp_path: Path) -> None:
    touch(tmp_path / "here", "a/1.png", "b/2.png")
    before = listing_of(tmp_path / "here").digest
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert listing_of(tmp_path / "there").digest == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file more": lambda root: (root / "a/2.png").write_text("x"),
    "a file less": lambda root: (root / "b/1.png").unlink(),
    "a longer file": lambda root: (root / "a/1.png").write_text("longer than it was"),
    "another name": lambda root: (root / "a/1.png").rename(root / "a/3.png"),
    "another class": lambda root: (root / "a/1.png").rename(root / "b/0.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_files_give_another_digest(tmp_path: Path, change: str) -> None:
    touch(tmp_path, "a/1.png", "b/1.png", "b/2.png")
    before = listing_of(tmp_path).digest
    CHANGES[change](tmp_path)
    assert listing_of(tmp_path).digest != before


def test_what_is_no_image_is_not_in_the_digest(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    before = listing_of(tmp_path).digest
    touch(tmp_path, "a/notes.txt", "README", "a/.hidden.png")
    assert listing_of(tmp_path).digest == before


# links


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "1.png")
    touch(tmp_path / "data", "a/2.png")
    (tmp_path / "data/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/a/again").symlink_to(tmp_path / "data/a")
    assert names(tmp_path / "data") == [("a/2.png", 0), ("b/1.png", 1)]


def test_a_link_that_points_nowhere_is_listed_without_a_size(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "a/0.png").symlink_to(tmp_path / "gone.png")
    assert [file.size for file in listing_of(tmp_path).parts["train"]] == [-1, 7]


def test_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    os.rename(tmp_path / "a/1.png", os.fsencode(tmp_path) + b"/a/\xff.png")
    listing = listing_of(tmp_path)
    assert len(listing.digest) == 16
    assert (tmp_path / listing.parts["train"][0].name).is_file()


def test_sizes_are_the_files(tmp_path: Path) -> None:
    plain(tmp_path / "a/1.png")
    (file,) = listing_of(tmp_path).parts["train"]
    assert file.size == (tmp_path / "a/1.png").stat().st_size


def test_without_leaves_files_out(tmp_path: Path) -> None:
    listing = listing_of(folder_of(tmp_path, {"a": 2, "b": 1}))
    assert [f.name for f in listing.without({"a/000.png"}).files] == ["a/001.png", "b/000.png"]

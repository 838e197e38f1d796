"""The files of a folder of images, by part and class: names and sizes, nothing opened.

The layout is torchvision's: a folder for each class, images anywhere below it; or such folders in
`train` and, if they are there, `val` and `test`. Pure standard library.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from trainables.data.raw import DataFormatError, DataMissingError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Endings of image files, as torchvision lists them; upper case counts too."""

PARTS = ("train", "val", "test")
_DIGITS = 16
_KEY = "task.dataset.path"


class ImageFile(NamedTuple):
    """A file's name below the listed folder, its size in bytes (-1: unknown), and its class."""

    name: str
    size: int
    label: int


@dataclass(frozen=True)
class Listing:
    """The images below `root`: `parts` holds `train` alone where no folder divides them.

    Classes are sorted by name; files by folder, then by name. What is hidden is left out.
    """

    root: Path
    classes: tuple[str, ...]
    parts: dict[str, tuple[ImageFile, ...]]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits, equal for equal names and sizes, wherever the folder lies."""
        lines = (f"{f.name}\0{f.size}\n" for files in self.parts.values() for f in files)
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[
            :_DIGITS
        ]

    @property
    def files(self) -> Iterator[ImageFile]:
        """All files, part by part."""
        return (file for files in self.parts.values() for file in files)

    def without(self, names: Container[str]) -> Listing:
        """Return the listing without some files."""
        kept = {
            part: tuple(f for f in files if f.name not in names)
            for part, files in self.parts.items()
        }
        return replace(self, parts=kept)


def listing_of(root: Path) -> Listing:
    """Return the images below a folder.

    Raises:
        DataMissingError: there is no such folder.
        DataFormatError: the folder has no class, is not clearly of one layout, or a part has a
            class that training has not.
    """
    if not root.is_dir():
        raise DataMissingError(f"{_KEY} must be a folder of images by class, got {root}")
    parts = _parts_of(root)
    classes = _folders(parts["train"])
    if not classes:
        raise DataFormatError(f"{_KEY} must hold a folder for each class, got {root} without any")
    labels = {name: label for label, name in enumerate(classes)}
    return Listing(
        root,
        tuple(classes),
        {part: tuple(_images(root, folder, labels)) for part, folder in parts.items()},
    )


def _parts_of(root: Path) -> dict[str, Path]:
    """The folder of each part: the root itself where it holds the classes."""
    names = _folders(root)
    parts = [part for part in PARTS if part in names]
    others = [name for name in names if name not in PARTS]
    if "train" not in parts or not _folders(root / "train"):
        if parts and not others:
            rule = "must hold class folders in train/ beside val/ and test/"
            raise DataFormatError(f"{_KEY} {rule}, got {root} with {', '.join(names)}")
        return {"train": root}
    if not others:
        return {part: root / part for part in parts}
    if len(parts) > 1:
        rule = f"must hold nothing beside {', '.join(parts)}"
        raise DataFormatError(f"{_KEY} {rule}, got {root} with {', '.join(others)}")
    return {"train": root}


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _images(root: Path, folder: Path, labels: dict[str, int]) -> Iterator[ImageFile]:
    foreign = [name for name in _folders(folder) if name not in labels]
    if foreign:
        rule = "must have the classes of train/ in every part"
        raise DataFormatError(f"{_KEY} {rule}, got {', '.join(foreign)} in {folder}")
    for name, label in labels.items():
        if (folder / name).is_dir():
            for path, size in sorted(_below(folder / name)):
                relative = Path(*path).relative_to(root).as_posix()
                yield ImageFile(relative, size, label)


def _below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[_Sized]:
    """((folder, name), size) of the images below a folder; a link to a folder above is left."""
    status = folder.stat()
    place = (status.st_dev, status.st_ino)
    if place in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _below(folder / entry.name, above | {place})
            elif entry.name.lower().endswith(EXTENSIONS):
                yield (str(folder), entry.name), _size(entry)


_Sized = tuple[tuple[str, str], int]


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link that points nowhere: named as broken when it is opened
        return -1

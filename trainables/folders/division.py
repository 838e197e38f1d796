"""How the images of a folder are divided into parts, and which of them are broken.

Knows names and sizes of files, and which of them can be decoded; `items` decodes them to train on.
Needs only numpy and, where files are opened, Pillow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.config.datasets import FolderParameters
from trainables.data.raw import DataFormatError
from trainables.data.splits import SPLIT_SEED, held_out, share_of, stratified
from trainables.folders.decoding import decoding_faults
from trainables.folders.image_files import fault_of
from trainables.folders.listing import ImageFile, Listing, listing_of
from trainables.vocabulary.homes import expanded

DEFAULT_VAL = 0.1
MOST_NAMED = 5


@dataclass(frozen=True)
class FolderParts:
    """What a folder gives to each part.

    `listing` stands for the files in the hash of a trial; `left_out` gives by name the reason for
    each broken file that stays out.
    """

    root: Path
    classes: tuple[str, ...]
    listing: str
    train: tuple[ImageFile, ...]
    val: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...] | None
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_order(self) -> dict[str, tuple[ImageFile, ...]]:
        """The parts that are there, by name."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: files for name, files in parts.items() if files is not None}

    def counts(self) -> dict[str, list[int]]:
        """Images of each class, in the order of `classes`, by part."""
        return {
            part: np.bincount(_labels(files), minlength=len(self.classes)).tolist()
            for part, files in self.in_order.items()
        }


def folder_parts(options: FolderParameters, root: Path) -> FolderParts:
    """Return the images of each part of a folder below `root`, broken ones left out if asked.

    Raises:
        DataMissingError: there is no such folder.
        DataFormatError: it is not laid out as it should be, or a class has nothing to train on.
        ValueError: shares or subsets that the folder cannot give.
    """
    return divided(listing_of(root / expanded(options.path)), options)


def divided(listing: Listing, options: FolderParameters) -> FolderParts:
    """Return the parts of a listing; raises as `folder_parts` does."""
    left_out = faults_in(listing.root, listing.files) if options.broken == "skip" else {}
    listing = listing.without(left_out)
    _require_classes(listing)
    train, val, test = _divided(listing, options)
    n_classes = len(listing.classes)
    return FolderParts(
        listing.root,
        listing.classes,
        listing.digest,
        _subset("n_train", train, options.n_train, n_classes),
        _subset("n_val", val, options.n_val, n_classes),
        test,
        left_out,
    )


def require_whole(parts: FolderParts, remedy: str = "") -> None:
    """Decode every file, once; DataFormatError counts and names those that are broken."""
    files = [file for part in parts.in_order.values() for file in part]
    faults = faults_in(parts.root, files)
    if not faults:
        return
    named = [f"{name} ({reason})" for name, reason in sorted(faults.items())[:MOST_NAMED]]
    more = f" and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
    raise DataFormatError(
        f"task.dataset.path must hold images that can be read, got {len(faults)} of {len(files)}"
        f" that cannot: {', '.join(named)}{more}{remedy}"
    )


def faults_in(root: Path, files: Iterable[ImageFile]) -> dict[str, str]:
    """Return the reason by name for each file that cannot be decoded as an image."""
    names = ((file.name,) for file in files)
    return decoding_faults(root, names, lambda names: fault_of(root / names[0]), "images")


def _require_classes(listing: Listing) -> None:
    counts = np.bincount(_labels(listing.parts["train"]), minlength=len(listing.classes))
    if empty := [name for name, n in zip(listing.classes, counts, strict=True) if not n]:
        rule = "must hold an image or more of every class"
        raise DataFormatError(
            f"task.dataset.path {rule}, got none of {', '.join(empty)} in {listing.root}"
        )


def _divided(
    listing: Listing, options: FolderParameters
) -> tuple[Sequence[ImageFile], Sequence[ImageFile], tuple[ImageFile, ...] | None]:
    train: Sequence[ImageFile] = listing.parts["train"]
    given = listing.parts
    for key in ("val", "test"):
        if key in given and (share := getattr(options, key)) is not None:
            rule = f"must be absent where the folder holds {key}/"
            raise ValueError(f"task.dataset.{key} {rule}, got {share}")
        if key in given and not given[key]:
            raise DataFormatError(f"task.dataset.path must hold images in {key}/, got none")
    n = len(train)
    val, test = given.get("val"), given.get("test")
    if options.test is not None:
        test, train = _held(train, options.test, n, "test", options)
    if val is None:
        val, train = _held(train, options.val or DEFAULT_VAL, n, "val", options)
    return train, val, test


def _held(
    files: Sequence[ImageFile], share: float, n: int, key: str, options: FolderParameters
) -> tuple[tuple[ImageFile, ...], tuple[ImageFile, ...]]:
    """A share of all n images, drawn from those that are left, and the others."""
    labels = _labels(files)
    n_held = share_of(n, share)
    if not 0 < n_held < len(files):
        rule = f"must take an image or more from {n} and leave some"
        raise ValueError(f"task.dataset.{key} {rule}, got {share}")
    first, rest = held_out(labels, n_held, options.split.kind, options.split.seed)
    if lost := set(labels.tolist()) - set(labels[rest].tolist()):
        rule = "must leave every class an image to train on"
        example = next(file.name for file in files if file.label in lost)
        raise ValueError(f"task.dataset.{key} {rule}, got {share}, which takes {example} and all"
                         " others of its class")  # fmt: skip
    return tuple(files[i] for i in first), tuple(files[i] for i in rest)


def _subset(
    key: str, files: Sequence[ImageFile], n: int | None, n_classes: int
) -> tuple[ImageFile, ...]:
    """A fixed stratified draw of n images, or all."""
    if n is None:
        return tuple(files)
    if not n_classes <= n <= len(files):
        rule = f"must be in [{n_classes}, {len(files)}], from one image per class to all"
        raise ValueError(f"task.dataset.{key} {rule}, got {n}")
    first, _ = stratified(_labels(files), n, SPLIT_SEED)
    return tuple(files[i] for i in first)


def _labels(files: Sequence[ImageFile]) -> NDArray[np.int64]:
    return np.array([file.label for file in files], dtype=np.int64)

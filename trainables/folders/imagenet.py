"""ImageNet's 2012 challenge: `train` and `val`, a folder for each class, or its archives.

A tenth of the training images is held out for validation; the public validation images, whose
labels are known, are the test part. Images are augmented, resized and normalised as usual for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.config.datasets import (
    Dataset,
    FolderParameters,
    ImageNetParameters,
    KnownDataset,
)
from trainables.data.balance import Balance
from trainables.data.raw import DataFormatError, DataMissingError
from trainables.folders.division import FolderParts, divided, require_whole
from trainables.folders.imagenet_archives import ARCHIVES, packed, unpack
from trainables.folders.listing import listing_of
from trainables.vocabulary.homes import expanded

if TYPE_CHECKING:
    from trainables.data.parts import Splits


@dataclass(frozen=True)
class ImageNetSource:
    """The `Source` of ImageNet; nobody may download it for a user."""

    download: Callable[[str, Path], None] | None = None

    def check(self, dataset: Dataset, options: ImageNetParameters, root: Path) -> None:
        """Count the files, unless they are in archives that are still to be unpacked."""
        if not packed(_folder(options, root)):
            _parts(dataset, options, root)

    def prepare(self, dataset: Dataset, options: ImageNetParameters, root: Path) -> None:
        """Unpack the archives, and decode each file: DataFormatError where some are broken."""
        unpack(_folder(options, root), _known(dataset).n_classes)
        require_whole(_parts(dataset, options, root))

    def balance(self, dataset: Dataset, options: ImageNetParameters, root: Path) -> Balance:
        """Count the classes of the parts."""
        parts = _parts(dataset, options, root)
        return Balance(parts.classes, parts.counts())

    def splits(self, dataset: Dataset, options: ImageNetParameters, root: Path) -> Splits:
        """Return the parts as items that are decoded when they are asked for."""
        from trainables.folders.items import on_disk

        unpack(_folder(options, root), _known(dataset).n_classes)
        splits = on_disk(_parts(dataset, options, root), _as_folder(dataset, options))
        return replace(splits, listing=None)  # its numbers say which files these are


def _folder(options: ImageNetParameters, root: Path) -> Path:
    return root / expanded(options.path)


def _as_folder(dataset: Dataset, options: ImageNetParameters) -> FolderParameters:
    size = _known(dataset).in_shape[1]
    given = options.model_dump()
    return FolderParameters(**given, size=size, normalise="imagenet")


def _parts(dataset: Dataset, options: ImageNetParameters, root: Path) -> FolderParts:
    known = _known(dataset)
    folder = _folder(options, root)
    if packed(folder) or not (folder / "train").is_dir():
        rule = f"must hold train/ and val/, or the archives {ARCHIVES} to be unpacked by a run"
        raise DataMissingError(f"task.dataset.path {rule}, got {folder}")
    listing = listing_of(folder)
    counts = {part: len(files) for part, files in listing.parts.items()}
    expected = {"train": known.n_full, "val": known.n_test}
    if counts != expected or len(listing.classes) != known.n_classes:
        raise DataFormatError(
            f"task.dataset.path must hold {_words(expected, known.n_classes)} for {known.name},"
            f" got {_words(counts, len(listing.classes))} in {listing.root}"
        )
    train, public = listing.parts["train"], listing.parts["val"]
    return divided(
        replace(listing, parts={"train": train, "test": public}), _as_folder(dataset, options)
    )


def _words(counts: dict[str, int], n_classes: int) -> str:
    images = " and ".join(f"{n:,} images in {part}/" for part, n in counts.items())
    return f"{images} of {n_classes} classes"


def _known(dataset: Dataset) -> KnownDataset:
    if not isinstance(dataset, KnownDataset):
        raise TypeError(f"{dataset.name} must have known numbers")
    return dataset


SOURCE = ImageNetSource()
"""The source that the data set's record names."""

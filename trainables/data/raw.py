"""Images as a data set's files hold them, and the errors of files that are missing or wrong.

Needs only numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.data.splits import SPLIT_SEED, Indices, stratified


class DataMissingError(FileNotFoundError):
    """The files of a data set are not where they were looked for."""


class DataFormatError(ValueError):
    """A file of a data set is there but is not what it should be."""


@dataclass(frozen=True, eq=False)
class RawImages:
    """Images as unsigned bytes [N, C, H, W] and their classes as int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def take(self, indices: Indices) -> RawImages:
        """Return the images at `indices` [n], in that order."""
        return RawImages(self.images[indices], self.labels[indices])

    def subset(self, n: int | None) -> RawImages:
        """Return `n` images, a fixed stratified draw; all of them without a number."""
        return self if n is None else self.take(stratified(self.labels, n, SPLIT_SEED)[0])


class RawParts(NamedTuple):
    """The images of each part as the files hold them."""

    train: RawImages
    val: RawImages
    test: RawImages


def check_content(
    what: str, raw: RawImages, n_images: int, in_shape: tuple[int, int, int], n_classes: int
) -> None:
    """Raise DataFormatError, beginning with `what`, unless `raw` is what the arguments say.

    That is `n_images` images of `in_shape` and as many labels in [0, n_classes).
    """
    found = (len(raw.images), len(raw.labels))
    if found != (n_images, n_images):
        raise DataFormatError(
            f"{what}: must be {n_images} images and as many labels, are {found[0]} and {found[1]}"
        )
    if raw.images.shape[1:] != in_shape:
        raise DataFormatError(f"{what}: must have shape {in_shape}, have {raw.images.shape[1:]}")
    lowest, highest = int(raw.labels.min()), int(raw.labels.max())
    if lowest < 0 or highest >= n_classes:
        raise DataFormatError(
            f"{what}: labels must be in [0, {n_classes}), are from {lowest} to {highest}"
        )


def find_folder(
    name: str, folders: Sequence[Path], files: Sequence[str], endings: Sequence[str], how: str
) -> Path:
    """Return the first of `folders` that holds every one of `files`, with any of `endings`.

    Raises DataMissingError, which names folders, files and `how` to get them, if none does.
    """
    for folder in folders:
        if all(any((folder / f"{file}{end}").is_file() for end in endings) for file in files):
            return folder
    ending = "".join(f"[{end}]" for end in endings if end)
    wanted = ", ".join(f"{file}{ending}" for file in files)
    looked = " or ".join(str(folder) for folder in folders)
    raise DataMissingError(f"{name} is missing: looked for {wanted} in {looked}. {how}")


def how_to_download(name: str, root: Path) -> str:
    """Return the sentence that tells how to download a data set to `root`."""
    call = f"from trainables.data.sources import download; download({name!r}, {str(root)!r})"
    return f'To download it: python -c "{call}"'

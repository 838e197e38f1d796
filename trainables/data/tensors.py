"""Data sets as tensors: loaded, split into training, validation and test, and normalised.

A tenth of the training images, the same ones in every study, is the validation part; validation
and test are never augmented. Scikit-learn and torchvision, slow to import, are imported only when
a data set needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.config.catalog import Dataset
from trainables.data.augmentation import Augmentation, Draws
from trainables.data.in_memory import InMemory
from trainables.data.normalisation import normalised, statistics, value_table
from trainables.data.parts import Splits
from trainables.data.raw import DataFormatError, DataMissingError, RawImages, check_content
from trainables.data.sources import SOURCES, Source, check_available, checked, download
from trainables.data.splits import SPLIT_SEED, stratified

__all__ = [
    "SOURCES",
    "Augmentation",
    "DataFormatError",
    "DataMissingError",
    "Draws",
    "ImageData",
    "Source",
    "check_available",
    "download",
    "load",
]


@dataclass(frozen=True, eq=False)
class ImageData:
    """A loaded data set of images float32 [N, C, H, W], normalised, with labels int64 [N].

    The training part carries the augmentation.
    """

    name: str
    n_classes: int
    in_shape: tuple[int, int, int]
    train: InMemory
    val: InMemory
    test: InMemory

    @property
    def splits(self) -> Splits:
        """The three parts."""
        return Splits(self.train, self.val, self.test)


def load(name: str, params: Mapping[str, object], root: Path) -> ImageData:
    """Return the data set `name`, read from below `root`, on the CPU.

    `params` are the catalog's: `n_train` and `n_val` keep fixed stratified subsets of the training
    and of the validation part, `augment` switches augmentation. Statistics are those of the whole
    training part, so a subset is normalised as the whole. Raises ValueError for an unknown name or
    invalid parameter, DataMissingError and DataFormatError (a ValueError) for missing and for
    broken or foreign files.
    """
    entry, source, options = checked(name, params)
    train, val, test = _raw_parts(entry, source, root)
    scale = source.scale or statistics(train.images, source.levels)
    table = value_table(scale, source.levels)
    if options.n_train is not None:
        train, _ = _divided(train, options.n_train)
    if options.n_val is not None:
        val, _ = _divided(val, options.n_val)
    augmentation = Augmentation(source.padding, source.flip, tuple(table[:, 0].tolist()))
    augment = augmentation if options.augment else None
    parts = (_part(train, table, augment), _part(val, table), _part(test, table))
    return ImageData(name, entry.n_classes, entry.in_shape, *parts)


def _raw_parts(
    entry: Dataset, source: Source, root: Path
) -> tuple[RawImages, RawImages, RawImages]:
    """Return training, validation and test images, in the numbers that the catalog states."""
    full, test = source.read(entry.name, root)
    for part, raw, n_images in (("training", full, entry.n_full), ("test", test, entry.n_test)):
        what = f"{entry.name} below {root}, {part} images"
        check_content(what, raw, n_images, entry.in_shape, entry.n_classes)
    val, train = _divided(full, entry.n_val)
    return train, val, test


def _divided(raw: RawImages, n_first: int) -> tuple[RawImages, RawImages]:
    first, rest = stratified(raw.labels, n_first, SPLIT_SEED)
    return raw.take(first), raw.take(rest)


def _part(
    raw: RawImages, table: NDArray[np.float32], augment: Augmentation | None = None
) -> InMemory:
    images = torch.from_numpy(normalised(raw.images, table))
    return InMemory((images, torch.from_numpy(raw.labels)), augment)

"""Data sets as tensors: loaded, split into training, validation and test, and normalised.

A tenth of the training images, the same ones in every study, is the validation part; validation
and test are never augmented. Scikit-learn and torchvision, slow to import, are imported only when
a data set needs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.config.catalog import Dataset
from trainables.data.augmentation import Augmentation, Draws
from trainables.data.normalisation import normalised, statistics, value_table
from trainables.data.raw import DataFormatError, DataMissingError, RawImages, check_content
from trainables.data.sources import SOURCES, Source, check_available, checked, download
from trainables.data.splits import SPLIT_SEED, stratified

__all__ = [
    "SOURCES",
    "Augmentation",
    "DataFormatError",
    "DataMissingError",
    "Draws",
    "Source",
    "Split",
    "TaskData",
    "check_available",
    "download",
    "load",
]


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set: images float32 [N, C, H, W], normalised, and labels int64 [N]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str, channels_last: bool = False) -> Split:
        """Return the same part on `device`, images laid out as `channels_last` says."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return Split(self.images.to(device, memory_format=layout), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class TaskData:
    """A loaded data set; `augment` is what training applies to its batches, None for nothing."""

    name: str
    n_classes: int
    in_shape: tuple[int, int, int]
    train: Split
    val: Split
    test: Split
    augment: Augmentation | None

    def to(self, device: torch.device | str, channels_last: bool = False) -> TaskData:
        """Return the same data with all three parts on `device`."""
        return replace(
            self,
            train=self.train.to(device, channels_last),
            val=self.val.to(device, channels_last),
            test=self.test.to(device, channels_last),
        )


def load(name: str, params: Mapping[str, object], root: Path) -> TaskData:
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
    return TaskData(
        name=name,
        n_classes=entry.n_classes,
        in_shape=entry.in_shape,
        train=_split(train, table),
        val=_split(val, table),
        test=_split(test, table),
        augment=augmentation if options.augment else None,
    )


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


def _split(raw: RawImages, table: NDArray[np.float32]) -> Split:
    return Split(torch.from_numpy(normalised(raw.images, table)), torch.from_numpy(raw.labels))

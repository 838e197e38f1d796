"""Images of arrays as tensors in memory: normalised, the training part with its augmentation.

Validation and test are never augmented.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.config.datasets import (
    ArrayParameters,
    CifarParameters,
    KnownDataset,
    Pixels,
    Statistics,
)
from trainables.data.augmentation import Augmentation
from trainables.data.in_memory import InMemory
from trainables.data.normalisation import normalised, statistics, value_table
from trainables.data.parts import Splits
from trainables.data.raw import RawImages, RawParts


def in_memory(dataset: KnownDataset, options: ArrayParameters, parts: RawParts) -> Splits:
    """Return the parts as images float32 [N, C, H, W], normalised, with labels int64 [N].

    `n_train` and `n_val` keep fixed stratified subsets of the training and of the validation part.
    Statistics are those of the whole training part, so a subset is normalised as the whole.
    """
    pixels = _pixels(dataset, options)
    table = _table(pixels, options, parts.train)
    black = tuple(table[:, 0].tolist())
    augmentation = Augmentation(pixels.padding, pixels.flip, black, pixels.turn)
    augment = augmentation if options.augment else None
    return Splits(
        _part(parts.train.subset(options.n_train), table, augment),
        _part(parts.val.subset(options.n_val), table),
        _part(parts.test, table),
        dataset.n_classes,
    )


def _pixels(dataset: KnownDataset, options: ArrayParameters) -> Pixels:
    release = isinstance(options, CifarParameters) and options.transforms == "release"
    pixels = dataset.release if release else dataset.pixels
    assert pixels is not None
    return pixels


def _table(pixels: Pixels, options: ArrayParameters, train: RawImages) -> NDArray[np.float32]:
    """What each level of each channel becomes, [C, levels]."""
    channels = train.images.shape[1]
    if options.normalise == "none":
        return np.tile(np.arange(pixels.levels, dtype=np.float32), (channels, 1))
    if options.normalise == "unit":
        return value_table(Statistics((0.0,) * channels, (1.0,) * channels), pixels.levels)
    return value_table(pixels.scale or statistics(train.images, pixels.levels), pixels.levels)


def _part(
    raw: RawImages, table: NDArray[np.float32], augment: Augmentation | None = None
) -> InMemory:
    images = torch.from_numpy(normalised(raw.images, table))
    return InMemory((images, torch.from_numpy(raw.labels)), augment)

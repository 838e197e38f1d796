"""From unsigned bytes to normalised numbers, by a table computed once in double precision.

Every pixel has one of at most 256 values, so the statistics are sums of exact integer counts and
each normalised value is rounded once: the same bits on every machine. Needs only numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trainables.config.datasets import Statistics
from trainables.data.raw import DataFormatError

Bytes = NDArray[np.uint8]

_BLOCK = 256  # images worked on at once: what a block needs stays in the processor's cache


def statistics(images: Bytes, levels: int) -> Statistics:
    """Return mean and (population) standard deviation of each channel of images [N, C, H, W].

    Pixels have the values 0 to `levels` - 1. Raises DataFormatError for a channel whose pixels are
    all the same.
    """
    counts = np.zeros((images.shape[1], levels), dtype=np.int64)
    for block in _blocks(len(images)):
        for channel in range(len(counts)):
            counts[channel] += np.bincount(images[block, channel].ravel(), minlength=levels)
    pairs = [_moments(row.tolist()) for row in counts]
    if any(std == 0 for _, std in pairs):
        raise DataFormatError("a channel of the training images has the same value everywhere")
    top = levels - 1
    return Statistics(tuple(m / top for m, _ in pairs), tuple(s / top for _, s in pairs))


def _blocks(n_images: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n_images, _BLOCK))


def _moments(counts: list[int]) -> tuple[float, float]:
    """Return mean and standard deviation of values 0, 1, .. that occur `counts` times."""
    n = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    return first / n, math.sqrt((n * second - first * first) / (n * n))


def value_table(scale: Statistics, levels: int) -> NDArray[np.float32]:
    """Return the normalised value of every level, [C, levels]; column 0 is black."""
    brightness = np.arange(levels) / (levels - 1)
    mean, std = np.array(scale.mean), np.array(scale.std)
    table: NDArray[np.float32] = ((brightness - mean[:, None]) / std[:, None]).astype(np.float32)
    return table


def normalised(images: Bytes, table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images [N, C, H, W] with every pixel looked up in its channel's row of `table`."""
    result = np.empty(images.shape, dtype=np.float32)
    for block in _blocks(len(images)):
        for channel, row in enumerate(table):
            result[block, channel] = row[images[block, channel]]
    return result

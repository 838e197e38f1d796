"""Scenes with handwritten digits over photographs, and the class of every pixel.

Digits are scaled, inked in bright colours over photographs of half their brightness, scattered and
laid over each other; their soft edges are void. Made by numpy's frozen `RandomState` and whole
numbers, so that a seed gives the same masks everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.segmentation.measures import VOID

N_CLASSES: Final = 11
"""Background, then the digits 0 to 9."""

FULL_INK: Final = 16
"""The darkest level of a digit's pixels."""

_FEWEST, _MOST = 2, 3
_SOLID, _FAINT = 0.5, 0.15
"""From which share of ink on a pixel is the digit's, and below which it stays what it was."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Sources:
    """What scenes are made of: digits uint8 [N, 8, 8] in [0, 16] with their labels [N], and
    photographs uint8 [H, W, 3]."""

    digits: Pixels
    labels: NDArray[np.int64]
    photographs: Sequence[Pixels]


def scenes(sources: Sources, n: int, size: int, seed: int) -> tuple[Pixels, Pixels]:
    """Return n scenes and their masks, uint8 [n, 3, size, size] and [n, size, size].

    A mask holds 0 for background, 1 + d for digit d, `VOID` at edges. `size` >= 8, and no
    photograph is smaller.
    """
    draw = np.random.RandomState(seed)
    made = [_scene(sources, size, draw) for _ in range(n)]
    images, masks = zip(*made, strict=True)
    return np.stack(images), np.stack(masks)


def _scene(sources: Sources, size: int, draw: np.random.RandomState) -> tuple[Pixels, Pixels]:
    photograph = sources.photographs[draw.randint(len(sources.photographs))]
    top, left = (draw.randint(length - size + 1) for length in photograph.shape[:2])
    image = photograph[top : top + size, left : left + size].astype(np.int64) // 2
    if draw.randint(2):
        image = image[:, ::-1].copy()
    mask = np.zeros((size, size), np.uint8)
    for _ in range(draw.randint(_FEWEST, _MOST + 1)):
        _lay_digit_(image, mask, sources, draw)
    return image.astype(np.uint8).transpose(2, 0, 1), mask


def _lay_digit_(
    image: NDArray[np.int64], mask: Pixels, sources: Sources, draw: np.random.RandomState
) -> None:
    """Lay one digit over a scene, whose corner may cut off up to a quarter of it."""
    size = len(mask)
    which = draw.randint(len(sources.labels))
    side = draw.randint(size // 2, 3 * size // 4 + 1)
    top, left = draw.randint(-(side // 4), size - side + side // 4 + 1, size=2)
    tint = np.clip(200 + draw.randint(56) + draw.randint(-40, 41, size=3), 0, 255)

    whole, full = enlarged(sources.digits[which], side)
    rows, columns = (slice(max(0, at), min(size, at + side)) for at in (top, left))
    ink = whole[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    below = image[rows, columns]
    image[rows, columns] = below + (tint - below) * ink[..., None] // full
    place = mask[rows, columns]
    place[ink > _FAINT * full] = VOID
    place[ink >= _SOLID * full] = 1 + sources.labels[which]


def enlarged(digit: Pixels, side: int) -> tuple[NDArray[np.int64], int]:
    """Return a digit [8, 8] as whole numbers [side, side], bilinear, and what stands for full ink.

    Pixels are read at their centres, beyond the border as at it. `side` >= 1.
    """
    weights = _weights(len(digit), side)
    ink = weights @ digit.astype(np.int64) @ weights.T
    return ink, FULL_INK * (2 * side) ** 2


@cache
def _weights(length: int, side: int) -> NDArray[np.int64]:
    """Bilinear weights [side, length]; each row sums to 2 side."""
    weights = np.zeros((side, length), np.int64)
    for place in range(side):
        centre = (2 * place + 1) * length - side  # in units of 1 / (2 side) of a pixel
        lower, rest = divmod(centre, 2 * side)
        for at, share in ((lower, 2 * side - rest), (lower + 1, rest)):
            weights[place, min(max(at, 0), length - 1)] += share
    return weights

"""Mask files: whether one can be used with its image, and the class of each of its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.data.raw import DataFormatError
from trainables.folders.image_files import (
    Header,
    fault_in,
    fault_of,
    header_of,
    opened,
    reason_of,
)

_MODES: Final = ("P", "L")
KEY: Final = "data.root"


def pair_fault(image: Path, mask: Path, classes: NDArray[np.int16]) -> str | None:
    """Return why an image and its mask cannot be used together, None where they can.

    Both are decoded, unless their headers tell already. Raises DataFormatError where what keeps
    them from being read says nothing of what is in them.
    """
    if reason := fault_in(header_of, image, KEY):
        return reason
    if not mask.is_file():
        return f"no mask {mask.name}"
    if reason := fault_in(header_of, mask, KEY):
        return f"mask {mask.name}: {reason}"
    picture, levels = header_of(image), header_of(mask)
    if levels.mode not in _MODES:
        return f"mask {mask.name} must have a palette or grey levels of 8 bits, got {levels.mode}"
    if picture[1:] != levels[1:]:
        return f"the image is {_sides(picture)} and its mask {_sides(levels)}"
    if reason := fault_of(image, KEY):
        return reason
    if reason := fault_in(lambda path: _classes_in(path, classes), mask, KEY):
        return f"mask {mask.name}: {reason}"
    return None


def read_mask(path: Path, classes: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return the class of each pixel of a mask file, [H, W]; `VOID` where there is none.

    `classes` int16 [256] gives the class of each level, -1 for a level that a mask may not have.

    Raises:
        DataFormatError: the file cannot be decoded, or has such a level; it is named.
    """
    try:
        return _classes_in(path, classes)
    except Exception as error:
        rule = "must hold masks of its classes that can be decoded"
        raise DataFormatError(f"{KEY} {rule}, got {path} ({reason_of(error)})") from error


def _classes_in(path: Path, classes: NDArray[np.int16]) -> NDArray[np.uint8]:
    with opened(path) as image:
        if image.mode not in _MODES:
            raise ValueError(f"no palette or grey levels of 8 bits, but {image.mode}")
        levels = np.array(image)
    mask = classes[levels]
    if (mask < 0).any():
        foreign = min(int(level) for level in np.unique(levels) if classes[level] < 0)
        raise ValueError(f"level {foreign} is no class")
    result: NDArray[np.uint8] = mask.astype(np.uint8)
    return result


def _sides(header: Header) -> str:
    return f"{header.width} x {header.height}"

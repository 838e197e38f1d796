"""Where the images and masks of PASCAL VOC and of Cityscapes lie, and what their levels mean.

Both as their makers publish them and torchvision unpacks them. Names alone: nothing is opened but
VOC's lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trainables.segmentation.masks import KEY
from trainables.segmentation.measures import VOID
from trainables.segmentation.pairs import Listing, Pair
from trainables.vocabulary.refusal import Refusal

VOC_CLASSES: Final = 21
CITYSCAPES_CLASSES: Final = 19

_CITYSCAPES_IDS: Final = (
    7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33,
)  # fmt: skip
"""The ids that its benchmark evaluates, in the order of its training ids."""
_CITYSCAPES_MOST: Final = 33


def voc_levels() -> NDArray[np.int16]:
    """Return the class of each level of VOC's masks: background 0, twenty kinds, void at 255."""
    levels = np.full(256, -1, np.int16)
    levels[:VOC_CLASSES] = np.arange(VOC_CLASSES)
    levels[VOID] = VOID
    return levels


def cityscapes_levels() -> NDArray[np.int16]:
    """Return the class of each id of Cityscapes' masks; ids that are not evaluated are void.

    A licence plate's id is -1, which is 255 in files.
    """
    levels = np.full(256, -1, np.int16)
    levels[: _CITYSCAPES_MOST + 1] = VOID
    levels[VOID] = VOID
    levels[list(_CITYSCAPES_IDS)] = np.arange(CITYSCAPES_CLASSES)
    return levels


def voc_listing(root: Path, year: str) -> Listing:
    """Return the pairs of `VOCdevkit/VOC<year>` below `root`, as its lists name them.

    Raises:
        Refusal: there is no such folder, or a list is missing or empty.
    """
    folder = f"VOCdevkit/VOC{year}"
    if not (root / folder).is_dir():
        raise Refusal(f"{KEY} must hold {folder}, got {root} without it")
    return Listing(root, *(_voc_part(root, folder, part) for part in ("train", "val")))


def _voc_part(root: Path, folder: str, part: str) -> tuple[Pair, ...]:
    name = f"{folder}/ImageSets/Segmentation/{part}.txt"
    try:
        text = (root / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Refusal(f"{KEY} must hold {name}, got {type(error).__name__}: {error}") from error
    names = text.split()
    if not names:
        raise Refusal(f"{KEY} must name an image or more in {name}, got none")
    return tuple(
        Pair(f"{folder}/JPEGImages/{stem}.jpg", f"{folder}/SegmentationClass/{stem}.png")
        for stem in names
    )


def cityscapes_listing(root: Path) -> Listing:
    """Return the pairs of `cityscapes/leftImg8bit` and `cityscapes/gtFine` below `root`.

    Raises:
        Refusal: there is no such folder, or a part has no image.
    """
    for name in ("leftImg8bit", "gtFine"):
        if not (root / "cityscapes" / name).is_dir():
            raise Refusal(f"{KEY} must hold cityscapes/{name}, got {root} without it")
    return Listing(root, *(_cityscapes_part(root, part) for part in ("train", "val")))


def _cityscapes_part(root: Path, part: str) -> tuple[Pair, ...]:
    ending = "_leftImg8bit.png"
    folder = root / "cityscapes" / "leftImg8bit" / part
    images = sorted(path.relative_to(root).as_posix() for path in folder.glob(f"*/*{ending}"))
    if not images:
        raise Refusal(f"{KEY} must hold cities with images *{ending} in {folder}, got none")
    return tuple(
        Pair(
            image,
            image.replace("leftImg8bit", "gtFine", 1).removesuffix(ending) + "_gtFine_labelIds.png",
        )
        for image in images
    )

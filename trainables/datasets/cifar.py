"""CIFAR-10 and CIFAR-100 from the folders of pickled batches that torchvision downloads.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images". Torchvision reads
the files, after comparing their checksums; it is imported only then.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.arrays import ArraySource
from trainables.data.raw import DataFormatError, RawImages, find_folder, how_to_download

FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
FILES = {
    "cifar10": (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"),
    "cifar100": ("train", "test", "meta"),
}


def locate(name: str, root: Path) -> Path:
    """Return the folder that holds torchvision's folder of batches: root/name or root itself.

    Raises DataMissingError if neither has every file; contents are not looked at.
    """
    folders = [parent / FOLDERS[name] for parent in (root / name, root)]
    how = how_to_download(name, root)
    return find_folder(name, folders, FILES[name], ("",), how).parent


def read(name: str, root: Path) -> tuple[RawImages, RawImages]:
    """Return training and test images, 3x32x32 with 256 levels a channel.

    Raises DataFormatError when torchvision finds a checksum wrong.
    """
    folder = locate(name, root)
    try:
        parts = [_torchvision_class(name)(folder, train=train) for train in (True, False)]
    except RuntimeError as error:
        raise DataFormatError(f"{folder / FOLDERS[name]}: {error}") from error
    train, test = (to_raw(part.data, part.targets) for part in parts)
    return train, test


def download(name: str, root: Path) -> None:
    """Fetch the files through torchvision, into its folder of batches below `root`."""
    _torchvision_class(name)(root, download=True)


def _torchvision_class(name: str) -> Any:
    from torchvision import datasets

    return {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]


def to_raw(pixels: NDArray[np.uint8], targets: Sequence[int]) -> RawImages:
    """Return torchvision's pixels [N, H, W, C] and list of classes as `RawImages`."""
    images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return RawImages(images, np.asarray(targets, dtype=np.int64))


SOURCE = ArraySource(locate, read, download)
"""The source that the data sets' records name."""

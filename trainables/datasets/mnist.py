"""MNIST and Fashion-MNIST from their four IDX files, gzipped or plain.

Sources: LeCun et al. 1998; Xiao, Rasul and Vollgraf 2017. The two have the same file names, so what
was found is held against the known number of training images a class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.data.arrays import ArraySource
from trainables.data.raw import DataFormatError, RawImages, find_folder, how_to_download
from trainables.datasets.idx import read_idx

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_ENDINGS = ("", ".gz")
_TORCHVISION_FOLDER = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
_TRAIN_PER_CLASS = {
    "mnist": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "fashion-mnist": (6000,) * 10,
}
_DEBIAN = ", or install Debian's dataset-fashion-mnist, whose folder is /usr/share/datasets"


def locate(name: str, root: Path) -> Path:
    """Return the folder with all four files: root/name, torchvision's layout, or root itself.

    Raises DataMissingError if no folder has them all.
    """
    folders = [root / name, root / _TORCHVISION_FOLDER[name] / "raw", root]
    how = how_to_download(name, root) + (_DEBIAN if name == "fashion-mnist" else "")
    return find_folder(name, folders, FILES, _ENDINGS, how)


def read(name: str, root: Path) -> tuple[RawImages, RawImages]:
    """Return training and test images, 28x28 with 256 grey levels.

    Raises DataFormatError for a broken file and for files of another data set of that layout.
    """
    folder = locate(name, root)
    train = _read_part(folder, *FILES[:2])
    _check_classes(name, folder, train.labels)
    return train, _read_part(folder, *FILES[2:])


def download(name: str, root: Path) -> None:
    """Fetch the files through torchvision, into torchvision's layout below `root`."""
    from torchvision import datasets

    kind = {"mnist": datasets.MNIST, "fashion-mnist": datasets.FashionMNIST}[name]
    kind(root, download=True)


def _read_part(folder: Path, images: str, labels: str) -> RawImages:
    pixels = read_idx(_present(folder, images), 3)
    classes = read_idx(_present(folder, labels), 1)
    return RawImages(pixels[:, None], classes.astype(np.int64))


def _present(folder: Path, file: str) -> Path:
    return next(path for end in _ENDINGS if (path := folder / f"{file}{end}").is_file())


def _check_classes(name: str, folder: Path, labels: NDArray[np.int64]) -> None:
    counts, expected = tuple(np.bincount(labels).tolist()), _TRAIN_PER_CLASS[name]
    if len(labels) == sum(expected) and counts != expected:
        raise DataFormatError(
            f"{folder} holds another data set than {name}, whose training images are {expected} "
            f"of classes 0 to 9: it has {counts}"
        )


SOURCE = ArraySource(locate, read, download)
"""The source that the data sets' records name."""

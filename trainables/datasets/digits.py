"""Scikit-learn's handwritten digits, which come with the package: nothing to download.

Source: Alpaydin and Kaynak 1998, the test half of "Optical Recognition of Handwritten Digits".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.arrays import ArraySource
from trainables.data.raw import RawImages
from trainables.data.splits import SPLIT_SEED, stratified
from trainables.datasets.scikit_learn import shipped

N_TEST = 360
Images = tuple[NDArray[np.float64], NDArray[np.float64]]


def read(_name: str, _root: Path) -> tuple[RawImages, RawImages]:
    """Return training and test images, 8x8 with 17 grey levels.

    The data set has no test part: 360 of its 1797 images, a fifth of each class, are drawn once
    and for all.
    """
    images, labels = _shipped() or _through_sklearn()
    everything = RawImages(images.astype(np.uint8)[:, None], labels.astype(np.int64))
    test, train = stratified(everything.labels, N_TEST, SPLIT_SEED)
    return everything.take(train), everything.take(test)


def _shipped() -> Images | None:
    """The file inside scikit-learn; None where this version of it keeps it elsewhere."""
    path = shipped("data", "digits.csv.gz")
    if path is None:
        return None
    rows = np.loadtxt(path, delimiter=",")
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]


def _through_sklearn() -> Images:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return bunch.images, bunch.target


def locate(_name: str, root: Path) -> Path:
    """Return `root`: there is nothing to look for."""
    return root


SOURCE = ArraySource(locate, read)
"""The source that the data set's record names."""

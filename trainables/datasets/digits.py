"""Scikit-learn's handwritten digits, which come with the package: nothing to download.

Source: Alpaydin and Kaynak 1998, the test half of "Optical Recognition of Handwritten Digits".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainables.catalog import DATASETS
from trainables.datasets.raw import RawImages
from trainables.datasets.splits import SPLIT_SEED, stratified


def read(_name: str, _root: Path) -> tuple[RawImages, RawImages]:
    """Return training and test images, 8x8 with 17 grey levels.

    The data set has no test part: 360 of its 1797 images, a fifth of each class, are drawn once
    and for all. Importing scikit-learn takes a second or two.
    """
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    everything = RawImages(bunch.images.astype(np.uint8)[:, None], bunch.target.astype(np.int64))
    test, train = stratified(everything.labels, DATASETS["digits"].n_test, SPLIT_SEED)
    return everything.take(train), everything.take(test)


def locate(_name: str, root: Path) -> Path:
    """Return `root`: there is nothing to look for."""
    return root

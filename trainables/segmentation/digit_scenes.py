"""`segmentation-small`: handwritten digits over photographs, with nothing to download.

The digits are scikit-learn's, and so are the two photographs. No digit and no part of a photograph
is in more than one of training, validation and test.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from trainables.data.in_memory import InMemory
from trainables.data.normalisation import normalised, statistics, value_table
from trainables.data.parts import Splits
from trainables.data.splits import SPLIT_SEED, stratified
from trainables.datasets import digits
from trainables.datasets.scikit_learn import shipped
from trainables.folders.image_files import decoded
from trainables.segmentation.scenes import N_CLASSES, Sources, scenes
from trainables.segmentation.task import Segmentation
from trainables.segmentation.unet import UNet

N_VAL: Final = 256
N_TEST: Final = 512
_VAL_DIGITS: Final = 200
_STRIPS: Final = {"train": (0.0, 0.6), "val": (0.6, 0.8), "test": (0.8, 1.0)}
"""Shares of the photographs' width, from left to right."""

Positive = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=16, le=128)]
Seed = Annotated[int, Field(ge=0, le=2**31)]


class DigitScenes(Segmentation):
    """Scenes of `size` pixels a side, `n_train` of them to train a U-Net of `width` channels.

    `scene_seed` makes the scenes; which digits and strips of the photographs each part draws from
    is fixed.
    """

    evaluation_batch: ClassVar[int | None] = 128

    def __init__(
        self, width: Positive = 8, n_train: Positive = 2048, size: Side = 24, scene_seed: Seed = 0
    ) -> None:
        self._width, self._n_train = width, n_train
        self._size, self._seed = size, scene_seed

    def splits(self) -> Splits:
        return self._splits

    @cached_property
    def _splits(self) -> Splits:
        counts = {"train": self._n_train, "val": N_VAL, "test": N_TEST}
        made = {
            part: scenes(sources, counts[part], self._size, 3 * self._seed + place)
            for place, (part, sources) in enumerate(part_sources().items())
        }
        table = value_table(statistics(made["train"][0], 256), 256)
        parts = {
            part: InMemory.of(torch.from_numpy(normalised(images, table)), torch.from_numpy(masks))
            for part, (images, masks) in made.items()
        }
        return Splits(parts["train"], parts["val"], parts["test"], N_CLASSES)

    def model(self) -> nn.Module:
        return UNet(N_CLASSES, self._width)


def part_sources() -> dict[str, Sources]:
    """Return what the scenes of each part are made of."""
    train, test = digits.read("digits", Path())
    held, kept = stratified(train.labels, _VAL_DIGITS, SPLIT_SEED)
    raw = {"train": train.take(kept), "val": train.take(held), "test": test}
    pictures = photographs()
    return {
        part: Sources(
            images.images[:, 0], images.labels, [_strip(p, *_STRIPS[part]) for p in pictures]
        )
        for part, images in raw.items()
    }


def photographs() -> Sequence[NDArray[np.uint8]]:
    """Return scikit-learn's two photographs, uint8 [427, 640, 3]: a temple and a flower.

    Their files are read without importing scikit-learn, which takes seconds.
    """
    paths = [shipped("images", name) for name in ("china.jpg", "flower.jpg")]
    whole = [path for path in paths if path is not None]
    if len(whole) < len(paths):
        return _through_sklearn()
    return [decoded(path, "task.use") for path in whole]


def _through_sklearn() -> Sequence[NDArray[np.uint8]]:
    from sklearn.datasets import load_sample_images

    bunch: Any = load_sample_images()
    return [np.asarray(image, np.uint8) for image in bunch.images]


def _strip(picture: NDArray[np.uint8], start: float, stop: float) -> NDArray[np.uint8]:
    width = picture.shape[1]
    return picture[:, round(start * width) : round(stop * width)]

"""Images of a folder as items: decoded, then transformed by torchvision, imported when it is used.

`decode` is a function of the file alone, `transform` draws from torch's generator: so decoded items
may be kept, and whether they are changes no bit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.config.datasets import FolderParameters, Statistics
from trainables.data.normalisation import statistics
from trainables.data.parts import Splits
from trainables.folders.division import FolderParts
from trainables.folders.image_files import decoded
from trainables.folders.listing import ImageFile

IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's training images, as torchvision's networks use them."""

MOST_MEASURED = 1024
"""Images that the computed statistics are those of; of more, a fixed draw."""


@dataclass(frozen=True)
class View:
    """What becomes of a decoded image uint8 [3, H, W]: float32 [3, size, size].

    With `area` a random crop of at least that share of the image, resized, and mirrored half of the
    time with `flip`; without it the shorter side resized to size / crop and the middle cropped.
    Without a `scale` pixels stay in [0, 1].
    """

    size: int
    crop: float
    area: float | None = None
    flip: bool = False
    scale: Statistics | None = None

    @cached_property
    def _steps(self) -> Any:
        from torchvision.transforms import v2

        if self.area is not None:
            steps: list[Any] = [v2.RandomResizedCrop(self.size, (self.area, 1.0), antialias=True)]
        else:
            resized = round(self.size / self.crop)
            steps = [v2.Resize(resized, antialias=True), v2.CenterCrop(self.size)]
        if self.flip:
            steps.append(v2.RandomHorizontalFlip())
        steps.append(v2.ToDtype(torch.float32, scale=True))
        if self.scale is not None:
            steps.append(v2.Normalize(self.scale.mean, self.scale.std))
        return v2.Compose(steps)

    def __call__(self, image: Tensor) -> Tensor:
        result: Tensor = self._steps(image)
        return result.contiguous()


@dataclass(frozen=True, eq=False)
class FolderItems:
    """Some images of a folder with their classes; an item is (image, class).

    `names` are encoded paths below `root`: one array, which loader processes share.
    """

    root: Path
    names: NDArray[np.bytes_]
    labels: NDArray[np.int64]
    view: View

    @classmethod
    def of(cls, root: Path, files: Sequence[ImageFile], view: View) -> FolderItems:
        """Return the items of some files."""
        names = np.array([os.fsencode(file.name) for file in files], dtype=np.bytes_)
        return cls(root, names, np.array([file.label for file in files], dtype=np.int64), view)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.decode(index))

    def decode(self, index: int) -> tuple[Tensor, int]:
        """Return the image as it is in its file, uint8 [3, H, W], and its class.

        A pixel's three values are left side by side, as they were decoded: a copy and a slower
        resize less, a tenth of an item's time, and the same bits.
        """
        pixels = decoded(self.root / os.fsdecode(self.names[index]))
        return torch.from_numpy(pixels).permute(2, 0, 1), int(self.labels[index])

    def transform(self, item: tuple[Tensor, int]) -> tuple[Tensor, int]:
        """Return a decoded item as the network gets it."""
        image, label = item
        return self.view(image), label


def on_disk(parts: FolderParts, options: FolderParameters) -> Splits:
    """Return the parts, the training part as `options` augment it, on disk until asked for."""
    scale = _scale(parts, options)
    still = View(options.size, options.crop, scale=scale)
    moving = View(options.size, options.crop, options.area, options.flip, scale)
    views = {"train": moving if options.augment else still}
    items = {
        part: FolderItems.of(parts.root, files, views.get(part, still))
        for part, files in parts.in_order.items()
    }
    n_classes = len(parts.classes)
    return Splits(items["train"], items["val"], items.get("test"), n_classes, parts.listing)


def _scale(parts: FolderParts, options: FolderParameters) -> Statistics | None:
    if options.normalise == "unit":
        return None
    if options.normalise == "imagenet":
        return IMAGENET
    if options.mean is not None and options.std is not None:
        return Statistics(options.mean, options.std)
    return _measured(parts, options)


def _measured(parts: FolderParts, options: FolderParameters) -> Statistics:
    """Those of the training images, resized and cropped as for an evaluation."""
    shuffled = np.random.RandomState(options.split.seed).permutation(len(parts.train))
    drawn = [parts.train[i] for i in sorted(shuffled[:MOST_MEASURED])]
    items = FolderItems.of(parts.root, drawn, View(options.size, options.crop))
    images = np.empty((len(items), 3, options.size, options.size), dtype=np.uint8)
    for place in range(len(items)):
        levels = items[place][0] * 255
        images[place] = levels.round().to(torch.uint8).numpy()
    return statistics(images, 256)

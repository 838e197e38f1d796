"""PASCAL VOC and Cityscapes as tasks: `voc-segmentation` and `cityscapes`.

Both publish images with masks to train on and to validate; nobody has the masks of their test
images. So the published validation part is the test part here, and validation is held out of the
published training part by one fixed draw.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from trainables.data.parts import Splits
from trainables.data.splits import share_of, stratified
from trainables.folders.items import IMAGENET
from trainables.pruning.work import Inputs
from trainables.segmentation import layouts, networks
from trainables.segmentation.moves import RandomCrop
from trainables.segmentation.pairs import Listing, Pair, PairItems, require_whole
from trainables.segmentation.task import Segmentation
from trainables.vocabulary.refusal import Refusal

AUXILIARY: Final = 0.5
WIDTH: Final = 32

Positive = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=0, le=100)]
Share = Annotated[float, Field(gt=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class OnDisk(Segmentation):
    """Pairs of image and mask in the folders of a published data set.

    Training takes random squares of `crop` pixels of images scaled by a factor in `scale`, mirrored
    half of the time with `flip`; evaluation takes whole images, one by one. `auxiliary`: what the
    loss of the auxiliary head of a network of torchvision counts, 0 for none; `width`: channels of
    the U-Net at full size. `val`: share of the training images held out, `split_seed` of the draw.
    """

    evaluation_batch: ClassVar[int | None] = 1

    n_classes: ClassVar[int]

    def __init__(
        self,
        root: Path,
        network: networks.Name = "deeplabv3_resnet50",
        crop: Positive = 513,
        scale: tuple[Factor, Factor] = (0.5, 2.0),
        flip: bool = True,
        auxiliary: Weight = AUXILIARY,
        width: Positive = WIDTH,
        val: Share = 0.1,
        split_seed: Seed = 0,
    ) -> None:
        if scale[0] > scale[1]:
            raise Refusal(f"task.scale must be [low, high] with low <= high, got {list(scale)}")
        if network == "unet" and auxiliary != AUXILIARY:
            rule = "must be absent for unet, which has no auxiliary head"
            raise Refusal(f"task.auxiliary {rule}, got {auxiliary}")
        if network != "unet" and width != WIDTH:
            raise Refusal(f"task.width must be absent unless task.network is unet, got {width}")
        self._root, self._network, self._width = root, network, width
        self._crop, self._scale, self._flip = crop, scale, flip
        self._val, self._split_seed = val, split_seed
        self.auxiliary = auxiliary

    @abstractmethod
    def listing(self, root: Path) -> Listing:
        """Return the published pairs below a folder."""

    @abstractmethod
    def levels(self) -> NDArray[np.int16]:
        """Return the class of each level of a mask file [256], -1 for one that it may not have."""

    def splits(self) -> Splits:
        return self._splits

    @cached_property
    def _splits(self) -> Splits:
        listing = self.listing(self._root)
        levels, root = self.levels(), listing.root
        require_whole(root, (*listing.train, *listing.val), levels)
        train, val = self._held_out(listing.train)
        fill = tuple(round(255 * level) for level in IMAGENET.mean)
        move = RandomCrop(self._crop, self._scale, self._flip, fill)  # type: ignore[arg-type]
        return Splits(
            PairItems.of(root, train, levels, normalised, move),
            PairItems.of(root, val, levels, normalised),
            PairItems.of(root, listing.val, levels, normalised),
            self.n_classes,
            listing.digest,
        )

    def _held_out(self, pairs: tuple[Pair, ...]) -> tuple[list[Pair], list[Pair]]:
        n = len(pairs)
        n_held = share_of(n, self._val)
        if not 0 < n_held < n:
            rule = f"must take an image or more from {n} and leave some"
            raise Refusal(f"task.val {rule}, got {self._val}")
        held, kept = stratified(np.zeros(n, np.int64), n_held, self._split_seed)
        return [pairs[i] for i in kept], [pairs[i] for i in held]

    def model(self) -> nn.Module:
        return networks.build(
            self._network, self.n_classes, auxiliary=self.auxiliary > 0, width=self._width
        )

    def example(self) -> Inputs:
        return torch.zeros(1, 3, self._crop, self._crop)


class VocSegmentation(OnDisk):
    """PASCAL VOC: twenty kinds of things and background, void at their edges."""

    n_classes: ClassVar[int] = layouts.VOC_CLASSES

    def __init__(
        self,
        root: Path,
        year: Literal["2007", "2008", "2009", "2010", "2011", "2012"] = "2012",
        network: networks.Name = "deeplabv3_resnet50",
        crop: Positive = 513,
        scale: tuple[Factor, Factor] = (0.5, 2.0),
        flip: bool = True,
        auxiliary: Weight = AUXILIARY,
        width: Positive = WIDTH,
        val: Share = 0.1,
        split_seed: Seed = 0,
    ) -> None:
        super().__init__(root, network, crop, scale, flip, auxiliary, width, val, split_seed)
        self._year = year

    def listing(self, root: Path) -> Listing:
        return layouts.voc_listing(root, self._year)

    def levels(self) -> NDArray[np.int16]:
        return layouts.voc_levels()


class Cityscapes(OnDisk):
    """Cityscapes: streets in nineteen classes, with its fine masks."""

    n_classes: ClassVar[int] = layouts.CITYSCAPES_CLASSES

    def listing(self, root: Path) -> Listing:
        return layouts.cityscapes_listing(root)

    def levels(self) -> NDArray[np.int16]:
        return layouts.cityscapes_levels()


def normalised(image: Tensor) -> Tensor:
    """Return an image uint8 [3, H, W] as float32, by ImageNet's mean and standard deviation."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    return (image.to(torch.float32) / 255 - mean) / std

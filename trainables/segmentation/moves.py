"""Random scale, crop and flip that move an image and its mask together.

Drawn from torch's generator, and made by torch alone: torchvision, which takes seconds to import,
would be imported by every loader process.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainables.segmentation.measures import VOID


@dataclass(frozen=True)
class RandomCrop:
    """A random square of `side` pixels of an image that was scaled by a random factor.

    The factor is uniform in `scale`; images bilinear, masks by their nearest pixel. What the square
    has beyond the image is `fill` (0 to 255 by channel) and void. `flip`: mirrored half of the
    time.
    """

    side: int
    scale: tuple[float, float]
    flip: bool
    fill: tuple[int, int, int]

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return image uint8 [3, side, side] and mask uint8 [side, side]."""
        low, high = self.scale
        factor = low + (high - low) * float(torch.rand(()))
        image, mask = scaled(image, mask, factor)
        image, mask = self._padded(image, mask)
        top, left = (_drawn(length - self.side) for length in mask.shape)
        place = (slice(top, top + self.side), slice(left, left + self.side))
        image, mask = image[:, *place], mask[place]
        if self.flip and float(torch.rand(())) < 0.5:
            image, mask = image.flip(-1), mask.flip(-1)
        return image.contiguous(), mask.contiguous()

    def _padded(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """At least `side` high and wide, by what is filled in below and to the right."""
        height, width = mask.shape
        below, right = max(0, self.side - height), max(0, self.side - width)
        if not (below or right):
            return image, mask
        pad = (0, right, 0, below)
        channels = [
            functional.pad(channel, pad, value=level)
            for channel, level in zip(image, self.fill, strict=True)
        ]
        return torch.stack(channels), functional.pad(mask, pad, value=VOID)


def scaled(image: Tensor, mask: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Return both larger by a factor, their sides rounded to whole pixels, at least one."""
    size = [max(1, round(length * factor)) for length in mask.shape]
    larger = functional.interpolate(image[None], size, mode="bilinear", antialias=True)
    return larger[0], functional.interpolate(mask[None, None], size, mode="nearest-exact")[0, 0]


def _drawn(most: int) -> int:
    return int(torch.randint(most + 1, ()))

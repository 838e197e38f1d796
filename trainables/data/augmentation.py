"""Random crops and flips of a whole batch at once, on whatever device the batch is.

Random numbers come from a CPU generator and pixels are only moved, never computed, so that every
device gives the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn for n images: crop offsets (int64 [n]) and whether to mirror (bool [n]).

    `down` and `right` are the crop's first row and column in the padded image. Slices are the
    draws of those images, so that an epoch's draws can be made at once and used batch by batch.
    """

    down: Tensor
    right: Tensor
    mirror: Tensor

    def __len__(self) -> int:
        return len(self.down)

    def __getitem__(self, images: slice) -> Draws:
        return Draws(self.down[images], self.right[images], self.mirror[images])

    def to(self, device: torch.device | str) -> Draws:
        """Return the same draws on `device`."""
        return Draws(self.down.to(device), self.right.to(device), self.mirror.to(device))


@dataclass(frozen=True)
class Augmentation:
    """Crop at random from an image padded by `padding` pixels, then mirror half of the images.

    `fill` is the padding's value in each channel: black, in the units of the normalised images,
    as if the padding had come before the normalisation. `flip` switches mirroring on.
    """

    padding: int
    flip: bool
    fill: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"padding must be >= 0, got {self.padding}")

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Return uniform draws for `n` images, on the CPU, from a CPU generator."""
        offsets = torch.randint(2 * self.padding + 1, (2, n), generator=generator)
        if self.flip:
            mirror = torch.randint(2, (n,), generator=generator).bool()
        else:
            mirror = torch.zeros(n, dtype=torch.bool)
        return Draws(offsets[0], offsets[1], mirror)

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Return augmented images [n, C, H, W], same type, device and memory format.

        Raises ValueError when images and draws, or channels and `fill`, differ in number.
        """
        n, _, height, width = images.shape
        if len(draws) != n:
            raise ValueError(f"draws must be for {n} images, got draws for {len(draws)}")
        draws = draws.to(images.device)
        padded = self._pad(images)
        column = torch.arange(width, device=images.device)
        columns = torch.where(draws.mirror[:, None], width - 1 - column, column)
        columns = columns + draws.right[:, None]
        rows = torch.arange(height, device=images.device) + draws.down[:, None]
        pixels = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
        index = pixels.view(n, 1, -1).expand(-1, images.shape[1], -1)
        return _laid_out_as(images, padded.flatten(2).gather(2, index).view(images.shape))

    def _pad(self, images: Tensor) -> Tensor:
        n, channels, height, width = images.shape
        if len(self.fill) != channels:
            raise ValueError(f"fill must hold {channels} values, one a channel, got {self.fill}")
        edge = self.padding
        padded = images.new_empty(n, channels, height + 2 * edge, width + 2 * edge)
        for channel, value in enumerate(self.fill):
            padded[:, channel] = value
        padded[:, :, edge : edge + height, edge : edge + width] = images
        return padded


def _laid_out_as(images: Tensor, result: Tensor) -> Tensor:
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    if channels_last and not images.is_contiguous():
        return result.contiguous(memory_format=torch.channels_last)
    return result

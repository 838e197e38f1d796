"""Random crops, flips and turns of a whole batch at once, on whatever device the batch is.

Random numbers come from a CPU generator and pixels are only moved, never computed, so that every
device gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

STEPS_PER_DEGREE = 8
"""Angles are whole eighths of a degree: in an image of 32 pixels a step moves none by a tenth."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn for n images: crop offsets (int64 [n]) and whether to mirror (bool [n]).

    `down` and `right` are the crop's first row and column in the padded image; `turn` (int64 [n])
    counts steps from the angle furthest to one side, None where nothing turns. Slices are the draws
    of those images, so that an epoch's draws can be made at once and used batch by batch.
    """

    down: Tensor
    right: Tensor
    mirror: Tensor
    turn: Tensor | None = None

    def __len__(self) -> int:
        return len(self.down)

    def __getitem__(self, images: slice) -> Draws:
        turn = None if self.turn is None else self.turn[images]
        return Draws(self.down[images], self.right[images], self.mirror[images], turn)

    def to(self, device: torch.device | str) -> Draws:
        """Return the same draws on `device`."""
        turn = None if self.turn is None else self.turn.to(device)
        return Draws(self.down.to(device), self.right.to(device), self.mirror.to(device), turn)


@dataclass(frozen=True)
class Augmentation:
    """Crop at random from an image padded by `padding` pixels, mirror half of the images, turn all.

    `fill` is the value in each channel of what lies outside: black, in the units of the normalised
    images, as if it had come before the normalisation. `flip` switches mirroring on; `turn` is the
    largest angle, in whole degrees, to either side.
    """

    padding: int
    flip: bool
    fill: tuple[float, ...]
    turn: int = 0

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"padding must be >= 0, got {self.padding}")
        if not 0 <= self.turn <= 180:
            raise ValueError(f"turn must be in [0, 180], got {self.turn}")

    def draw(self, n: int, generator: torch.Generator) -> Draws:
        """Return uniform draws for `n` images, on the CPU, from a CPU generator."""
        offsets = torch.randint(2 * self.padding + 1, (2, n), generator=generator)
        if self.flip:
            mirror = torch.randint(2, (n,), generator=generator).bool()
        else:
            mirror = torch.zeros(n, dtype=torch.bool)
        turn = None
        if self.turn:
            turn = torch.randint(n_angles(self.turn), (n,), generator=generator)
        return Draws(offsets[0], offsets[1], mirror, turn)

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Return augmented images [n, C, H, W], same type, device and memory format.

        Raises ValueError when images and draws, or channels and `fill`, differ in number.
        """
        n, channels, height, width = images.shape
        if len(draws) != n:
            raise ValueError(f"draws must be for {n} images, got draws for {len(draws)}")
        draws = draws.to(images.device)
        padded = self._pad(images)
        column = torch.arange(width, device=images.device)
        columns = torch.where(draws.mirror[:, None], width - 1 - column, column)
        columns = columns + draws.right[:, None]
        rows = torch.arange(height, device=images.device) + draws.down[:, None]
        pixels = (rows[:, :, None] * padded.shape[3] + columns[:, None, :]).view(n, -1)
        outside = None
        if draws.turn is not None:
            places = turned(height, width, self.turn, images.device)[draws.turn]
            outside = places < 0
            pixels = pixels.gather(1, places.clamp(min=0))
        index = pixels.view(n, 1, -1).expand(-1, channels, -1)
        moved = padded.flatten(2).gather(2, index)
        if outside is not None:
            moved = torch.where(outside[:, None], self._fill(images), moved)
        return _laid_out_as(images, moved.view(images.shape))

    def _fill(self, images: Tensor) -> Tensor:
        """[C, 1]"""
        return torch.tensor(self.fill, dtype=images.dtype, device=images.device)[:, None]

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


def n_angles(degrees: int) -> int:
    """Return how many angles there are from -degrees to degrees."""
    return 2 * degrees * STEPS_PER_DEGREE + 1


@lru_cache(maxsize=8)
def turned(height: int, width: int, degrees: int, device: torch.device | str) -> Tensor:
    """Return for every angle the pixel that each place of a turned image shows.

    int64 [angles, H W], from -degrees to degrees, anticlockwise where positive, about the middle,
    the nearest pixel; -1 where it would lie outside. Computed on the CPU, so that every device has
    the same.
    """
    steps = torch.arange(n_angles(degrees), dtype=torch.float64) - degrees * STEPS_PER_DEGREE
    angle = (steps * (math.pi / 180 / STEPS_PER_DEGREE))[:, None, None]
    x = torch.arange(width, dtype=torch.float64) + 0.5 - width / 2
    y = (torch.arange(height, dtype=torch.float64) + 0.5 - height / 2)[:, None]
    column = (angle.cos() * x - angle.sin() * y + width / 2).floor().long()
    row = (angle.sin() * x + angle.cos() * y + height / 2).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return torch.where(inside, row * width + column, -1).flatten(1).to(device)


def _laid_out_as(images: Tensor, result: Tensor) -> Tensor:
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    if channels_last and not images.is_contiguous():
        return result.contiguous(memory_format=torch.channels_last)
    return result

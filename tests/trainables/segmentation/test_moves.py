"""Scale, crop and flip: image and mask stay on each other, and what is beyond them is void."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainables.segmentation.moves import RandomCrop, scaled

V = 255
FILL = (10, 20, 30)


def told(mask: Tensor) -> Tensor:
    """An image that says at every pixel what the mask says."""
    return mask[None].repeat(3, 1, 1)


def blocks() -> Tensor:
    """A mask of 12 x 16 in blocks of 4, each with a class of its own."""
    return (
        torch.arange(12, dtype=torch.uint8)
        .view(3, 4)
        .repeat_interleave(4, 0)
        .repeat_interleave(4, 1)
    )


@pytest.mark.parametrize("seed", range(5))
def test_without_scaling_every_pixel_keeps_its_label(seed: int) -> None:
    torch.manual_seed(seed)
    image, mask = RandomCrop(9, (1.0, 1.0), True, FILL)(told(blocks()), blocks())
    assert mask.shape == (9, 9)
    assert torch.equal(image, told(mask))


def test_all_places_and_both_sides_are_drawn() -> None:
    mask = torch.arange(16, dtype=torch.uint8).view(4, 4)
    torch.manual_seed(0)
    move = RandomCrop(3, (1.0, 1.0), True, FILL)
    corners = {int(move(told(mask), mask)[1][0, 0]) for _ in range(80)}
    assert corners == {0, 1, 4, 5} | {2, 3, 6, 7}  # as they are, and mirrored
    still = RandomCrop(3, (1.0, 1.0), False, FILL)
    assert {int(still(told(mask), mask)[1][0, 0]) for _ in range(40)} == {0, 1, 4, 5}


def test_what_is_beyond_the_image_is_filled_in_and_void() -> None:
    mask = torch.full((2, 3), 7, dtype=torch.uint8)
    image, moved = RandomCrop(4, (1.0, 1.0), False, FILL)(told(mask), mask)
    inside = torch.zeros(4, 4, dtype=torch.bool)
    inside[:2, :3] = True
    assert torch.equal(moved, torch.where(inside, 7, V).to(torch.uint8))
    for channel, level in zip(image, FILL, strict=True):
        assert torch.equal(channel, torch.where(inside, 7, level).to(torch.uint8))


def test_scaling_keeps_classes_and_stays_on_the_image() -> None:
    """Twice as large: the middles of blocks are what they were, in both."""
    image, mask = scaled(told(blocks()), blocks(), 2.0)
    assert mask.shape == (24, 32)
    assert torch.equal(mask, blocks().repeat_interleave(2, 0).repeat_interleave(2, 1))
    middles = (slice(3, None, 8), slice(3, None, 8))
    assert torch.equal(image[0][middles], mask[middles])
    smaller = scaled(told(blocks()), blocks(), 0.5)
    assert smaller[1].tolist() == blocks()[::2, ::2].tolist()
    assert (smaller[0][0].int() - smaller[1].int()).abs().max() <= 3  # blended across a block


def test_a_scale_is_drawn_from_its_range() -> None:
    mask = torch.zeros(8, 8, dtype=torch.uint8)
    torch.manual_seed(0)
    move = RandomCrop(16, (0.5, 2.0), False, FILL)
    known = [int((move(told(mask), mask)[1] == 0).sum()) for _ in range(60)]
    assert min(known) < 40 and max(known) > 200  # sides from 4 to 16


def test_the_draws_are_torchs_alone() -> None:
    move = RandomCrop(5, (0.5, 2.0), True, FILL)
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(move(told(blocks()), blocks()))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))

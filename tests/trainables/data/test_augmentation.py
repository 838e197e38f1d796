"""Augmentation against a loop over images, for every offset, and its draws."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.data.augmentation import Augmentation, Draws


def naive(images: Tensor, draws: Draws, padding: int, fill: tuple[float, ...]) -> Tensor:
    """Pad, crop and mirror image by image, pixel rows and columns written out."""
    n, channels, height, width = images.shape
    results = []
    for i in range(n):
        padded = torch.tensor(fill)[:, None, None].repeat(
            1, height + 2 * padding, width + 2 * padding
        )
        padded[:, padding : padding + height, padding : padding + width] = images[i]
        down, right = int(draws.down[i]), int(draws.right[i])
        crop = padded[:, down : down + height, right : right + width]
        results.append(crop.flip(2) if draws.mirror[i] else crop)
    assert channels == len(fill)
    return torch.stack(results)


def every_draw(padding: int) -> Draws:
    """All offsets with and without mirroring, (2 padding + 1)^2 * 2 of them."""
    offsets = range(2 * padding + 1)
    rows = list(itertools.product(offsets, offsets, (False, True)))
    down, right, mirror = (torch.tensor(column) for column in zip(*rows, strict=True))
    return Draws(down, right, mirror)


def random_images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("padding", "shape", "fill"),
    [
        (1, (1, 8, 8), (-0.8,)),
        (4, (3, 32, 32), (-2.0, -1.5, 0.25)),
        (4, (1, 28, 28), (-0.4,)),
        (2, (2, 3, 7), (9.0, -9.0)),
        (0, (1, 4, 4), (5.0,)),
    ],
)
def test_equals_a_loop_over_images_for_all_offsets_and_flips(
    padding: int, shape: tuple[int, int, int], fill: tuple[float, ...]
) -> None:
    draws = every_draw(padding)
    images = random_images(len(draws), *shape)
    augmented = Augmentation(padding, True, fill).apply(images, draws)
    assert torch.equal(augmented, naive(images, draws, padding, fill))


def test_by_hand() -> None:
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).repeat(4, 1, 1, 1)
    draws = Draws(
        down=torch.tensor([1, 0, 0, 2]),
        right=torch.tensor([1, 0, 0, 1]),
        mirror=torch.tensor([False, False, True, True]),
    )
    augmented = Augmentation(1, True, (9.0,)).apply(image, draws)
    expected = [[[1, 2], [3, 4]], [[9, 9], [9, 1]], [[9, 9], [1, 9]], [[4, 3], [9, 9]]]
    assert augmented[:, 0].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(
    padding=st.integers(0, 3),
    n=st.integers(1, 5),
    channels=st.integers(1, 3),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    flip=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_drawn_augmentation_equals_the_loop(
    padding: int, n: int, channels: int, height: int, width: int, flip: bool, seed: int
) -> None:
    fill = tuple(float(c) - 1.5 for c in range(channels))
    augmentation = Augmentation(padding, flip, fill)
    draws = augmentation.draw(n, torch.Generator().manual_seed(seed))
    images = random_images(n, channels, height, width)
    assert torch.equal(augmentation.apply(images, draws), naive(images, draws, padding, fill))


def test_the_given_images_are_left_as_they_were() -> None:
    images = random_images(6, 3, 8, 8)
    before = images.clone()
    augmentation = Augmentation(4, True, (0.0, 0.0, 0.0))
    augmentation.apply(images, augmentation.draw(6, torch.Generator().manual_seed(0)))
    assert torch.equal(images, before)


def test_channels_last_gives_the_same_numbers_in_the_same_layout() -> None:
    draws = every_draw(2)
    images = random_images(len(draws), 3, 6, 5)
    augmentation = Augmentation(2, True, (1.0, 2.0, 3.0))
    plain = augmentation.apply(images, draws)
    last = augmentation.apply(images.to(memory_format=torch.channels_last), draws)
    assert plain.is_contiguous()
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, last)


def test_half_precision_is_moved_and_not_computed() -> None:
    draws = every_draw(1)
    images = random_images(len(draws), 1, 4, 4).half()
    augmented = Augmentation(1, True, (0.5,)).apply(images, draws)
    assert augmented.dtype == torch.float16
    assert torch.equal(augmented.float(), naive(images.float(), draws, 1, (0.5,)))


# draws


def test_draws_are_a_function_of_the_generator() -> None:
    augmentation = Augmentation(4, True, (0.0,))
    a, b, c = (augmentation.draw(50, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a.down, b.down)
    assert torch.equal(a.right, b.right)
    assert torch.equal(a.mirror, b.mirror)
    assert not torch.equal(a.down, c.down)


def test_draws_touch_no_other_generator() -> None:
    before = torch.get_rng_state()
    Augmentation(4, True, (0.0,)).draw(50, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_cover_every_offset_about_equally_and_independently() -> None:
    """Each of 81 pairs is expected 500 times in 40,500; 5 standard deviations are 112."""
    draws = Augmentation(4, True, (0.0,)).draw(40_500, torch.Generator().manual_seed(0))
    counts = torch.bincount(draws.down * 9 + draws.right)
    assert len(counts) == 81
    assert int((counts - 500).abs().max()) < 112
    assert abs(float(draws.mirror.float().mean()) - 0.5) < 5 * 0.5 / 40_500**0.5


def test_nothing_is_mirrored_without_flip() -> None:
    draws = Augmentation(4, False, (0.0,)).draw(1000, torch.Generator().manual_seed(0))
    assert draws.mirror.dtype == torch.bool
    assert not draws.mirror.any()


def test_an_epoch_s_draws_used_batch_by_batch_give_the_whole() -> None:
    augmentation = Augmentation(1, True, (0.0,))
    images = random_images(10, 1, 4, 4)
    draws = augmentation.draw(10, torch.Generator().manual_seed(3))
    batches = [augmentation.apply(images[s], draws[s]) for s in (slice(0, 4), slice(4, 10))]
    assert len(draws[4:10]) == 6
    assert torch.equal(torch.cat(batches), augmentation.apply(images, draws))


# turns


def turned_by_hand(image: Tensor, steps: int, fill: tuple[float, ...]) -> Tensor:
    """One image [C, H, W] turned by so many eighths of a degree, pixel by pixel."""
    channels, height, width = image.shape
    angle = math.radians(steps / 8)
    result = torch.tensor(fill)[:, None, None].repeat(1, height, width)
    for row, column in itertools.product(range(height), range(width)):
        x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
        from_column = math.floor(math.cos(angle) * x - math.sin(angle) * y + width / 2)
        from_row = math.floor(math.sin(angle) * x + math.cos(angle) * y + height / 2)
        if 0 <= from_column < width and 0 <= from_row < height:
            result[:, row, column] = image[:, from_row, from_column]
    assert channels == len(fill)
    return result


@pytest.mark.parametrize(("padding", "shape"), [(4, (3, 12, 12)), (0, (1, 5, 8)), (1, (2, 7, 4))])
def test_turns_follow_crop_and_flip(padding: int, shape: tuple[int, int, int]) -> None:
    fill = tuple(-float(c) - 1 for c in range(shape[0]))
    augmentation = Augmentation(padding, True, fill, turn=15)
    images = random_images(12, *shape)
    draws = augmentation.draw(12, torch.Generator().manual_seed(0))
    assert draws.turn is not None
    cropped = naive(images, draws, padding, fill)
    expected = torch.stack(
        [
            turned_by_hand(image, int(turn) - 15 * 8, fill)
            for image, turn in zip(cropped, draws.turn, strict=True)
        ]
    )
    assert torch.equal(augmentation.apply(images, draws), expected)


@pytest.mark.parametrize("degrees", [-15, -10, -3, 0, 1, 5, 15])
def test_turns_are_pillow_s(degrees: int) -> None:
    """As the release turns an image; Pillow rounds in 16 bits, so that few pixels may differ."""
    from PIL import Image

    levels = np.random.RandomState(0).randint(1, 256, (32, 32)).astype(np.uint8)
    theirs = np.asarray(Image.fromarray(levels).rotate(degrees))
    here = torch.tensor([0])
    draws = Draws(here, here, here.bool(), torch.tensor([(degrees + 15) * 8]))
    image = torch.from_numpy(levels).float()[None, None]
    ours = Augmentation(0, False, (0.0,), turn=15).apply(image, draws)
    assert int((ours[0, 0].numpy() != theirs).sum()) <= 2


def test_no_place_is_so_near_an_edge_that_machines_could_differ() -> None:
    """The nearest of all places is millionths of a pixel away; double precision errs by 1e-14."""
    angles = torch.arange(1, 121, dtype=torch.float64)[:, None, None] * (math.pi / 180 / 8)
    for size in (8, 28, 32):
        middle = torch.arange(size, dtype=torch.float64) + 0.5 - size / 2
        place = angles.cos() * middle - angles.sin() * middle[:, None]
        assert float((place - place.round()).abs().min()) > 1e-7


def test_turns_are_drawn_after_all_else_and_reach_both_ends() -> None:
    plain = Augmentation(4, True, (0.0,)).draw(9000, torch.Generator().manual_seed(5))
    turning = Augmentation(4, True, (0.0,), turn=2).draw(9000, torch.Generator().manual_seed(5))
    assert plain.turn is None
    assert turning.turn is not None
    assert torch.equal(plain.down, turning.down)
    assert torch.equal(plain.mirror, turning.mirror)
    counts = turning.turn.bincount()
    assert len(counts) == 33
    assert int((counts - 9000 / 33).abs().max()) < 5 * (9000 / 33) ** 0.5


def test_turns_are_used_batch_by_batch() -> None:
    augmentation = Augmentation(1, True, (0.5,), turn=30)
    images = random_images(10, 1, 6, 6)
    draws = augmentation.draw(10, torch.Generator().manual_seed(3))
    batches = [augmentation.apply(images[s], draws[s]) for s in (slice(0, 4), slice(4, 10))]
    assert torch.equal(torch.cat(batches), augmentation.apply(images, draws))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"turn must be in \[0, 180\], got 181"):
        Augmentation(1, True, (0.0,), turn=181)
    with pytest.raises(ValueError, match="padding must be >= 0, got -1"):
        Augmentation(-1, True, (0.0,))
    augmentation = Augmentation(1, True, (0.0,))
    draws = augmentation.draw(3, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="draws must be for 4 images, got draws for 3"):
        augmentation.apply(random_images(4, 1, 4, 4), draws)
    with pytest.raises(ValueError, match="fill must hold 2 values"):
        augmentation.apply(random_images(3, 2, 4, 4), draws)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_device_gives_the_same_bits(layout: torch.memory_format) -> None:
    draws = every_draw(4)
    images = random_images(len(draws), 3, 32, 32)
    augmentation = Augmentation(4, True, (-2.0, -1.9, -1.8), turn=15)
    draws = replace(draws, turn=torch.arange(len(draws)) % 241)
    on_device = augmentation.apply(images.to("cuda", memory_format=layout), draws)
    assert on_device.is_contiguous(memory_format=layout)
    assert torch.equal(on_device.cpu(), augmentation.apply(images, draws))

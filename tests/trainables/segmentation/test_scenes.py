"""Scenes of digits over photographs: made by a seed, labelled by ink, nothing shared by parts."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from trainables.segmentation.digit_scenes import DigitScenes, part_sources
from trainables.segmentation.scenes import FULL_INK, Sources, enlarged, scenes

V = 255


def one_stroke() -> Sources:
    """A digit 7 that is a full block, over a black photograph."""
    digits = np.full((1, 8, 8), FULL_INK, np.uint8)
    return Sources(digits, np.array([7]), [np.zeros((40, 40, 3), np.uint8)])


def test_enlarging_by_hand() -> None:
    digit = np.zeros((8, 8), np.uint8)
    digit[0] = 16
    ink, full = enlarged(digit, 16)
    # twice the size: centres at -1/4, 1/4, 3/4, 5/4, ... of the old rows
    assert (ink[:, 0] / full).tolist()[:4] == [1, 3 / 4, 1 / 4, 0]
    assert np.array_equal(enlarged(digit, 8)[0] * 1.0, digit * 16.0**2)
    assert full == 16 * 32**2


@pytest.mark.parametrize("side", [5, 8, 11, 24])
def test_a_flat_digit_stays_flat(side: int) -> None:
    ink, full = enlarged(np.full((8, 8), FULL_INK, np.uint8), side)
    assert (ink == full).all()


def test_a_pixel_with_ink_is_the_digits_and_bright() -> None:
    images, masks = scenes(one_stroke(), 6, 32, 0)
    assert set(np.unique(masks)) == {0, 8}
    inked = (masks == 8)[:, None].repeat(3, 1)
    assert images[inked].min() >= 200 - 40
    assert not images[~inked].any()


def test_soft_edges_are_void_and_later_digits_lie_above() -> None:
    _, masks = scenes(part_sources()["train"], 40, 48, 1)
    shares = np.bincount(masks.ravel(), minlength=256) / masks.size
    assert 0.05 < shares[V] < 0.2 and 0.5 < shares[0] < 0.8
    assert (shares[1:11] > 0.005).all() and not shares[11:V].any()


def test_a_seed_makes_the_same_scenes() -> None:
    sources = part_sources()["val"]
    (images, masks), (again, _), (others, _) = (scenes(sources, 8, 48, s) for s in (3, 3, 4))
    assert np.array_equal(images, again) and not np.array_equal(images, others)
    assert hashlib.sha256(masks.tobytes()).hexdigest()[:16] == "d7716fc7a229f3b0"


def test_no_digit_and_no_pixel_of_a_photograph_is_in_two_parts() -> None:
    sources = part_sources()
    assert [len(s.labels) for s in sources.values()] == [1237, 200, 360]
    kept = {part: {d.tobytes() for d in s.digits} for part, s in sources.items()}
    assert not kept["train"] & kept["test"] and not kept["train"] & kept["val"]
    widths = [s.photographs[0].shape[1] for s in sources.values()]
    assert sum(widths) == 640
    assert all(np.bincount(s.labels, minlength=10).min() > 0 for s in sources.values())


def test_the_parts_of_the_task() -> None:
    splits = DigitScenes(n_train=16).splits()
    assert {name: len(part) for name, part in splits.in_order.items()} == {
        "train": 16, "val": 256, "test": 512,
    }  # fmt: skip
    images, masks = splits.train.tensors  # type: ignore[attr-defined]
    assert images.shape == (16, 3, 24, 24) and masks.shape == (16, 24, 24)
    assert float(images.double().mean()) == pytest.approx(0, abs=1e-6)
    assert float(images.double().std(correction=0, dim=(0, 2, 3))[0]) == pytest.approx(1, abs=1e-5)

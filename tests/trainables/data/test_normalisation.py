"""Normalisation: statistics by hand and against numpy, and the table of levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.config.datasets import Statistics
from trainables.data.normalisation import normalised, statistics, value_table
from trainables.data.raw import DataFormatError


def test_statistics_by_hand() -> None:
    """Channel 0 holds 0, 0, 4, 4; channel 1 holds 1, 1, 1, 3; the brightest of 5 levels is 4."""
    images = np.array([[[[0, 4]], [[1, 1]]], [[[4, 0]], [[3, 1]]]], dtype=np.uint8)
    scale = statistics(images, levels=5)
    assert scale.mean == (0.5, 0.375)
    assert scale.std == pytest.approx((0.5, np.sqrt(0.75) / 4))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 600), st.integers(0, 2**31))
def test_statistics_are_those_of_numpy_in_double_precision(n: int, seed: int) -> None:
    images = np.random.RandomState(seed).randint(0, 256, (n, 3, 2, 2)).astype(np.uint8)
    scale = statistics(images, 256)
    pixels = images / 255
    np.testing.assert_allclose(scale.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(scale.std, pixels.std(axis=(0, 2, 3)), rtol=1e-10)


def test_a_channel_that_is_the_same_everywhere_is_refused() -> None:
    images = np.zeros((3, 2, 2, 2), dtype=np.uint8)
    images[0, 0, 0, 0] = 1
    with pytest.raises(DataFormatError, match="same value everywhere"):
        statistics(images, 256)


def test_normalised_by_hand() -> None:
    table = value_table(Statistics((0.5, 0.25), (0.5, 0.25)), levels=5)
    assert table.dtype == np.float32
    assert table.tolist() == [[-1, -0.5, 0, 0.5, 1], [-1, 0, 1, 2, 3]]
    images = np.array([[[[0, 4]], [[1, 3]]]], dtype=np.uint8)
    assert normalised(images, table).tolist() == [[[[-1, 1]], [[0, 2]]]]


@pytest.mark.parametrize("n", [1, 255, 256, 257, 513])
def test_every_image_is_normalised_whatever_their_number(n: int) -> None:
    images = np.random.RandomState(n).randint(0, 256, (n, 2, 2, 3)).astype(np.uint8)
    scale = Statistics((0.3, 0.6), (0.2, 0.4))
    expected = (images / 255 - np.array([[[0.3]], [[0.6]]])) / np.array([[[0.2]], [[0.4]]])
    result = normalised(images, value_table(scale, 256))
    assert np.array_equal(result, expected.astype(np.float32))

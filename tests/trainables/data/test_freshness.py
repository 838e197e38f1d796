"""It can be told whether NumPy or `random` have drawn since they were seeded."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from trainables.data.freshness import Freshness, freshness
from trainables.data.isolation import reseed, restoring_generators, seeded


def test_the_structures_are_known_here() -> None:
    assert freshness().known
    assert freshness() is freshness()


@pytest.mark.parametrize(
    "draw",
    [
        random.random,
        lambda: random.gauss(0, 1),
        lambda: random.shuffle([1, 2, 3]),
        lambda: random.getrandbits(1),
        np.random.rand,
        np.random.randn,
        lambda: np.random.permutation(3),
        lambda: np.random.beta(0.4, 0.4),
        lambda: [random.random() for _ in range(624)],  # as many words as two states have
        lambda: np.random.random_sample(312),
        lambda: np.random.bytes(1),
    ],
)
def test_every_draw_is_seen_and_seeding_makes_fresh_again(draw: Callable[[], object]) -> None:
    with restoring_generators():
        reseed(1)
        fresh = freshness()
        fresh.mark()
        assert fresh
        draw()
        assert not fresh
        reseed(1)
        assert fresh


def test_torch_and_generators_of_others_do_not_count() -> None:
    with seeded(3):
        freshness().mark()
        torch.rand(3)
        random.Random(1).random()
        np.random.default_rng(1).random()
        assert freshness()


def test_another_generator_under_numpys_functions_is_not_known() -> None:
    own = np.random.get_bit_generator()  # type: ignore[attr-defined]
    np.random.set_bit_generator(np.random.PCG64(1))  # type: ignore[attr-defined]
    try:
        unknown = Freshness()
        assert not unknown.known
        assert not unknown
    finally:
        np.random.set_bit_generator(own)  # type: ignore[attr-defined]

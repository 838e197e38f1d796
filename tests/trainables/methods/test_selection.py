"""The fast choice of the largest scores: the same as the plain one, whatever the scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.methods.selection import SAMPLE_EVERY, all_but_lowest, kth_lowest
from trainables.pruning.lowest import lowest


def drawn(kind: str, n: int, seed: int) -> Tensor:
    """Scores [n] >= 0: as they come, with many ties, mostly zero, over many scales, in order."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, generator=generator).abs()
    if kind == "ties":
        return (3 * scores).round()
    if kind == "zeros":
        return scores * (torch.rand(n, generator=generator) > 0.95)
    if kind == "scales":
        return scores**12
    return scores.sort().values if kind == "ordered" else scores


KINDS = ["plain", "ties", "zeros", "scales", "ordered"]


@settings(deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    n=st.sampled_from([1, 2, SAMPLE_EVERY, SAMPLE_EVERY + 1, 500, 4000]),
    share=st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 1.0]),
    seed=st.integers(0, 1000),
)
def test_the_choice_is_the_plain_one(kind: str, n: int, share: float, seed: int) -> None:
    scores, count = drawn(kind, n, seed), round(share * n)
    expected = (~lowest(scores.clone(), count)).float()
    assert all_but_lowest(scores, count).tolist() == expected.tolist()


@pytest.mark.parametrize("k", [1, 2, 300, 599, 600])
def test_a_sample_that_misleads_costs_nothing_but_time(k: int) -> None:
    """Every sampled value is far above the others, or far below: the bounds miss the threshold."""
    for far in (1e6, -1e6):
        values = np.random.default_rng(0).permutation(600).astype(np.float32)
        values[::SAMPLE_EVERY] += far
        assert kth_lowest(values, k) == np.sort(values)[k - 1]


def test_of_equal_scores_the_first_are_the_lower() -> None:
    scores = torch.tensor([2.0, 1.0, 2.0, 3.0, 2.0, 0.5])
    assert all_but_lowest(scores.clone(), 3).tolist() == [0, 0, 1, 1, 1, 0]
    assert all_but_lowest(scores.clone(), 5).tolist() == [0, 0, 0, 1, 0, 0]
    assert all_but_lowest(scores.clone(), 0).tolist() == [1] * 6
    assert all_but_lowest(scores.clone(), 6).tolist() == [0] * 6


def test_neighbouring_floats_are_told_apart() -> None:
    tiny = torch.tensor([1e-45, 0.0, 1.0]).sort().values
    near = torch.tensor([1.0, float(np.nextafter(np.float32(1), np.float32(2)))])
    assert all_but_lowest(tiny, 1).tolist() == [0, 1, 1]
    assert all_but_lowest(near, 1).tolist() == [0, 1]

"""Batches by tokens, worked out by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainables.translation.grouping import by_length


def batches(lengths: list[tuple[int, int]], most: int) -> list[list[int]]:
    return [batch.tolist() for batch in by_length(np.array(lengths, np.int64), most)]


def test_pairs_of_like_length_share_a_batch_that_counts_its_padding() -> None:
    lengths = [(2, 3), (9, 4), (3, 3), (1, 1), (2, 3), (4, 2)]
    # longer side: 3, 9, 3, 1, 3, 4; sorted: 3 | 0, 4, 2 (equal ones in order) | 5 | 1
    assert batches(lengths, 9) == [[3, 0, 4], [2, 5], [1]]
    assert batches(lengths, 12) == [[3, 0, 4, 2], [5], [1]]
    assert batches(lengths, 8) == [[3, 0], [4, 2], [5], [1]]


def test_a_pair_that_is_longer_makes_a_batch_of_its_own() -> None:
    assert batches([(9, 2), (8, 8), (1, 2)], 3) == [[2], [1], [0]]


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=60),
    st.integers(1, 100),
)
def test_every_pair_is_in_one_batch_within_the_bound(
    lengths: list[tuple[int, int]], most: int
) -> None:
    groups = batches(lengths, most)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        longest = max(max(lengths[i]) for i in group)
        assert len(group) == 1 or len(group) * longest <= most

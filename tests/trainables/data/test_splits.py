"""Splits: quotas and draws by hand, and every class in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from trainables.data.splits import class_quotas, held_out, share_of, stratified


@pytest.mark.parametrize(
    ("counts", "n_held", "quotas"),
    [
        ([5, 3, 2], 5, [3, 1, 1]),  # exact shares 2.5, 1.5, 1: of equal remainders the lower class
        ([10, 10, 10], 10, [4, 3, 3]),
        ([1, 1, 98], 10, [0, 0, 10]),  # .1, .1, 9.8
        ([6, 6, 88], 10, [1, 0, 9]),  # .6, .6, 8.8: one unit for .8, one for the lower .6
        ([4, 0, 4], 3, [2, 0, 1]),
        ([4, 3], 0, [0, 0]),
        ([4, 3], 7, [4, 3]),
        ([], 0, []),
    ],
)
def test_class_quotas_by_hand(counts: list[int], n_held: int, quotas: list[int]) -> None:
    assert class_quotas(np.array(counts, dtype=np.int64), n_held).tolist() == quotas


@pytest.mark.parametrize("n_held", [-1, 8])
def test_class_quotas_refuse_what_cannot_be_held(n_held: int) -> None:
    with pytest.raises(ValueError, match=rf"n_held must be in \[0, 7\], got {n_held}"):
        class_quotas(np.array([4, 3]), n_held)


def test_stratified_by_hand() -> None:
    """RandomState(0) shuffles ten as 2 8 4 9 1 6 7 3 0 5: evens 2 8 .., odds 9 1 .. come first."""
    held, rest = stratified(np.array([0, 1] * 5), 4, seed=0)
    assert held.tolist() == [1, 2, 8, 9]
    assert rest.tolist() == [0, 3, 4, 5, 6, 7]


@settings(max_examples=100, deadline=None)
@given(
    labels=hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 6)),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_stratified_divides_every_class_in_proportion(
    labels: NDArray[np.int64], share: float, seed: int
) -> None:
    n_held = round(share * len(labels))
    held, rest = stratified(labels, n_held, seed)
    assert len(held) == n_held
    assert sorted([*held, *rest]) == list(range(len(labels)))
    assert held.tolist() == sorted(held)
    assert rest.tolist() == sorted(rest)
    for label in set(labels.tolist()):
        exact = (labels == label).sum() * n_held / len(labels)
        assert abs((labels[held] == label).sum() - exact) < 1
    again, _ = stratified(labels, n_held, seed)
    assert np.array_equal(held, again)


def test_another_seed_holds_out_other_images() -> None:
    labels = np.arange(1000) % 10
    assert not np.array_equal(stratified(labels, 100, 0)[0], stratified(labels, 100, 1)[0])


def test_a_random_draw_takes_the_first_of_the_shuffle_whatever_the_classes() -> None:
    """RandomState(0) shuffles ten as 2 8 4 9 1 6 7 3 0 5."""
    labels = np.array([0] * 9 + [1])
    held, rest = held_out(labels, 4, "random", 0)
    assert held.tolist() == [2, 4, 8, 9]
    assert rest.tolist() == [0, 1, 3, 5, 6, 7]
    drawn, _ = held_out(labels, 4, "stratified", 0)
    assert drawn.tolist() == stratified(labels, 4, 0)[0].tolist()


def test_a_share_is_that_of_the_decimal() -> None:
    assert round(0.575 * 100) == 57  # in floats 57.49999999999999
    assert share_of(100, 0.575) == 58
    assert [share_of(n, 0.1) for n in (5, 15, 25, 1797)] == [0, 2, 2, 180]
    assert all(share_of(n, 0.1) == round(0.1 * n) for n in range(5000)), "a tenth is as in floats"

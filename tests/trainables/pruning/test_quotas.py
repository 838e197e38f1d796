"""What every layer must keep: counts exact, whatever the scope, and never more than it has."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.trainables.pruning.test_masks import bits, linear_chain
from trainables.pruning.masks import Masks, count_zeros, dense_masks
from trainables.pruning.quotas import least_kept
from trainables.pruning.ranking import prune

GLOBAL = {"structure": "weights", "scope": "global", "criterion": "magnitude"}
LAYER = {**GLOBAL, "scope": "layer"}
SMALL_AND_LARGE = ([[1.0, 3.0, 2.0, 4.0]], [[5.0], [6.0], [7.0], [8.0], [9.0], [10.0]])


def pruned(zeros: int, masks: Masks | None = None, **choice: Any) -> list[list[int]]:
    model = linear_chain(*SMALL_AND_LARGE)
    return bits(prune(model, masks or dense_masks(model), zeros=zeros, **choice))


@pytest.mark.parametrize(
    ("size", "least", "n"),
    [(10, 0, 0), (10, 3, 3), (10, 0.2, 2), (10, 0.25, 3), (7, 0.1, 1), (3, 5, 3), (10, 0.3, 3)],
)
def test_how_many_a_layer_keeps(size: int, least: float, n: int) -> None:
    assert least_kept(size, least) == n


@pytest.mark.parametrize(
    ("zeros", "least", "expected"),
    [
        (4, 0, [[0, 0, 0, 0], [1, 1, 1, 1, 1, 1]]),
        (4, 1, [[0, 0, 0, 1], [0, 1, 1, 1, 1, 1]]),
        (4, 2, [[0, 1, 0, 1], [0, 0, 1, 1, 1, 1]]),
        (4, 0.5, [[0, 1, 0, 1], [0, 0, 1, 1, 1, 1]]),
        (8, 1, [[0, 0, 0, 1], [0, 0, 0, 0, 0, 1]]),
        (9, 1, [[0, 0, 0, 1], [0, 0, 0, 0, 0, 1]]),  # as many as there can be
        (10, 4, [[1, 1, 1, 1], [0, 0, 1, 1, 1, 1]]),
    ],
)
def test_over_the_model_the_best_of_each_layer_stay(
    zeros: int, least: float, expected: list[list[int]]
) -> None:
    assert pruned(zeros, keep_least=least, **GLOBAL) == expected


@pytest.mark.parametrize(
    ("zeros", "least", "expected"),
    [
        (5, 0, [[0, 1, 0, 1], [0, 0, 0, 1, 1, 1]]),
        (5, 3, [[0, 1, 1, 1], [0, 0, 0, 1, 1, 1]]),  # one and three at most: four in all
        (
            4,
            3,
            [[0, 1, 1, 1], [0, 0, 0, 1, 1, 1]],
        ),  # the second loses one more
        (8, 1, [[0, 0, 0, 1], [0, 0, 0, 0, 0, 1]]),
        (7, 2, [[0, 1, 0, 1], [0, 0, 0, 0, 1, 1]]),
    ],
)
def test_by_layer_the_others_lose_what_one_may_not(
    zeros: int, least: float, expected: list[list[int]]
) -> None:
    assert pruned(zeros, keep_least=least, **LAYER) == expected


def test_what_is_gone_never_returns_for_a_layer_that_has_too_few() -> None:
    model = linear_chain(*SMALL_AND_LARGE)
    masks = dense_masks(model)
    masks["0.weight"][0, 1:] = False  # one alive, three are to stay
    for choice in (GLOBAL, LAYER):
        result = prune(model, masks, zeros=6, keep_least=3, **choice)  # type: ignore[arg-type]
        assert bits(result) == [[1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]


sizes = st.lists(st.integers(1, 12), min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(sizes, st.integers(0, 48), st.integers(0, 5), st.sampled_from(["global", "layer"]),
       st.sampled_from(["magnitude", "random"]))  # fmt: skip
def test_the_count_is_exact_wherever_it_can_be(
    widths: list[int], zeros: int, least: int, scope: str, criterion: str
) -> None:
    model = nn.Sequential(*(nn.Linear(width, 1, bias=False) for width in widths))
    zeros = min(zeros, sum(widths))
    result = prune(
        model, dense_masks(model), zeros=zeros, structure="weights", scope=scope,
        criterion=criterion, keep_least=least, generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    most = sum(max(0, width - least) for width in widths)
    assert count_zeros(result) == min(zeros, most)
    for width, mask in zip(widths, result.values(), strict=True):
        assert int(mask.sum()) >= min(least, width)


def test_filters_that_a_layer_keeps() -> None:
    model = linear_chain([[1.0], [2.0], [3.0], [4.0]], [[9.0, 9.0, 9.0, 9.0]] * 2)
    choice = {"structure": "filters", "scope": "global", "criterion": "magnitude"}

    def kept(least: float) -> int:
        result = prune(model, dense_masks(model), zeros=4, keep_least=least, **choice)  # type: ignore[arg-type]
        return int(result["0.weight"].sum())

    assert [kept(0), kept(2), kept(0.5), kept(3)] == [1, 2, 2, 3]


# --- a user's scores ---


def scores_of(*layers: list[float]) -> dict[str, Tensor]:
    shapes = [(1, 4), (6, 1)]
    return {
        f"{i}.weight": torch.tensor(values).reshape(shape)
        for i, (values, shape) in enumerate(zip(layers, shapes, strict=True))
    }


RISING = scores_of([-4.0, -3.0, -2.0, -1.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
EQUAL = scores_of([1.0] * 4, [1.0] * 6)


@pytest.mark.parametrize(
    ("scores", "zeros", "choice", "expected"),
    [
        (RISING, 1, GLOBAL, [[0, 1, 1, 1], [1, 1, 1, 1, 1, 1]]),
        (RISING, 6, GLOBAL, [[0, 0, 0, 0], [0, 0, 1, 1, 1, 1]]),
        (RISING, 5, LAYER, [[0, 0, 1, 1], [0, 0, 0, 1, 1, 1]]),
        (EQUAL, 5, GLOBAL, [[0, 0, 0, 0], [0, 1, 1, 1, 1, 1]]),  # of equal ones the first
        (EQUAL, 5, LAYER, [[0, 0, 1, 1], [0, 0, 0, 1, 1, 1]]),
        (scores_of([4.0, 3, 2, 1], [6.0, 5, 6, 5, 6, 5]), 5, GLOBAL,
         [[0, 0, 0, 0], [1, 0, 1, 1, 1, 1]]),
    ],
)  # fmt: skip
def test_the_lowest_scores_go_first_negative_ones_too(
    scores: dict[str, Tensor], zeros: int, choice: Any, expected: list[list[int]]
) -> None:
    assert pruned(zeros, scores=scores, **choice) == expected


def test_what_was_pruned_goes_before_the_lowest_score() -> None:
    model = linear_chain(*SMALL_AND_LARGE)
    masks = dense_masks(model)
    masks["1.weight"][5, 0] = False
    assert pruned(2, masks, scores=RISING, **GLOBAL) == [[0, 1, 1, 1], [1, 1, 1, 1, 1, 0]]


def test_scores_and_what_a_layer_keeps() -> None:
    assert pruned(5, scores=RISING, keep_least=2, **GLOBAL) == [[0, 0, 1, 1], [0, 0, 0, 1, 1, 1]]


def test_a_filters_score_is_the_sum_over_its_weights() -> None:
    model = linear_chain([[9.0, 9.0], [1.0, 1.0], [5.0, 5.0]], [[1.0, 1.0, 1.0]])
    scores = {
        "0.weight": torch.tensor([[-3.0, 1.0], [4.0, 4.0], [-9.0, 8.0]]),  # -2, 8, -1
        "1.weight": torch.zeros(1, 3),
    }
    choice = {"structure": "filters", "scope": "global", "criterion": "magnitude"}
    result = prune(model, dense_masks(model), zeros=2, scores=scores, **choice)  # type: ignore[arg-type]
    assert bits(result) == [[0, 0, 1, 1, 1, 1], [1, 1, 1]]
    again = prune(model, result, zeros=4, scores=scores, **choice)  # type: ignore[arg-type]
    assert bits(again) == [[0, 0, 1, 1, 0, 0], [1, 1, 1]]

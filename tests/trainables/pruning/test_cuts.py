"""Patterns n:m, blocks, rows and columns: tables by hand, exact counts, and what never happens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.sparse import _semi_structured_conversions as conversions

from tests.trainables.pruning.test_layers import CONVOLUTIONS
from trainables.formulas.structures import Structure, misfits
from trainables.pruning.choices import CRITERIA, SCOPES, UNIT_NORMS
from trainables.pruning.cuts import cuts_of, matrices
from trainables.pruning.layers import filter_rows, from_filter_rows
from trainables.pruning.masks import Masks, apply_, count_zeros, dense_masks
from trainables.pruning.prunable import Prunable, prunable, trained_weights
from trainables.pruning.ranking import prune

GLOBAL: dict[str, Any] = {"scope": "global", "criterion": "magnitude"}
TWO_OF_FOUR = Structure("n:m", pattern=(2, 4))


def linear(rows: list[list[float]]) -> nn.Linear:
    values = torch.tensor(rows, dtype=torch.float32)
    layer = nn.Linear(values.shape[1], values.shape[0], bias=False)
    layer.weight.data.copy_(values)
    return layer


def pruned(model: nn.Module, structure: Structure | str, zeros: int, **over: Any) -> Masks:
    return prune(model, dense_masks(model), zeros=zeros, structure=structure, **{**GLOBAL, **over})


def bits(mask: Tensor) -> list[list[int]]:
    return mask.flatten(1).int().tolist()


EIGHT = [
    [1, 2, 3, 4, -8, 7, 6, -5],
    [4, 3, 2, 1, 5, 6, 7, 8],
    [1, 1, 1, 1, 0, 0, 0, 0],
    [2, 1, 2, 1, 1, 2, 1, 2],
    [9, 0, 9, 0, 0, 9, 0, 9],
    [-3, 3, -3, 3, 3, -3, 1, 1],
    [5, 5, 1, 5, 0, 1, 0, 0],
    [0, 0, 0, 1, 1, 0, 0, 0],
]
"""An 8 x 8 with ties: of equal magnitudes in a group the lower index goes first."""


@pytest.mark.parametrize(
    ("n", "m", "expected"),
    [
        (2, 4, [
            [0, 0, 1, 1, 1, 1, 0, 0],
            [1, 1, 0, 0, 0, 0, 1, 1],
            [0, 0, 1, 1, 0, 0, 1, 1],
            [1, 0, 1, 0, 0, 1, 0, 1],
            [1, 0, 1, 0, 0, 1, 0, 1],
            [0, 0, 1, 1, 1, 1, 0, 0],
            [0, 1, 0, 1, 0, 1, 0, 1],
            [0, 0, 1, 1, 1, 0, 0, 1],
        ]),
        (1, 4, [
            [0, 0, 0, 1, 1, 0, 0, 0],
            [1, 0, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 1, 0, 0, 0, 1],
            [0, 0, 1, 0, 0, 0, 0, 1],
            [0, 0, 1, 0, 0, 0, 0, 1],
            [0, 0, 0, 1, 0, 1, 0, 0],
            [0, 0, 0, 1, 0, 1, 0, 0],
            [0, 0, 0, 1, 1, 0, 0, 0],
        ]),
        (4, 8, [
            [0, 0, 0, 0, 1, 1, 1, 1],
            [0, 0, 0, 0, 1, 1, 1, 1],
            [1, 1, 1, 1, 0, 0, 0, 0],
            [1, 0, 1, 0, 0, 1, 0, 1],
            [1, 0, 1, 0, 0, 1, 0, 1],
            [0, 0, 1, 1, 1, 1, 0, 0],
            [1, 1, 0, 1, 0, 1, 0, 0],
            [0, 0, 0, 1, 1, 0, 1, 1],
        ]),
    ],
)  # fmt: skip
def test_every_group_of_an_eight_by_eight_by_hand(
    n: int, m: int, expected: list[list[int]]
) -> None:
    structure = Structure("n:m", pattern=(n, m))
    masks = pruned(linear(EIGHT), structure, 64 * (m - n) // m)
    assert bits(masks["weight"]) == expected


def test_zeros_of_a_group_rise_in_steps_and_what_is_gone_stays() -> None:
    model = linear([[3, 1, 2, 4]])
    first = pruned(model, Structure("n:m", pattern=(1, 4)), 1)
    assert bits(first["weight"]) == [[1, 0, 1, 1]]
    model.weight.data.copy_(torch.tensor([[1.0, 9.0, 2.0, 3.0]]))  # the masked one has grown
    again = prune(model, first, zeros=2, structure=TWO_OF_FOUR, **GLOBAL)
    assert bits(again["weight"]) == [[0, 0, 1, 1]]
    last = prune(model, again, zeros=3, structure=Structure("n:m", pattern=(1, 4)), **GLOBAL)
    assert bits(last["weight"]) == [[0, 0, 0, 1]]


def test_groups_run_along_the_inputs_of_a_convolution() -> None:
    """Of [out, in x kh x kw]: two inputs of two by one make one group of an output."""
    layer = nn.Conv2d(2, 2, (2, 1), bias=False)
    layer.weight.data.copy_(torch.tensor([1.0, 4, 2, 3, 8, 5, 6, 7]).reshape(2, 2, 2, 1))
    masks = pruned(layer, TWO_OF_FOUR, 4)
    assert masks["weight"].flatten(1).int().tolist() == [[0, 1, 0, 1], [1, 0, 0, 1]]


def test_groups_share_the_zeros_equally_or_it_is_refused() -> None:
    model = linear(EIGHT)
    with pytest.raises(ValueError, match="zeros must be the same in each group of 4, got 30"):
        pruned(model, TWO_OF_FOUR, 30)
    masks = dense_masks(model)
    masks["weight"][0, :3] = False
    with pytest.raises(ValueError, match="masks must have at most 2 zeros in each group of 4"):
        prune(model, masks, zeros=32, structure=TWO_OF_FOUR, **GLOBAL)


def test_a_layer_that_is_not_divided_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Linear(6, 4))
    with pytest.raises(ValueError, match=r"2:4 must cut 0\.weight, but 4 does not divide 6 inputs"):
        pruned(model, TWO_OF_FOUR, 12)
    with pytest.raises(ValueError, match=r"blocks 3x2 must cut 0.weight, .* 3 .* 4 outputs"):
        pruned(model, Structure("blocks", block=(3, 2)), 12)


def test_scores_in_place_of_magnitudes_decide_within_a_group() -> None:
    model = linear([[1, 2, 3, 4]])
    masks = pruned(model, TWO_OF_FOUR, 2, scores={"weight": torch.tensor([[4.0, 3.0, 2.0, 1.0]])})
    assert bits(masks["weight"]) == [[1, 1, 0, 0]]


def test_the_form_that_hardware_takes_loses_nothing() -> None:
    """torch's own packing of 2:4 keeps two of every four inputs: ours are those."""
    torch.manual_seed(0)
    model = nn.Linear(64, 32, bias=False).half()
    apply_(model, pruned(model, TWO_OF_FOUR, 1024))
    dense = model.weight.detach()
    packed, places = conversions.sparse_semi_structured_from_dense_cutlass(dense)
    assert packed.shape == (32, 32)
    assert torch.equal(conversions.sparse_semi_structured_to_dense_cutlass(packed, places), dense)


# --- blocks, rows and columns ---

FOUR = [[1, 1, 5, 0], [1, 1, 0, 0], [3, 0, 2, 2], [0, 0, 2, 2]]
"""Blocks of 2 x 2: sums 4, 5, 3, 8 and norms 2, 5, 3, 4. Rows: sums 7 2 7 4, norms 5.2 1.4 4.1 2.8.
Columns: sums 5 2 9 4, norms 3.3 1.4 5.7 2.8."""


@pytest.mark.parametrize(
    ("structure", "norm", "zeros", "expected"),
    [
        (Structure("blocks", block=(2, 2)), "l1", 4, [[1, 1], [0, 1]]),
        (Structure("blocks", block=(2, 2)), "l1", 8, [[0, 1], [0, 1]]),
        (Structure("blocks", block=(2, 2)), "l2", 4, [[0, 1], [1, 1]]),
        (Structure("blocks", block=(2, 2)), "l2", 11, [[0, 1], [0, 1]]),  # eight: no more fit
        (Structure("blocks", block=(2, 2)), "l2", 12, [[0, 1], [0, 0]]),
        (Structure("blocks", block=(2, 2)), "l2", 16, [[0, 1], [0, 0]]),  # one stays
        (Structure("blocks", block=(2, 2)), "l1", 16, [[0, 0], [0, 1]]),
    ],
)
def test_blocks_by_hand(
    structure: Structure, norm: str, zeros: int, expected: list[list[int]]
) -> None:
    masks = pruned(linear(FOUR), structure, zeros, filter_norm=norm)
    wide = torch.tensor(expected).repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert bits(masks["weight"]) == wide.tolist()


def test_blocks_need_not_be_square() -> None:
    masks = pruned(linear(FOUR), Structure("blocks", block=(1, 2)), 6)
    # Norms by rows: 1.4 5, 1.4 0, 3 2.8, 0 2.8. The zero ones go first, then the first of 1.4.
    assert bits(masks["weight"]) == [[0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("kind", "norm", "gone"),
    [("columns", "l2", [1, 3, 0]), ("columns", "l1", [1, 3, 0])],
)
def test_columns_by_hand(kind: str, norm: str, gone: list[int]) -> None:
    for n in range(1, 5):
        masks = pruned(linear(FOUR), kind, 4 * n, filter_norm=norm)
        kept = masks["weight"].any(0)
        assert torch.equal(masks["weight"].all(0), kept)
        assert sorted((~kept).nonzero().flatten().tolist()) == sorted(gone[:n])


def test_rows_by_hand_leave_the_classifier_and_all_biases() -> None:
    model = nn.Sequential(linear(FOUR), nn.BatchNorm1d(4), nn.Linear(4, 4))
    for n, gone in ((1, [1]), (2, [1, 3]), (3, [1, 2, 3]), (8, [1, 2, 3])):
        masks = pruned(model, "rows", 4 * n)
        kept = masks["0.weight"].any(1)
        assert sorted((~kept).nonzero().flatten().tolist()) == gone
        assert bool(masks["2.weight"].all())
        assert list(masks) == ["0.weight", "2.weight"]


def test_by_layer_every_layer_gives_the_same_share_of_its_blocks() -> None:
    model = nn.Sequential(linear(FOUR), linear([[9, 9, 8, 8], [9, 9, 8, 8]]))
    structure = Structure("blocks", block=(2, 2))
    masks = pruned(model, structure, 12, scope="layer")
    assert [count_zeros({n: m}) for n, m in masks.items()] == [8, 4]
    masks = pruned(model, structure, 12)
    assert [count_zeros({n: m}) for n, m in masks.items()] == [12, 0]


def test_a_layer_keeps_as_many_blocks_as_hold_what_it_must_keep() -> None:
    structure = Structure("blocks", block=(2, 2))
    masks = pruned(linear(FOUR), structure, 12, keep_least=5)  # two blocks hold five weights
    assert count_zeros(masks) == 8


def test_packed_projections_of_attention_are_cut_each_by_itself() -> None:
    attention = nn.MultiheadAttention(4, 2, bias=False)
    weights = prunable(attention, trained_weights)
    assert matrices(weights) == {"in_proj_weight": (4, 4), "out_proj.weight": (4, 4)}
    assert [cut.part.layer for cut in cuts_of(weights, Structure("columns"))] == [
        "in_proj_weight[q]", "in_proj_weight[k]", "in_proj_weight[v]", "out_proj.weight",
    ]  # fmt: skip
    attention.in_proj_weight.data.fill_(1.0)
    attention.out_proj.weight.data.fill_(1.0)
    attention.in_proj_weight.data[4:8, 2] = 0.1  # the third input of the keys
    masks = prune(
        weights, dense_masks(weights), zeros=4, structure="columns", **GLOBAL, filter_norm="l1"
    )
    assert not masks["in_proj_weight"][4:8, 2].any()
    assert count_zeros(masks) == 4


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_the_matrix_of_a_layer_can_be_undone(layer: Any) -> None:
    rows = filter_rows(layer, layer.weight)
    assert torch.equal(from_filter_rows(layer, rows, layer.weight.shape), layer.weight)


# --- what holds for all ---


def _structure(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Structure:
    kind = draw(st.sampled_from(["n:m", "blocks", "rows", "columns"]))
    if kind == "n:m":
        n, m = draw(st.sampled_from([(2, 4), (1, 4), (4, 8), (1, 2)]))
        return Structure(kind, pattern=(n, m))
    if kind == "blocks":
        return Structure(kind, block=draw(st.sampled_from([(1, 2), (2, 2), (4, 1), (2, 4)])))
    return Structure(kind)


def _network(widths: list[int], seed: int) -> nn.Sequential:
    draws = torch.Generator().manual_seed(seed)
    model = nn.Sequential(*[nn.Linear(4 * a, 4 * b) for a, b in pairwise(widths)])
    for weight in prunable(model).values():
        weight.data.copy_(torch.randint(-2, 3, weight.shape, generator=draws))  # many ties
    return model


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_counts_are_exact_and_prunes_nest(data: st.DataObject) -> None:
    structure = _structure(data.draw)
    model = _network(
        data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=4)),
        data.draw(st.integers(0, 10_000)),
    )
    whole = prunable(model)
    weights = whole.without(list(misfits(structure, matrices(whole))))
    if not weights:
        return
    dense = dense_masks(weights)
    n = sum(mask.numel() for mask in dense.values())
    choice = {
        "scope": data.draw(st.sampled_from(sorted(SCOPES))),
        "criterion": data.draw(st.sampled_from(sorted(CRITERIA))),
        "filter_norm": data.draw(st.sampled_from(sorted(UNIT_NORMS))),
    }
    shares = sorted(data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=2)))
    masks = dense
    for share in shares:
        zeros = max(_zeros(structure, n, share), count_zeros(masks))
        draws = torch.Generator().manual_seed(1)
        after = prune(weights, masks, zeros=zeros, structure=structure, generator=draws, **choice)
        assert not any(bool((after[k] & ~masks[k]).any()) for k in masks)
        _holds(weights, after, structure, zeros)
        masks = after


def _zeros(structure: Structure, n: int, share: float) -> int:
    group = structure.group
    return round(share * n) if group is None else round(share * (group - 1)) * n // group


def _holds(weights: Prunable, masks: Masks, structure: Structure, zeros: int) -> None:
    cuts = cuts_of(weights, structure)
    units = [cut.units(masks[cut.part.name]) for cut in cuts]
    if group := structure.group:
        n = sum(mask.numel() for mask in masks.values())
        zeros_of_groups = [(~u.reshape(-1, group)).sum(1) for u in units]
        assert all(bool((z == zeros * group // n).all()) for z in zeros_of_groups)
        assert count_zeros(masks) == zeros
        return
    assert count_zeros(masks) <= zeros
    for kept in units:
        assert torch.equal(kept.all(1), kept.any(1))
        assert bool(kept.any())
    # The next unit in the order would not fit; it is one of a layer that may still lose some.
    left = [cut.size for cut, kept in zip(cuts, units, strict=True) if kept.all(1).sum() > 1]
    if left:
        assert zeros - count_zeros(masks) < max(left)

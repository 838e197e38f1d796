"""Heads of attention and hidden units: tables by hand, exact counts, what goes with them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainables.formulas.structures import Bundle, Structure, misfits, whole_bundles
from trainables.pruning.bundles import bundles_of, every_bundle
from trainables.pruning.cuts import joint_cuts_of, matrices
from trainables.pruning.masks import Masks, apply_, count_zeros, dense_masks, taken_along
from trainables.pruning.measures import measured_weights, parameter_vector
from trainables.pruning.prunable import Prunable, prunable, trained_weights
from trainables.pruning.ranking import prune

GLOBAL: dict[str, Any] = {"scope": "global", "criterion": "magnitude"}
HEADS, HIDDEN = Structure("heads"), Structure("hidden")


def of(model: nn.Module, structure: Structure = HEADS) -> Prunable:
    """The weights of whole heads, or hidden units: what a trial prunes."""
    weights = prunable(model, trained_weights)
    reasons = misfits(structure, matrices(weights), bundles_of(weights, structure))
    return weights.without(list(reasons))


def pruned(weights: Prunable, structure: Structure, zeros: int, **over: Any) -> Masks:
    more = {**GLOBAL, **over}
    return prune(weights, dense_masks(weights), zeros=zeros, structure=structure, **more)


def attention(heads: list[tuple[float, float]]) -> nn.MultiheadAttention:
    """Heads of width two by what their projections and their columns of the output hold."""
    layer = nn.MultiheadAttention(2 * len(heads), len(heads))
    with torch.no_grad():
        for head, (projections, outputs) in enumerate(heads):
            places = slice(2 * head, 2 * head + 2)
            torch.unflatten(layer.in_proj_weight, 0, (3, -1))[:, places] = projections
            layer.out_proj.weight[:, places] = outputs
    return layer


@pytest.mark.parametrize(
    ("norm", "zeros", "goes"),
    [
        # Of 24 and 8 weights: the first head has L1 24 and L2 8.5, the second 32 and 5.7.
        ("l1", 31, None),
        ("l1", 32, 0),
        ("l2", 32, 1),
        ("l2", 63, 1),
        ("l2", 64, 1),  # one head of a layer stays
    ],
)
def test_a_head_of_two_by_hand(norm: str, zeros: int, goes: int | None) -> None:
    weights = of(attention([(0.0, 3.0), (1.0, 1.0)]))
    masks = pruned(weights, HEADS, zeros, filter_norm=norm)
    rows = [[head != goes] * 2 for head in (0, 1)]
    flat = [kept for pair in rows for kept in pair]
    assert masks["in_proj_weight"].tolist() == [[kept] * 4 for kept in flat * 3]
    assert masks["out_proj.weight"].tolist() == [flat] * 4
    assert count_zeros(masks) == (0 if goes is None else 32)
    along = taken_along(weights, masks, HEADS)
    assert {name: mask.tolist() for name, mask in along.items()} == {"in_proj_bias": flat * 3}


def test_of_equal_heads_the_first_goes_and_what_is_gone_stays() -> None:
    weights = of(attention([(1.0, 1.0), (1.0, 1.0), (2.0, 2.0)]))
    size = 3 * 2 * 6 + 6 * 2
    first = pruned(weights, HEADS, size)
    assert first["out_proj.weight"][0].tolist() == [False] * 2 + [True] * 4
    layer = weights.modules["out_proj.weight"]
    assert isinstance(layer, nn.Linear)
    layer.weight.data[:, :2] = 9.0  # what is masked has grown
    both = prune(weights, first, zeros=2 * size, structure=HEADS, **GLOBAL)
    assert both["out_proj.weight"][0].tolist() == [False] * 4 + [True] * 2


def test_hidden_units_by_hand() -> None:
    """A unit is a row of the first layer and a column of the second: 1 + 9, 4 + 4, 9 + 0."""
    block = nn.TransformerEncoderLayer(4, 2, 3)
    with torch.no_grad():
        block.linear1.weight.copy_(torch.tensor([1.0, 4.0, 9.0]).sqrt()[:, None].expand(3, 4) / 2)
        block.linear2.weight.copy_(torch.tensor([9.0, 4.0, 0.0]).sqrt().expand(4, 3) / 2)
    weights = of(block, HIDDEN)
    assert list(weights) == ["linear1.weight", "linear2.weight"]
    masks = pruned(weights, HIDDEN, 8)
    assert masks["linear1.weight"][:, 0].tolist() == [True, False, True]
    assert masks["linear2.weight"].tolist() == [[True, False, True]] * 4
    along = taken_along(weights, masks, HIDDEN)
    assert along["linear1.bias"].tolist() == [True, False, True]
    assert "linear2.bias" not in along
    masks = pruned(weights, HIDDEN, 16)
    assert masks["linear2.weight"].tolist() == [[True, False, False]] * 4


class Two(nn.Module):
    """Two heads of 32 weights in `a`, four of 16 in `b`, and a layer without any."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.MultiheadAttention(4, 2), nn.MultiheadAttention(4, 4)
        self.out = nn.Linear(4, 4)
        for part, value in ((self.a, 0.1), (self.b, 1.0), (self.out, 0.0)):
            for parameter in part.parameters():
                nn.init.constant_(parameter, value)


def heads_left(masks: Masks) -> list[list[bool]]:
    """By head whether it stays, of `a` and of `b`; it must be whole, or gone whole."""
    kept = []
    for name, n in (("a", 2), ("b", 4)):
        columns = torch.unflatten(masks[f"{name}.out_proj.weight"], 1, (n, -1))
        rows = torch.unflatten(masks[f"{name}.in_proj_weight"], 0, (3, n, -1))
        flags = columns.all(2).all(0)
        assert torch.equal(flags, columns.any(2).any(0))
        assert torch.equal(flags.expand(3, -1), rows.all(3).all(2))
        assert torch.equal(flags.expand(3, -1), rows.any(3).any(2))
        kept.append(flags.tolist())
    return kept


@pytest.mark.parametrize(
    ("scope", "zeros", "a", "b"),
    [
        ("global", 47, [0, 1], [1, 1, 1, 1]),  # a's 32, then b's 16 would be one too many
        ("global", 64, [0, 1], [0, 0, 1, 1]),
        ("layer", 64, [0, 1], [0, 0, 1, 1]),  # half of either
        ("layer", 16, [1, 1], [0, 1, 1, 1]),  # a quarter of b before the half of a
        ("global", 128, [0, 1], [0, 0, 0, 1]),
    ],
)
def test_heads_of_two_layers(scope: str, zeros: int, a: list[int], b: list[int]) -> None:
    masks = pruned(of(Two()), HEADS, zeros, scope=scope)
    assert heads_left(masks) == [list(map(bool, a)), list(map(bool, b))]


def test_a_layer_keeps_as_many_heads_as_hold_what_it_must_keep() -> None:
    masks = pruned(of(Two()), HEADS, 128, keep_least=33)  # two of a, three of b
    assert heads_left(masks) == [[True, True], [False, True, True, True]]


def test_scores_of_the_users_are_summed_over_a_head() -> None:
    weights = of(Two())
    scores = {name: torch.ones(weight.shape) for name, weight in weights.items()}
    scores["b.out_proj.weight"][:, 2] = -9.0  # the third head of b: 12 - 36
    masks = pruned(weights, HEADS, 16, scores=scores)
    assert heads_left(masks)[1] == [True, True, False, True]


def test_projections_that_are_not_packed() -> None:
    layer = nn.MultiheadAttention(4, 2, kdim=3, vdim=5)
    weights = of(layer)
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight")
    assert bundles_of(weights, HEADS) == [Bundle(names, 2)]
    [cut] = joint_cuts_of(weights, HEADS)
    assert (cut.n, cut.size) == (2, 2 * (4 + 3 + 5) + 4 * 2)
    masks = pruned(weights, HEADS, cut.size)
    assert count_zeros(masks) == cut.size
    [bias] = taken_along(weights, masks, HEADS).values()
    assert bias.shape == (12,) and int(bias.sum()) == 6


def test_what_lies_in_no_unit_is_named_and_what_is_excluded_takes_its_block_along() -> None:
    weights = prunable(Two(), trained_weights)
    bundles = every_bundle(weights)
    assert [b.n for b in bundles["heads"]] == [2, 4] and bundles["hidden"] == []
    shapes = matrices(weights)
    assert misfits(HEADS, shapes, bundles["heads"]) == {
        "out.weight": "no attention heads lie in it"
    }
    del shapes["a.out_proj.weight"]
    assert misfits(HEADS, shapes, bundles["heads"]) == {
        "a.in_proj_weight": "its attention heads reach into a.out_proj.weight, which stays dense",
        "out.weight": "no attention heads lie in it",
    }
    assert whole_bundles(bundles["heads"], shapes) == bundles["heads"][1:]
    left = weights.without(["a.out_proj.weight"])
    assert bundles_of(left, HEADS) == bundles["heads"][1:]


def test_what_the_norm_drop_is_measured_over() -> None:
    weights = prunable(Two(), trained_weights)
    heads = [name for name in weights if name != "out.weight"]
    assert measured_weights(weights, "ranked", HEADS) == heads
    assert parameter_vector(weights, "ranked", HEADS).numel() == 128


def test_a_masked_head_and_hidden_unit_add_nothing() -> None:
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(4, 2, 3, dropout=0.0, batch_first=True)
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    for structure, zeros in ((HEADS, 32), (HIDDEN, 8)):
        weights = of(block, structure)
        masks = pruned(weights, structure, zeros)
        apply_(block, {**masks, **taken_along(weights, masks, structure)})
    seen: list[Tensor] = []
    block.self_attn.out_proj.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    block.linear2.register_forward_pre_hook(lambda _m, given: seen.append(given[0]))
    block.train()(torch.randn(5, 3, 4))
    assert [bool((x == 0).all(tuple(range(x.dim() - 1))).any()) for x in seen[-1:]] == [True]
    bias = torch.unflatten(block.self_attn.in_proj_bias, 0, (3, 2, 2))
    assert [bool((bias[:, head] == 0).all()) for head in (0, 1)].count(True) == 1


class Mlp(nn.Module):
    """Five hidden units between layers of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(2, 5, bias=False), nn.Linear(5, 3)
        for row, weight in enumerate(self.fc1.weight.data):
            weight.fill_(float(row))
        self.fc2.weight.data.fill_(1.0)


def test_the_blocks_that_a_task_names() -> None:
    def named(_name: str, module: nn.Module) -> tuple[str, str] | None:
        return ("fc1", "fc2") if isinstance(module, Mlp) else None

    model = nn.Sequential(Mlp(), nn.Linear(3, 2), nn.TransformerEncoderLayer(4, 2, 3))
    assert [b.n for b in bundles_of(prunable(model), HIDDEN)] == [3]
    weights = prunable(model, trained_weights, named)
    assert bundles_of(weights, HIDDEN) == [Bundle(("0.fc1.weight", "0.fc2.weight"), 5)]
    left = weights.without(list(misfits(HIDDEN, matrices(weights), bundles_of(weights, HIDDEN))))
    masks = pruned(left, HIDDEN, 10)
    assert masks["0.fc2.weight"].tolist() == [[False] * 2 + [True] * 3] * 3
    assert taken_along(left, masks, HIDDEN) == {}  # the first layer has no bias


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("fc1", "norm"), "must be two linear layers, got Linear and LayerNorm in 0"),
        (("fc2", "fc1"), "must read all that it makes, got 2 inputs of 3 units in 0"),
        (("fc1", "fc3"), "has no attribute `fc3`"),
    ],
)
def test_blocks_that_are_none(names: tuple[str, str], message: str) -> None:
    mlp = Mlp()
    mlp.norm = nn.LayerNorm(3)
    weights = prunable(
        nn.Sequential(mlp), trained_weights, lambda name, _: names if name == "0" else None
    )
    with pytest.raises((ValueError, AttributeError), match=message):
        bundles_of(weights, HIDDEN)

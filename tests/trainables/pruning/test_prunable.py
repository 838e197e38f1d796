"""Which weights a task's default rule takes, and how they are cut into layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainables.config.exclusions import excluded
from trainables.pruning.masks import count_zeros, dense_masks
from trainables.pruning.measures import collapsed_layers, layer_sparsities
from trainables.pruning.prunable import Part, prunable, trained_weights
from trainables.pruning.ranking import prune
from trainables.pruning.work import work_of


def chosen(model: nn.Module) -> list[str]:
    return list(prunable(model, trained_weights))


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (nn.Conv2d(4, 4, 3, groups=4), ["weight"]),
        (nn.Conv2d(4, 6, 3, groups=2), ["weight"]),
        (nn.ConvTranspose1d(4, 4, 3, groups=2), ["weight"]),
        (nn.Embedding(3, 2), []),
        (nn.EmbeddingBag(3, 2), []),
        (nn.LayerNorm(3), []),
        (nn.Bilinear(2, 2, 2), []),
        (nn.MultiheadAttention(6, 2), ["in_proj_weight", "out_proj.weight"]),
        (
            nn.MultiheadAttention(6, 2, kdim=4, vdim=3),
            ["q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"],
        ),
        (nn.MultiheadAttention(6, 2, add_bias_kv=True), ["in_proj_weight", "out_proj.weight"]),
        (nn.LSTM(3, 2), []),
    ],
    ids=lambda value: str(value) if isinstance(value, nn.Module) else "",
)
def test_convolutions_linear_layers_and_attentions_projections(
    layer: nn.Module, names: list[str]
) -> None:
    assert chosen(layer) == names


class Tied(nn.Module):
    """A decoder with the embedding's weight, and two linear layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.one, self.two, self.three = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.decode = nn.Linear(4, 7, bias=False)
        self.decode.weight = self.embed.weight
        self.three.weight = self.one.weight

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.three(self.two(self.one(self.embed(words))))
        result: torch.Tensor = self.decode(x)
        return result


def test_tied_weights_are_one_and_those_of_an_embedding_stay_dense() -> None:
    model = Tied()
    weights = prunable(model, trained_weights)
    assert list(weights) == ["one.weight", "two.weight"]
    assert count_zeros(_pruned(weights, 10)) == 10
    work = work_of(weights, torch.zeros(1, 5, dtype=torch.int64))
    # the decoder multiplies, though its weight stays dense; the embedding only looks up
    assert work.counts == {"embed.weight": 5 * 28, "one.weight": 2 * 5 * 16, "two.weight": 5 * 16}
    assert work.order == ("one.weight", "two.weight")


def _pruned(weights: Any, zeros: int, **more: Any) -> dict[str, torch.Tensor]:
    choice = {"structure": "weights", "scope": "global", "criterion": "magnitude", **more}
    return prune(weights, dense_masks(weights), zeros=zeros, **choice)  # type: ignore[arg-type]


def test_frozen_weights_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2), nn.MultiheadAttention(4, 2))
    model[0].weight.requires_grad_(False)
    model[2].in_proj_weight.requires_grad_(False)
    assert chosen(model) == ["1.weight", "2.out_proj.weight"]


def test_a_task_may_take_embeddings_too() -> None:
    model = Tied()
    weights = prunable(model, lambda name, _parameter, _module: name.endswith("weight"))
    assert list(weights) == ["embed.weight", "one.weight", "two.weight"]
    assert work_of(weights, torch.zeros(1, 5, dtype=torch.int64)).order == tuple(weights)


# --- layers within a parameter ---


def attention() -> Any:
    torch.manual_seed(0)
    return nn.ModuleDict({"attn": nn.MultiheadAttention(2, 1, bias=False)})


def test_packed_projections_are_three_layers() -> None:
    weights = prunable(attention(), trained_weights)
    assert weights.parts("attn.in_proj_weight") == [
        Part("attn.in_proj_weight", "attn.in_proj_weight[q]", 0, 4),
        Part("attn.in_proj_weight", "attn.in_proj_weight[k]", 4, 8),
        Part("attn.in_proj_weight", "attn.in_proj_weight[v]", 8, 12),
    ]
    assert weights.parts("attn.out_proj.weight") == [
        Part("attn.out_proj.weight", "attn.out_proj.weight", 0, 4)
    ]


def test_a_weight_of_that_name_in_another_module_is_one_layer() -> None:
    class Own(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.in_proj_weight = nn.Parameter(torch.zeros(3, 2))

    weights = prunable(Own(), lambda name, _p, _m: name == "in_proj_weight")
    assert [part.layer for part in weights.parts("in_proj_weight")] == ["in_proj_weight"]


def test_the_same_share_of_every_layer_is_one_of_each_projection() -> None:
    model = attention()
    with torch.no_grad():  # globally all of q would go, then k
        model["attn"].in_proj_weight.copy_(torch.arange(1.0, 13).view(6, 2))
        model["attn"].out_proj.weight.fill_(20)
    weights = prunable(model, trained_weights)
    masks = _pruned(weights, 8, scope="layer")
    assert layer_sparsities(weights, masks) == {
        "attn.in_proj_weight[q]": 0.5,
        "attn.in_proj_weight[k]": 0.5,
        "attn.in_proj_weight[v]": 0.5,
        "attn.out_proj.weight": 0.5,
    }
    kept = masks["attn.in_proj_weight"].int().tolist()
    assert kept == [[0, 0], [1, 1]] * 3
    everywhere = _pruned(weights, 8)
    assert layer_sparsities(weights, everywhere) == {
        "attn.in_proj_weight[q]": 1.0,
        "attn.in_proj_weight[k]": 1.0,
        "attn.in_proj_weight[v]": 0.0,
        "attn.out_proj.weight": 0.0,
    }
    assert collapsed_layers(weights, masks) == 0
    assert collapsed_layers(weights, everywhere) == 2


def test_filters_leave_packed_projections_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.MultiheadAttention(4, 2), nn.Linear(4, 2))
    weights = prunable(model, trained_weights)
    masks = _pruned(weights, 20, structure="filters")
    assert masks["1.in_proj_weight"].all()
    assert count_zeros(masks) == 20


# --- what a study keeps dense ---


class Ordered(nn.Module):
    """Layers that the forward meets in another order than they were made in."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.stem = nn.Linear(4, 2), nn.Conv1d(1, 2, 3)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).mean(1)
        result: torch.Tensor = self.head(self.blocks[1](self.blocks[0](x)))
        return result


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ((), []),
        (("first",), ["stem.weight"]),
        (("last",), ["head.weight"]),
        (("last", "first"), ["head.weight", "stem.weight"]),
        (("blocks.*",), ["blocks.0.weight", "blocks.1.weight"]),
        (("blocks.1",), ["blocks.1.weight"]),
        (("stem.weight", "first"), ["stem.weight"]),
        (("Conv*d",), ["stem.weight"]),
        (("Linear",), ["head.weight", "blocks.0.weight", "blocks.1.weight"]),
    ],
)
def test_exclusions_by_place_name_and_type(patterns: tuple[str, ...], names: list[str]) -> None:
    weights = prunable(Ordered(), trained_weights)
    order = work_of(weights, torch.zeros(1, 1, 6)).order
    assert order == ("stem.weight", "blocks.0.weight", "blocks.1.weight", "head.weight")
    assert excluded(weights.kinds, patterns, order) == names
    left = weights.without(names)
    assert left.excluded == tuple(names)
    assert list(left) == [name for name in weights if name not in names]
    masks = _pruned(left, 5)
    assert count_zeros(masks) == 5
    assert not set(masks) & set(names)


@pytest.mark.parametrize(
    ("patterns", "sentence"),
    [
        (("tail",), "must fit a prunable weight .head.weight, .*got 'tail'"),
        (("linear",), "must fit a prunable weight"),
        (("*",), "must leave a weight to prune, got all of head.weight, stem.weight"),
    ],
)
def test_patterns_that_fit_nothing_or_everything(patterns: tuple[str, ...], sentence: str) -> None:
    weights = prunable(Ordered(), trained_weights)
    with pytest.raises(ValueError, match=sentence):
        excluded(weights.kinds, patterns, list(weights))

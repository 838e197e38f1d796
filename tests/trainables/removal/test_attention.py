"""Heads taken out of attention layers: by hand, against torch's own layer, in whole networks."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.removal.networks import Images, removed
from trainables.networks import models
from trainables.pruning.work import work_of
from trainables.removal.attention import FewerHeads, heads_left, masked_heads, packed_rows
from trainables.removal.plan import plan_of, shrink
from trainables.removal.proved import NotRemoved, outputs
from trainables.removal.traced import traced
from trainables.translation.transformer import Shape, Transformer
from trainables.trials.task_cache import load_weights_

WIDTH, HEADS, DIM = 12, 3, 4


def attention(**keywords: Any) -> nn.MultiheadAttention:
    """A layer whose biases are not at their start."""
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **keywords)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    return layer.eval()


@torch.no_grad()
def mask_(layer: nn.MultiheadAttention, head: int, what: str) -> None:
    """Set the weights of a head to zero: all, those of its values, or what reads it."""
    at = slice(head * DIM, (head + 1) * DIM)
    if what in ("all", "outputs"):
        layer.out_proj.weight[:, at] = 0
    assert isinstance(layer.in_proj_weight, Tensor)
    parts = {"all": (0, 1, 2), "values": (2,), "queries": (0,), "outputs": ()}[what]
    for part in parts:
        layer.in_proj_weight[part * WIDTH + at.start : part * WIDTH + at.stop] = 0


def test_rows_of_a_packed_projection_by_hand() -> None:
    """Two of three heads of two rows each, in queries, keys and values."""
    assert packed_rows([0, 2], 3, 2) == [0, 1, 4, 5, 6, 7, 10, 11, 12, 13, 16, 17]


@pytest.mark.parametrize(
    ("what", "silent"), [("all", [1]), ("values", [1]), ("outputs", [1]), ("queries", [])]
)
def test_a_head_is_silent_without_its_values_or_what_reads_it(what: str, silent: list[int]) -> None:
    """Without its queries it still gives the mean of its values."""
    layer = attention()
    mask_(layer, 1, what)
    assert masked_heads(layer) == silent


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no weights": {"need_weights": False},
    "mask": {"attn_mask": torch.ones(5, 5, dtype=torch.bool).triu(1)},
    "numbers": {"attn_mask": torch.arange(25.0).reshape(5, 5) / 10},
    "by head": {"attn_mask": torch.arange(2 * HEADS * 25.0).reshape(2 * HEADS, 5, 5) % 7},
    "padding": {"key_padding_mask": torch.tensor([[False] * 5, [False] * 3 + [True] * 2])},
}


@pytest.mark.parametrize("what", ["all", "values"])
@pytest.mark.parametrize("case", CASES)
def test_the_smaller_layer_gives_what_the_masked_one_gives(case: str, what: str) -> None:
    """The bias of its values, which the masked head gives always, goes into the output's."""
    layer = attention()
    mask_(layer, 1, what)
    fewer = FewerHeads.of(layer, [0, 2])
    assert fewer.in_proj_weight is not None and fewer.in_proj_weight.shape == (24, WIDTH)
    assert fewer.out_proj.weight.shape == (WIDTH, 8)
    inputs = torch.randn(2, 5, WIDTH)
    before, _ = layer(inputs, inputs, inputs, **CASES[case])
    after, weights = fewer(inputs, inputs, inputs, **CASES[case])
    assert torch.allclose(before, after, atol=1e-6)
    assert (weights is None) == (case == "no weights")


def test_other_sequences_other_orders_and_single_examples() -> None:
    layer = attention()
    mask_(layer, 0, "all")
    fewer = FewerHeads.of(layer, [1, 2])
    query, memory = torch.randn(2, 3, WIDTH), torch.randn(2, 7, WIDTH)
    expected, _ = layer(query, memory, memory)
    assert torch.allclose(fewer(query, memory, memory)[0], expected, atol=1e-6)
    one, weights = fewer(query[0], memory[0], memory[0])
    assert torch.allclose(one, expected[0], atol=1e-6) and weights.shape == (3, 7)
    first = copy.deepcopy(layer)
    first.batch_first = False
    turned = FewerHeads.of(first, [1, 2])(*(t.transpose(0, 1) for t in (query, memory, memory)))[0]
    assert torch.allclose(turned.transpose(0, 1), expected, atol=1e-6)


class Own(nn.MultiheadAttention):
    """A user's attention."""


def test_why_heads_stay() -> None:
    def stuck(layer: nn.Module, may: bool = True) -> list[tuple[str, int, str]]:
        left, reasons = heads_left(nn.Sequential(layer), lambda *_: may)
        assert not left
        return reasons

    layer = attention()
    mask_(layer, 2, "all")
    assert heads_left(nn.Sequential(layer), lambda *_: True) == ({"0": [0, 1]}, [])
    assert stuck(layer, may=False) == [("0", 1, "the task keeps its heads")]
    biased = attention(add_bias_kv=True)
    mask_(biased, 2, "all")
    [(_, _, reason)] = stuck(biased)
    assert reason.startswith("it attends to a position of its own")
    own = Own(WIDTH, HEADS, batch_first=True)
    mask_(own, 0, "all")
    assert stuck(own) == [("0", 1, "Own may use its heads otherwise")]
    other = attention(kdim=6)
    with torch.no_grad():
        other.out_proj.weight[:, :DIM] = 0
    assert stuck(other) == [("0", 1, "its projections are not packed into one")]
    twice = nn.Sequential(layer, layer)
    assert heads_left(twice, lambda *_: True) == ({}, [("0", 1, "it stands at several places")])


def test_one_head_of_a_layer_stays() -> None:
    layer = attention()
    for head in range(HEADS):
        mask_(layer, head, "all")
    left, stuck = heads_left(nn.Sequential(layer), lambda *_: True)
    assert (left, stuck) == ({"0": [0]}, [("0", 1, "one head of a layer stays")])


class Rows(nn.Module):
    """Rows of an image as a sequence, through an encoder of two layers."""

    def __init__(self, reads_weights: bool = False) -> None:
        super().__init__()
        self.reads_weights = reads_weights
        self.embed = nn.Linear(8, WIDTH)
        block = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.attend = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(self.embed(x.flatten(1, 2)))
        x, weights = self.attend(x, x, x, need_weights=self.reads_weights)
        logits: Tensor = self.head(x.mean(1))
        return logits if weights is None else logits + weights.amax((1, 2))[:, None]


def sequences(**keywords: Any) -> Images:
    return Images(lambda: Rows(**keywords), (1, 8, 8))


def masked_encoder(task: Images) -> nn.Module:
    """Head 1 of the first block and hidden units 3 and 4 of both, as masks would leave them."""
    network = models.seeded(task.model, 0).eval()
    assert isinstance(network, Rows)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    for number, block in enumerate(network.encoder.layers):
        assert isinstance(block, nn.TransformerEncoderLayer)
        if number == 0:
            mask_(block.self_attn, 1, "all")
        with torch.no_grad():
            block.linear1.weight[3:5] = 0
            block.linear2.weight[:, 3:5] = 0
    mask_(network.attend, 2, "values")
    return network


def test_heads_and_hidden_units_leave_a_transformer_and_its_outputs_stay() -> None:
    task = sequences()
    network = masked_encoder(task)
    result = removed(task, network)
    units = {f"encoder.layers.{number}.linear1": 2 for number in (0, 1)}
    assert result.plan.removed == units
    assert result.plan.removed_heads == {"encoder.layers.0.self_attn": 1, "attend": 1}
    assert result.plan.heads["attend"] == [0, 1]
    assert result.difference <= 1e-5 and not result.plan.kept
    part = task.splits().val
    [before], [after] = (
        outputs(task, m, part.tensors)  # type: ignore[attr-defined]
        for m in (network, result.model)
    )
    assert float((before - after).abs().max()) <= 1e-5
    example = task.example()
    counts = [work_of(m, example).counts for m in (network, result.model)]
    name = "encoder.layers.0.self_attn.in_proj_weight"
    assert (counts[0][name], counts[1][name]) == (8 * 36 * WIDTH, 8 * 24 * WIDTH)
    assert isinstance(network.get_submodule("attend"), nn.MultiheadAttention)
    assert not isinstance(network.get_submodule("attend"), FewerHeads)


def test_the_smaller_network_takes_its_own_weights_again() -> None:
    """So that what is stored of it can be loaded into one that is shrunk by the same plan."""
    task = sequences()
    result = removed(task, masked_encoder(task))
    again = shrink(models.seeded(task.model, 3), result.plan.as_json())
    load_weights_(again, result.model.state_dict())
    images = torch.randn(3, 1, 8, 8)
    assert torch.equal(again.eval()(images), result.model(images))


def test_heads_stay_where_their_weights_are_read() -> None:
    """The mean over heads that is read would change; hidden units go all the same."""
    task = sequences(reads_weights=True)
    result = removed(task, masked_encoder(task))
    assert not result.plan.heads and len(result.plan.removed) == 2
    kept = {kept.layer: str(kept) for kept in result.plan.kept}
    rule = "attend keeps 1 masked head: outputs would differ without them"
    assert kept["attend"] == rule
    bare = sequences(reads_weights=True)
    network = models.seeded(bare.model, 0).eval()
    mask_(network.attend, 2, "all")  # type: ignore[arg-type]
    with pytest.raises(NotRemoved, match=f"no filter can be taken out: .*{rule}"):
        removed(bare, network)


def test_an_encoder_and_decoder_with_padding_lose_heads_of_all_three_kinds() -> None:
    """The built-in Transformer: to itself, to itself but not ahead, and to what was read."""
    torch.manual_seed(0)
    network = Transformer(30, Shape(WIDTH, HEADS, 16, 1, 0.0)).eval()
    encoder, decoder = network.encoder.layers[0], network.decoder.layers[0]
    assert isinstance(encoder, nn.TransformerEncoderLayer)
    assert isinstance(decoder, nn.TransformerDecoderLayer)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, std=0.3)
    mask_(encoder.self_attn, 1, "all")
    mask_(decoder.self_attn, 0, "values")
    mask_(decoder.multihead_attn, 2, "outputs")
    with torch.no_grad():
        decoder.linear1.weight[:5] = 0
    plan = plan_of(network, traced(network, (torch.full((1, 6), 3), torch.full((1, 4), 3))))
    assert plan.removed == {"decoder.layers.0.linear1": 5}
    assert plan.heads == {
        "encoder.layers.0.self_attn": [0, 2],
        "decoder.layers.0.self_attn": [1, 2],
        "decoder.layers.0.multihead_attn": [0, 1],
    }
    source, target = torch.randint(1, 30, (3, 8)), torch.randint(1, 30, (3, 5))
    source[1, 4:], target[0, 3:] = 0, 0  # padding
    with torch.no_grad():
        before = network(source, target)
        after = shrink(copy.deepcopy(network), plan.as_json())(source, target)
    assert float((before - after).abs().max()) <= 1e-5

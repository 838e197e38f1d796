"""The Transformer: what it sees, its numbers, which of its weights are pruned, its work."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.pruning.prunable import prunable
from trainables.pruning.work import work_of
from trainables.translation.embedded import CatalogTranslation
from trainables.translation.tokenizer import END, PAD
from trainables.translation.transformer import Shape, Transformer, positions

SHAPE = Shape(width=8, heads=2, hidden=12, layers=2, dropout=0.0)
N_TOKENS = 20


def built(shape: Shape = SHAPE) -> Transformer:
    torch.manual_seed(0)
    return Transformer(N_TOKENS, shape)


def test_padding_and_later_tokens_are_not_seen() -> None:
    network = built().eval()
    source = torch.tensor([[5, 6, END, PAD, PAD], [7, 8, 9, 10, END]])
    target = torch.randint(4, N_TOKENS, (2, 4))
    with torch.inference_mode():
        together = network(source, target)
        alone = network(source[:1, :3], target[:1])
        shorter = network(source, target[:, :2])
    torch.testing.assert_close(together[:1], alone)
    torch.testing.assert_close(together[:, :2], shorter)


def test_every_source_and_earlier_token_is_seen() -> None:
    network = built().eval()
    source, target = torch.tensor([[5, 6, END]]), torch.tensor([[1, 7, 8]])
    with torch.inference_mode():
        before = network(source, target)[0, -1]
        for change in range(3):
            other = source.clone()
            other[0, change] = 11
            assert not torch.allclose(network(other, target)[0, -1], before)
            other = target.clone()
            other[0, change] = 11
            assert not torch.allclose(network(source, other)[0, -1], before)


@pytest.mark.parametrize("norm_first", [True, False])
def test_numbers_of_parameters(norm_first: bool) -> None:
    network = built(Shape(8, 2, 12, 2, 0.0, norm_first))
    attention = 3 * 8 * 8 + 3 * 8 + 8 * 8 + 8
    feed = 8 * 12 + 12 + 12 * 8 + 8
    encoder, decoder = attention + feed + 2 * 16, 2 * attention + feed + 3 * 16
    stacks = 2 * (encoder + decoder) + (2 * 16 if norm_first else 0)
    assert sum(p.numel() for p in network.parameters()) == stacks + N_TOKENS * 8


def test_layers_begin_apart_and_the_output_is_the_embedding() -> None:
    network = built()
    first, second = (network.encoder.layers[n].linear1.weight for n in (0, 1))  # type: ignore[union-attr]
    assert not torch.equal(first, second)  # type: ignore[arg-type]
    assert network.output.weight is network.embedding.weight
    assert network.embedding.weight[PAD].abs().sum() == 0
    with pytest.raises(ValueError, match=r"^task\.width must be divided by task\.heads, got 8 and"):
        built(Shape(8, 3, 12, 1, 0.0))


def test_positions_by_hand() -> None:
    places = positions(torch.zeros(1, 3, 4))
    angles = torch.tensor([[0.0, 0.0], [1.0, 0.01], [2.0, 0.02]])
    torch.testing.assert_close(places, torch.cat([angles.sin(), angles.cos()], 1))
    assert positions(torch.zeros(1, 2, 5)).shape == (2, 5)


def test_projections_and_feed_forward_weights_are_pruned_and_nothing_else() -> None:
    task = CatalogTranslation()
    network = built()
    weights = prunable(network, task.prunable)
    ends = {name.split("layers.")[1].split(".", 1)[1] for name in weights}
    attention = {f"{a}.{w}" for a in ("self_attn", "multihead_attn")
                 for w in ("in_proj_weight", "out_proj.weight")}  # fmt: skip
    assert ends == attention | {"linear1.weight", "linear2.weight"}
    # per layer of the encoder 4 d^2 + 2 d h, of the decoder 8 d^2 + 2 d h
    assert sum(p.numel() for p in weights.values()) == 2 * (12 * 64 + 4 * 8 * 12)
    packed = weights.parts("encoder.layers.0.self_attn.in_proj_weight")
    assert [part.layer.rpartition("[")[2] for part in packed] == ["q]", "k]", "v]"]
    network.output.weight = nn.Parameter(torch.zeros(N_TOKENS, 8))  # not even where it is its own
    assert [*prunable(network, task.prunable)] == [*weights]


def test_multiply_adds_are_those_of_torchs_counter() -> None:
    """In training mode, less the products of two activations, which it counts as others."""
    network = built().train()
    source, target = torch.randint(4, N_TOKENS, (1, 5)), torch.randint(4, N_TOKENS, (1, 3))
    work = work_of(prunable(network, CatalogTranslation().prunable), (source, target))
    counter = FlopCounterMode(display=False)
    with counter:
        network(source, target)
    counts = counter.get_flop_counts()["Global"]
    of_weights = sum(n for op, n in counts.items() if str(op) in ("aten.mm", "aten.addmm"))
    assert of_weights == 2 * work.total
    d, h, s, t = 8, 12, 5, 3
    encoder, decoder = s * (4 * d * d + 2 * d * h), t * (6 * d * d + 2 * d * h) + s * 2 * d * d
    assert work.total == 2 * (encoder + decoder) + t * d * N_TOKENS
    assert work.counts["decoder.layers.0.multihead_attn.in_proj_weight"] == (t + 2 * s) * d * d

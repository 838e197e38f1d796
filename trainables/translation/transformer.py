"""The encoder-decoder Transformer of Vaswani et al. 2017, of torch's own layers.

One embedding serves source, target and, transposed, the output. Norms stand before each sublayer
unless told otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.translation.tokenizer import PAD


@dataclass(frozen=True)
class Shape:
    """The sizes of a Transformer.

    `width` of a token's vector, in `heads` heads; `hidden` units of the feed-forward parts;
    `layers` of the encoder and of the decoder each. `norm_first`: norms before the sublayers, as
    training without a long warm-up needs, instead of behind them, as published.
    """

    width: int
    heads: int
    hidden: int
    layers: int
    dropout: float
    norm_first: bool = True


class Transformer(nn.Module):
    """Maps source [N, S] and target [N, T], int64 tokens, to logits [N, T, n_tokens].

    Logits at place t are of the token after target[:, :t + 1]. Padding is `PAD`, on the right; each
    row must hold a token. `memory` and `logits` are the two halves, for decoding.
    """

    def __init__(self, n_tokens: int, shape: Shape) -> None:
        super().__init__()
        if shape.width % shape.heads:
            rule = "must be divided by task.heads"
            raise ValueError(f"task.width {rule}, got {shape.width} and {shape.heads}")
        self.embedding = nn.Embedding(n_tokens, shape.width, PAD)
        self.dropout = nn.Dropout(shape.dropout)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(
                *_sizes(shape), batch_first=True, norm_first=shape.norm_first
            ),
            shape.layers,
            nn.LayerNorm(shape.width) if shape.norm_first else None,
            enable_nested_tensor=False,
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(
                *_sizes(shape), batch_first=True, norm_first=shape.norm_first
            ),
            shape.layers,
            nn.LayerNorm(shape.width) if shape.norm_first else None,
        )
        self.output = nn.Linear(shape.width, n_tokens, bias=False)
        self._initialise()
        self.output.weight = self.embedding.weight

    def _initialise(self) -> None:
        """Afresh in every layer: torch's stacks begin as copies of one."""
        for parameter in (*self.encoder.parameters(), *self.decoder.parameters()):
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        with torch.no_grad():
            nn.init.normal_(self.embedding.weight, std=self.embedding.embedding_dim**-0.5)
            self.embedding.weight[PAD].zero_()

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory = self.memory(source)
        return self.logits(memory, source == PAD, target)

    def memory(self, source: Tensor) -> Tensor:
        """Return what the encoder makes of source tokens [N, S]: [N, S, width]."""
        memory: Tensor = self.encoder(self._embedded(source), src_key_padding_mask=source == PAD)
        return memory

    def logits(self, memory: Tensor, padding: Tensor, target: Tensor) -> Tensor:
        """Return the logits [N, T, n_tokens] of target tokens [N, T].

        `memory` [N, S, width] is the encoder's, `padding` [N, S] is True where it is padding.
        """
        length = target.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=target.device).triu(1)
        features = self.decoder(
            self._embedded(target),
            memory,
            tgt_mask=later,
            memory_key_padding_mask=padding,
            tgt_is_causal=True,
        )
        logits: Tensor = self.output(features)
        return logits

    def _embedded(self, tokens: Tensor) -> Tensor:
        width = self.embedding.embedding_dim
        vectors = self.embedding(tokens) * math.sqrt(width)
        embedded: Tensor = self.dropout(vectors + positions(vectors))
        return embedded


def positions(vectors: Tensor) -> Tensor:
    """Return the sinusoidal positions [T, width] of vectors [N, T, width].

    Sines of falling frequencies in the first half of the width, their cosines in the second.
    """
    length, width = vectors.shape[1:]
    half = (width + 1) // 2
    places = torch.arange(length, device=vectors.device, dtype=torch.float32)
    powers = torch.arange(half, device=vectors.device, dtype=torch.float32) / half
    angles = places[:, None] * torch.exp(-math.log(10_000.0) * powers)
    both = torch.cat([angles.sin(), angles.cos()], 1)[:, :width]
    return both.to(vectors.dtype)


def _sizes(shape: Shape) -> tuple[int, int, int, float]:
    return shape.width, shape.heads, shape.hidden, shape.dropout

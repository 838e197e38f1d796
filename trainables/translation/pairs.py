"""Pairs of texts as a map-style data set of tokens, and as batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.translation.tokenizer import PAD, START, Tokenizer

TextPair = tuple[str, str]
"""A text and its translation."""


class Pair(NamedTuple):
    """A text and its translation as tokens, int64 [S] and [T], `END` at the end of each.

    `reference` is the translation as text, for measuring; empty where none is measured.
    """

    source: Tensor
    target: Tensor
    reference: str


class PairBatch(NamedTuple):
    """Pairs padded on the right: source [N, S], target [N, T], and N references."""

    source: Tensor
    target: Tensor
    references: list[str]

    @property
    def before(self) -> Tensor:
        """What stands before each token of the target: `START`, then the target but its last."""
        start = torch.full_like(self.target[:, :1], START)
        return torch.cat([start, self.target[:, :-1]], 1)


def padded(pairs: Sequence[Pair]) -> PairBatch:
    """Return the batch of some pairs."""
    return PairBatch(
        _padded([pair.source for pair in pairs]),
        _padded([pair.target for pair in pairs]),
        [pair.reference for pair in pairs],
    )


def _padded(rows: Sequence[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=PAD)


@dataclass(frozen=True, eq=False)
class PairItems:
    """Pairs as items, held as one array of tokens.

    `tokens` int32: source and target of the first pair, of the second, and so on; `starts` int64
    [2 N + 1]: where each begins, and the end. `references`: of each pair, or none.
    """

    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    references: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, pairs: Sequence[TextPair], tokenizer: Tokenizer, *, measured: bool = False
    ) -> PairItems:
        """Return the items of some texts; `measured` keeps the references."""
        rows = tokenizer.encode([text for pair in pairs for text in pair])
        references = tuple(target for _, target in pairs) if measured else ()
        return cls(*flat(rows), references)

    def __len__(self) -> int:
        return (len(self.starts) - 1) // 2

    def __getitem__(self, index: int) -> Pair:
        return self.transform(self.decode(index))

    def decode(self, index: int) -> Pair:
        """Return a pair of tokens; nothing about it is random."""
        source, target = (self._row(2 * index + side) for side in (0, 1))
        return Pair(source, target, self.references[index] if self.references else "")

    def transform(self, pair: Pair) -> Pair:
        """Return the pair as it is."""
        return pair

    def _row(self, place: int) -> Tensor:
        row = self.tokens[self.starts[place] : self.starts[place + 1]]
        return torch.from_numpy(row.astype(np.int64))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many tokens source and target have, int64 [N, 2]."""
        return np.diff(self.starts).reshape(-1, 2)


def flat(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return rows of tokens one after the other, int32, and where each starts, and the end."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    tokens = np.fromiter((token for row in rows for token in row), np.int32, int(starts[-1]))
    return tokens, starts


def longest_first(pairs: Sequence[TextPair]) -> list[TextPair]:
    """Return pairs from the longest source to the shortest, equal ones in their order.

    Evaluation takes them in this order, so that its batches have little padding.
    """
    return sorted(pairs, key=lambda pair: -len(pair[0]))

"""From source tokens to target tokens: greedy, and with a beam.

Without a cache of what the decoder computed before: each token takes one forward of all that stand
before it. Every row has a limit of its own, so that nothing hangs on what it is decoded with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import Any, Final, Protocol, runtime_checkable

import torch
from torch import Tensor

from trainables.translation.tokenizer import END, PAD, START, UNKNOWN

MORE: Final = 10
"""A translation may have so many tokens more than twice those of its source."""

Next = Callable[[Tensor, Tensor], Tensor]
"""Log probabilities [K, n_tokens] of the token after each prefix [K, T]; rows [K] say of which
sources the prefixes are."""


@runtime_checkable
class Halves(Protocol):
    """A network whose encoder and decoder can be called apart."""

    def memory(self, source: Tensor) -> Tensor: ...

    def logits(self, memory: Tensor, padding: Tensor, target: Tensor) -> Tensor: ...


def limits(source: Tensor, most: int) -> Tensor:
    """Return how many tokens each translation may have, `END` among them: int64 [N], `most` at
    most."""
    lengths = (source != PAD).sum(1)
    return (2 * lengths + MORE).clamp(max=most)


def next_of(model: Any, source: Tensor) -> Next:
    """Return the next-token distribution of a network for a batch of sources [N, S].

    The encoder runs once where the network has `Halves`; else each call is a whole forward.
    """
    if not isinstance(model, Halves):
        return lambda prefixes, rows: _last(model(source[rows], prefixes))
    memory, padding = model.memory(source), source == PAD
    return lambda prefixes, rows: _last(model.logits(memory[rows], padding[rows], prefixes))


def _last(logits: Tensor) -> Tensor:
    marks = torch.tensor([PAD, START, UNKNOWN], device=logits.device)  # no part of a text
    return logits[:, -1].float().index_fill(1, marks, -torch.inf).log_softmax(-1)


def greedy(after: Next, limit: Tensor) -> list[list[int]]:
    """Return for each row the likeliest token at each place, up to `END` or its limit.

    `limit` int64 [N]. Of equal tokens the first counts. `START` is not among the tokens.
    """
    n, device = len(limit), limit.device
    tokens = torch.full((n, 1), START, dtype=torch.int64, device=device)
    open_ = torch.arange(n, device=device)
    for place in range(int(limit.max())):
        column = torch.full((n, 1), PAD, dtype=torch.int64, device=device)
        column[open_, 0] = after(tokens[open_], open_).argmax(-1)
        tokens = torch.cat([tokens, column], 1)
        goes_on = (column[open_, 0] != END) & (limit[open_] > place + 1)
        open_ = open_[goes_on]
        if not len(open_):
            break
    return [[t for t in row if t != PAD] for row in tokens[:, 1:].tolist()]


def beam_search(after: Next, limit: Tensor, width: int, penalty: float) -> list[list[int]]:
    """Return for each row the best of what a beam of `width` prefixes finds.

    The best is that of the largest log probability over ((5 + length) / 6)^`penalty` (Wu et al.
    2016, equation 14, without coverage). At each step the `width` likeliest continuations are kept;
    one that ends leaves the beam, which is one narrower from then on. At a row's limit its prefixes
    count as they are. A beam of one is `greedy`.
    """
    rows = [_Row(int(most), width, penalty) for most in limit.tolist()]
    while open_rows := [n for n, row in enumerate(rows) if row.prefixes]:
        prefixes = [prefix.tokens for n in open_rows for prefix in rows[n].prefixes]
        of = [n for n in open_rows for _ in rows[n].prefixes]
        device = limit.device
        scores = after(torch.tensor(prefixes, device=device), torch.tensor(of, device=device))
        likeliest = scores.topk(min(width, scores.shape[1]))  # no more of a prefix can be kept
        next_ones = iter(zip(likeliest.values.tolist(), likeliest.indices.tolist(), strict=True))
        for n in open_rows:
            rows[n].go_on(list(islice(next_ones, len(rows[n].prefixes))))
    return [row.best for row in rows]


@dataclass(frozen=True)
class _Prefix:
    score: float
    tokens: list[int]


class _Row:
    """The beam of one source, and the best that has ended."""

    def __init__(self, limit: int, width: int, penalty: float) -> None:
        self.prefixes = [_Prefix(0.0, [START])]
        self.best: list[int] = []
        self._best_score = float("-inf")
        self._limit, self._width, self._penalty = limit, width, penalty

    def go_on(self, following: Sequence[tuple[list[float], list[int]]]) -> None:
        """Take one step: for each prefix log probabilities, and the tokens that have them."""
        every = (
            (-prefix.score - score, place, token)
            for place, (prefix, scored) in enumerate(zip(self.prefixes, following, strict=True))
            for score, token in zip(*scored, strict=True)
        )
        kept = nsmallest(self._width, every)
        going: list[_Prefix] = []
        for cost, place, token in kept:
            tokens = [*self.prefixes[place].tokens, token]
            if token == END or len(tokens) > self._limit:
                self._end(-cost, tokens)
            else:
                going.append(_Prefix(-cost, tokens))
        self._width -= len(kept) - len(going)
        self.prefixes = [prefix for prefix in going if self._may_win(prefix)]

    def _end(self, score: float, tokens: list[int]) -> None:
        score = score / self._length(len(tokens) - 1)
        if score > self._best_score:
            self.best, self._best_score = tokens[1:], score

    def _may_win(self, prefix: _Prefix) -> bool:
        """A log probability only falls, and is divided by most at the limit."""
        return prefix.score / self._length(self._limit) > self._best_score

    def _length(self, n: int) -> float:
        return float(((5 + n) / 6) ** self._penalty)

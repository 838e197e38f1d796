"""Decoding: a beam of one is greedy, a beam of everything is an exhaustive search."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from trainables.translation.decoding import Next, beam_search, greedy, limits, next_of
from trainables.translation.tokenizer import END, PAD, START, UNKNOWN
from trainables.translation.transformer import Shape, Transformer

N_TOKENS = 7
SEED = 1
WORDS = (END, 4, 5, 6)
"""The tokens that a text is made of."""


@pytest.fixture(scope="module")
def network() -> Transformer:
    """An output of its own, so that what is likeliest differs from place to place."""
    torch.manual_seed(SEED)
    network = Transformer(N_TOKENS, Shape(8, 2, 16, 1, 0.0)).eval()
    network.output.weight = nn.Parameter(torch.randn(N_TOKENS, 8))
    return network


@pytest.fixture(scope="module")
def source() -> Tensor:
    return torch.tensor([[4, 5, END, PAD], [6, END, PAD, PAD], [5, 5, 4, END]])


def exhaustive(after: Next, row: int, limit: int, penalty: float) -> tuple[int, ...]:
    """The best of all texts that end within the limit, or fill it, scored token by token."""
    scores: dict[tuple[int, ...], float] = {(): 0.0}
    for n in range(limit):
        for prefix in itertools.product(WORDS[1:], repeat=n):
            shares = after(torch.tensor([[START, *prefix]]), torch.tensor([row]))[0].tolist()
            scores |= {(*prefix, token): scores[prefix] + shares[token] for token in WORDS}
    whole = [text for text in scores if text and (text[-1] == END or len(text) == limit)]
    return max(whole, key=lambda text: scores[text] / ((5 + len(text)) / 6) ** penalty)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_a_beam_that_loses_nothing_is_an_exhaustive_search(
    network: Transformer, source: Tensor, penalty: float
) -> None:
    limit = torch.tensor([3, 2, 4])
    with torch.inference_mode():
        after = next_of(network, source)
        best = beam_search(after, limit, len(WORDS) ** 4, penalty)
        wanted = [list(exhaustive(after, n, int(limit[n]), penalty)) for n in range(3)]
    assert best == wanted


def test_a_beam_of_one_is_greedy(network: Transformer, source: Tensor) -> None:
    limit = torch.tensor([9, 5, 9])
    with torch.inference_mode():
        after = next_of(network, source)
        rows = greedy(after, limit)
        assert beam_search(after, limit, 1, 0.6) == rows
    for row, most in zip(rows, limit.tolist(), strict=True):
        assert row[-1] == END or len(row) == most
        assert END not in row[:-1] and not {PAD, START, UNKNOWN} & {*row}


def chosen(table: dict[tuple[int, ...], dict[int, float]]) -> Next:
    """A distribution by hand: probabilities of the token after a prefix, which begins at START."""

    def after(prefixes: Tensor, rows: Tensor) -> Tensor:
        scores = torch.full((len(prefixes), N_TOKENS), -math.inf)
        for n, prefix in enumerate(prefixes.tolist()):
            for token, share in table[tuple(prefix[1:])].items():
                scores[n, token] = math.log(share)
        return scores

    return after


GARDEN = chosen(
    {
        (): {4: 0.6, 5: 0.4},
        (4,): {END: 0.5, 6: 0.5},
        (4, 6): {END: 1.0},
        (5,): {END: 0.9, 6: 0.1},
        (5, 6): {END: 1.0},
    }
)
"""Greedy is led to 4, whose best text has .3; 5 and its end have .36."""


def test_a_beam_finds_what_greedy_misses() -> None:
    limit = torch.tensor([5])
    assert greedy(GARDEN, limit) == [[4, END]]  # of equal tokens the first
    assert beam_search(GARDEN, limit, 2, 0.0) == [[5, END]]
    # ln .3 over (8 / 6)^p against ln .36 over (7 / 6)^p: the longer text wins from p = 1.23 on
    assert beam_search(GARDEN, limit, 3, 1.2) == [[5, END]]
    assert beam_search(GARDEN, limit, 3, 1.3) == [[4, 6, END]]


def test_a_row_ends_at_its_own_limit() -> None:
    assert beam_search(GARDEN, torch.tensor([1, 5]), 2, 0.0) == [[4], [5, END]]
    assert greedy(GARDEN, torch.tensor([1, 5])) == [[4], [4, END]]


def test_limits_follow_the_source(source: Tensor) -> None:
    assert limits(source, 256).tolist() == [16, 14, 18]
    assert limits(source, 15).tolist() == [15, 14, 15]


def test_rows_do_not_hang_on_their_neighbours_nor_on_the_halves(
    network: Transformer, source: Tensor
) -> None:
    limit = limits(source, 12)
    with torch.inference_mode():
        together = greedy(next_of(network, source), limit)
        whole = greedy(next_of(network.forward, source), limit)  # as an exported network is called
        alone = [greedy(next_of(network, source[n : n + 1]), limit[n : n + 1])[0] for n in range(3)]
    assert together == whole == alone

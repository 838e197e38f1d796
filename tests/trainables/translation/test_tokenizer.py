"""Tokens: without loss, the same for the same text, and refused where they cannot be learnt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.translation.tokenizer import END, PAD, START, Tokenizer, train_tokenizer
from trainables.vocabulary.refusal import Refusal

LINES = ["The house is red.", "Das Haus ist rot.", "A red house", "Ein rotes Haus"] * 4
N_TOKENS = 300
MARK = "\u2581"
"""What SentencePiece writes for a space; it comes back as one."""


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(LINES, N_TOKENS)


@given(text=st.text(st.characters(exclude_characters=MARK, exclude_categories=["Cs"])))
def test_decoding_gives_back_what_was_encoded(tokenizer: Tokenizer, text: str) -> None:
    (tokens,) = tokenizer.encode([text])
    assert tokens[-1] == END and tokens.count(END) == 1
    if "\x00" not in text:
        assert tokenizer.decode(tokens) == text


def test_what_follows_the_end_and_marks_are_no_text(tokenizer: Tokenizer) -> None:
    (tokens,) = tokenizer.encode(["red house"])
    assert tokenizer.decode([START, PAD, *tokens, *tokens]) == "red house"
    assert tokenizer.decode([END]) == tokenizer.decode([]) == ""


def test_equal_lines_give_the_same_tokenizer(tokenizer: Tokenizer) -> None:
    again = train_tokenizer(iter(LINES), N_TOKENS)
    assert (again.digest, len(again)) == (tokenizer.digest, N_TOKENS)
    assert train_tokenizer([*LINES, "blue"], N_TOKENS).digest != tokenizer.digest
    drawn = [train_tokenizer(LINES * 8, 290, most_lines=101).digest for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_frequent_words_are_one_token(tokenizer: Tokenizer) -> None:
    (tokens,) = tokenizer.encode([" red"])
    assert len(tokens) <= 4  # of a text of four letters that is unknown there are six
    (tokens,) = tokenizer.encode(["日"])  # three bytes after the space before every text
    assert len(tokens) == 5


@pytest.mark.parametrize("n_tokens", [100, 5000])
def test_a_number_of_tokens_that_the_text_does_not_give(n_tokens: int) -> None:
    with pytest.raises(Refusal, match=rf"^task\.n_tokens must fit the text .* got {n_tokens} \("):
        train_tokenizer(LINES, n_tokens)

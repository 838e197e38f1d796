"""Text as tokens and back, without loss: SentencePiece, trained on the text that is trained on.

Byte-pair encoding over both languages together. Nothing is normalised, and what has no token of its
own is spelt in bytes: so decoding gives back what was encoded.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

from trainables.vocabulary.refusal import Refusal

PAD: Final = 0
START: Final = 1
END: Final = 2
UNKNOWN: Final = 3
LONGEST_LINE: Final = 1 << 20
"""Bytes of a line that training the tokens still reads."""

_DIGITS: Final = 16


class Tokenizer:
    """A SentencePiece model, as the bytes of its file."""

    def __init__(self, model: bytes) -> None:
        self.model = model

    @property
    def digest(self) -> str:
        """16 hexadecimal digits, equal for equal models."""
        return hashlib.sha256(self.model).hexdigest()[:_DIGITS]

    @cached_property
    def _processor(self) -> Any:
        from sentencepiece import SentencePieceProcessor

        return SentencePieceProcessor(model_proto=self.model)

    def __len__(self) -> int:
        return int(self._processor.vocab_size())

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each line, `END` at the end of each."""
        return [[*tokens, END] for tokens in self._processor.encode(list(lines))]

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens up to the first `END`."""
        text = []
        for token in tokens:
            if token == END:
                break
            if token > UNKNOWN:
                text.append(int(token))
        return str(self._processor.decode(text))


def train_tokenizer(lines: Iterable[str], n_tokens: int, *, most_lines: int = 0) -> Tokenizer:
    """Return the tokenizer of some lines: the same one for the same lines in the same order.

    `n_tokens` of its vocabulary, 256 bytes and four marks among them. `most_lines`: how many of
    the lines it learns from at most, drawn by a fixed seed; 0 for all.

    Raises:
        Refusal: the lines do not give that many tokens, or need more.
    """
    from sentencepiece import SentencePieceTrainer, set_random_generator_seed

    set_random_generator_seed(0)
    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=n_tokens,
            character_coverage=1.0 if most_lines == 0 else 0.9999,
            byte_fallback=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True,
            max_sentence_length=LONGEST_LINE,
            input_sentence_size=most_lines,
            shuffle_input_sentence=most_lines > 0,
            num_threads=1,
            pad_id=PAD,
            bos_id=START,
            eos_id=END,
            unk_id=UNKNOWN,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        rule = "must fit the text that is trained on"
        raise Refusal(f"task.n_tokens {rule}, got {n_tokens} ({reason})") from error
    return Tokenizer(model.getvalue())

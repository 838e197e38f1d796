"""`translation-small`: English to German on text that ships inside packages; nothing to download.

No English text is in more than one of training, validation and test, whatever its case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from pydantic import Field

from trainables.data.parts import Splits
from trainables.data.splits import SPLIT_SEED, stratified
from trainables.translation.catalogs import messages, names
from trainables.translation.pairs import PairItems, TextPair, longest_first
from trainables.translation.task import PENALTY, Translation, require_beam
from trainables.translation.tokenizer import Tokenizer, train_tokenizer
from trainables.translation.transformer import Shape

N_VAL: Final = 300
N_TEST: Final = 500
_DIGITS: Final = 16

Positive = Annotated[int, Field(ge=1)]
Layers = Annotated[int, Field(ge=1, le=12)]
Share = Annotated[float, Field(ge=0, lt=1)]
Penalty = Annotated[float, Field(ge=0, le=5)]
Beam = Annotated[int, Field(ge=1, le=64)]


class Texts(NamedTuple):
    """Pairs of English and German texts in three parts."""

    train: list[TextPair]
    val: list[TextPair]
    test: list[TextPair]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits, equal for equal texts in equal parts."""
        return hashlib.sha256(repr(tuple(self)).encode()).hexdigest()[:_DIGITS]


class CatalogTranslation(Translation):
    """Messages and names, `n_tokens` tokens for both languages, and a Transformer.

    `width`, `heads`, `hidden`, `layers` and `dropout` are the Transformer's; `batch_tokens` are the
    tokens of a batch, padding included; `beam` and `penalty` those of decoding, 1 for greedy.
    """

    def __init__(
        self,
        width: Positive = 64,
        heads: Positive = 4,
        hidden: Positive = 256,
        layers: Layers = 2,
        dropout: Share = 0.1,
        n_tokens: Positive = 1000,
        batch_tokens: Positive = 512,
        beam: Beam = 1,
        penalty: Penalty = PENALTY,
    ) -> None:
        require_beam(beam, penalty)
        self.shape = Shape(width, heads, hidden, layers, dropout)
        self.batch_tokens, self.beam, self.penalty = batch_tokens, beam, penalty
        self._n_tokens = n_tokens

    @cached_property
    def texts(self) -> Texts:
        """The texts of each part."""
        return divided(messages(), names())

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokens of both languages of the training part."""
        lines = [text for pair in self.texts.train for text in pair]
        return train_tokenizer(lines, self._n_tokens)

    def splits(self) -> Splits:
        return self._splits

    @cached_property
    def _splits(self) -> Splits:
        """The listing covers text and tokens, which hang on the versions of packages."""
        texts = self.texts
        val, test = (
            PairItems.of(pairs, self.tokenizer, measured=True) for pairs in (texts.val, texts.test)
        )
        train = PairItems.of(texts.train, self.tokenizer)
        return Splits(train, val, test, listing=f"{texts.digest}-{self.tokenizer.digest}")


def divided(*kinds: Sequence[TextPair]) -> Texts:
    """Return a fixed division of texts, each kind in proportion in every part.

    Pairs whose sources differ in case alone are never divided.
    """
    by_source: dict[str, list[TextPair]] = {}
    kind_of: dict[str, int] = {}
    for kind, pairs in enumerate(kinds):
        for pair in pairs:
            by_source.setdefault(pair[0].casefold(), []).append(pair)
            kind_of.setdefault(pair[0].casefold(), kind)
    sources = sorted(by_source)
    labels = np.array([kind_of[source] for source in sources], np.int64)
    test, rest = stratified(labels, N_TEST, SPLIT_SEED)
    val, train = stratified(labels[rest], N_VAL, SPLIT_SEED)

    def pairs_of(places: Any) -> list[TextPair]:
        return list(dict.fromkeys(pair for place in places for pair in by_source[sources[place]]))

    return Texts(
        pairs_of(rest[train]), longest_first(pairs_of(rest[val])), longest_first(pairs_of(test))
    )

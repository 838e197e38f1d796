"""`parallel-text`: translation of text files that the user has, such as those of WMT.

`train.en` and `train.de`, `val.en` and `val.de` and, if there are any, `test.en` and `test.de`, in
a folder below `data.root`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from trainables.data.parts import Splits
from trainables.translation.embedded import Beam, Layers, Penalty, Positive, Share
from trainables.translation.kept import Prepared, prepared
from trainables.translation.pairs import PairItems, TextPair
from trainables.translation.task import PENALTY, Translation, require_beam
from trainables.translation.text_files import (
    KEY,
    TextFiles,
    read_pairs,
    require_usable,
    stat_of,
    too_long,
)
from trainables.translation.tokenizer import Tokenizer, train_tokenizer
from trainables.translation.transformer import Shape
from trainables.vocabulary.refusal import Refusal

PARTS: Final = ("train", "val", "test")
TOKENIZER_LINES: Final = 2_000_000
"""Lines that tokens are learnt from at most, of both languages."""

_DIGITS: Final = 16

Language = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]


class ParallelText(Translation):
    """Text files of two languages, `n_tokens` tokens for both, and a Transformer-base.

    `folder` below `data.root` holds the files; `source` and `target` are the ends of their names.
    `unusable`: whether lines of the training part without text, that are no UTF-8 or that have more
    than `longest` tokens, are refused, or left out; of the other parts they are always refused.
    `n_tokens`, `batch_tokens`, `beam`, `penalty` and the network's keywords as in
    `CatalogTranslation`; `norm_first` puts norms before the sublayers.
    """

    def __init__(
        self,
        root: Path,
        folder: str = "wmt",
        source: Language = "en",
        target: Language = "de",
        unusable: Literal["refuse", "skip"] = "refuse",
        width: Positive = 512,
        heads: Positive = 8,
        hidden: Positive = 2048,
        layers: Layers = 6,
        dropout: Share = 0.1,
        norm_first: bool = True,
        n_tokens: Positive = 32000,
        batch_tokens: Positive = 8192,
        beam: Beam = 4,
        penalty: Penalty = PENALTY,
        longest: Positive = 256,
    ) -> None:
        if source == target:
            raise Refusal(f"task.target must be another language than task.source, got {target}")
        self._folder = root / folder
        self._languages = (source, target)
        self._skips = unusable == "skip"
        self._n_tokens = n_tokens
        require_beam(beam, penalty)
        self.shape = Shape(width, heads, hidden, layers, dropout, norm_first)
        self.batch_tokens, self.beam, self.penalty = batch_tokens, beam, penalty
        self.longest = longest

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokens of both languages of the training part."""
        return self._prepared.tokenizer

    def splits(self) -> Splits:
        parts = self._prepared.parts
        listing = f"{self._listing}-{self.tokenizer.digest}"
        return Splits(
            parts["train"],
            parts["val"],
            parts.get("test"),
            listing=listing,
            left_out=self._prepared.left_out,
        )

    @cached_property
    def _listed(self) -> dict[str, TextFiles]:
        """The files of each part that is there."""
        if not self._folder.is_dir():
            raise Refusal(
                f"{KEY} must hold {self._folder.name}, a folder, got none at {self._folder}"
            )
        files = {part: TextFiles(self._folder, part, self._languages) for part in PARTS}
        if not files["test"].exist:
            del files["test"]
        return files

    @cached_property
    def _listing(self) -> str:
        """Equal for equal names and sizes, wherever the folder lies."""
        return _digest(f"{name} {stat.st_size}" for name, stat in _stats(self._listed.values()))

    @cached_property
    def _prepared(self) -> Prepared:
        times = (f"{name} {stat.st_mtime_ns}" for name, stat in _stats(self._listed.values()))
        hangs_on = [self._listing, *times, self._n_tokens, self.longest, self._skips]
        key = _digest([*map(str, hangs_on), version("sentencepiece")])
        return prepared(self._folder, key, self._made)

    def _made(self) -> Prepared:
        files = self._listed
        left_out: dict[int, str] = {}
        texts = {part: self._texts(part, pair, left_out) for part, pair in files.items()}
        tokenizer = train_tokenizer(
            (text for pair in texts["train"].values() for text in pair),
            self._n_tokens,
            most_lines=TOKENIZER_LINES,
        )
        parts = {
            part: self._items(part, files[part], texts.pop(part), tokenizer, left_out)
            for part in files
        }
        lines = {f"line {line} of train": left_out[line] for line in sorted(left_out)}
        return Prepared(tokenizer, parts, lines)

    def _texts(self, part: str, files: TextFiles, left_out: dict[int, str]) -> dict[int, TextPair]:
        """The pairs of a part by line; what may be left out is noted with the reason."""
        pairs, faults = read_pairs(files)
        if self._may_skip(part):
            left_out |= {fault.line: fault.reason for fault in faults}
        else:
            require_usable(files, faults, len(pairs) + len(faults), _remedy(part))
        if not pairs:
            raise Refusal(f"{KEY} must hold a text in {files.names}, got none")
        return pairs

    def _items(
        self,
        part: str,
        files: TextFiles,
        pairs: dict[int, TextPair],
        tokenizer: Tokenizer,
        left_out: dict[int, str],
    ) -> PairItems:
        """The pairs of a part as tokens; too long ones that may be left out are noted."""
        measured = part != "train"
        items = PairItems.of(list(pairs.values()), tokenizer, measured=measured)
        faults = too_long(items.lengths, list(pairs), self.longest, self._languages)
        if not faults:
            return items
        if not self._may_skip(part):
            require_usable(files, faults, len(pairs), _remedy(part))
        for fault in faults:
            left_out[fault.line] = fault.reason
            del pairs[fault.line]
        if not pairs:
            raise Refusal(f"task.longest must leave a pair in {files.names}, got {self.longest}")
        return PairItems.of(list(pairs.values()), tokenizer, measured=measured)

    def _may_skip(self, part: str) -> bool:
        """Where lines are measured, leaving some out would change what a number means."""
        return self._skips and part == "train"


def _remedy(part: str) -> str:
    return " (task.unusable: skip leaves them out)" if part == "train" else ""


def _stats(files: Iterable[TextFiles]) -> list[tuple[str, os.stat_result]]:
    """The name and the status of each file."""
    return [(path.name, stat_of(path)) for pair in files for path in pair.paths]


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]

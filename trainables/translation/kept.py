"""Texts as tokens kept beside their files, so that millions of lines are prepared once.

In `.bimp/<key>` of the folder of the texts, where one may write; the key is a digest of all that
the tokens hang on. Written under a temporary name and renamed. What cannot be read is made again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from trainables.translation.pairs import PairItems
from trainables.translation.tokenizer import Tokenizer

FOLDER: Final = ".bimp"
MODEL: Final = "tokens.model"
"""The tokenizer, as SentencePiece reads it."""


@dataclass(frozen=True)
class Prepared:
    """The tokenizer of a training text, and its parts by name as tokens.

    `left_out`: the reason for each line of the training text that is in no pair, by its number.
    """

    tokenizer: Tokenizer
    parts: dict[str, PairItems]
    left_out: dict[str, str] = field(default_factory=dict)


def prepared(folder: Path, key: str, make: Callable[[], Prepared]) -> Prepared:
    """Return what is kept under a key, or make it and keep it where the folder can be written."""
    place = folder / FOLDER / key
    with suppress(OSError, ValueError, KeyError):
        return _read(place)
    made = make()
    with suppress(OSError):  # a folder that is only to be read: it is made in every process
        _keep(made, place)
    return made


def _read(place: Path) -> Prepared:
    """Arrays stay in their files, whose pages processes share."""
    references = json.loads((place / "references.json").read_text(encoding="utf-8"))
    parts = {
        part: PairItems(
            np.load(place / f"{part}.tokens.npy", mmap_mode="r"),
            np.load(place / f"{part}.starts.npy", mmap_mode="r"),
            tuple(texts),
        )
        for part, texts in references.items()
    }
    left_out = json.loads((place / "left-out.json").read_text(encoding="utf-8"))
    return Prepared(Tokenizer((place / MODEL).read_bytes()), parts, left_out)


def _keep(made: Prepared, place: Path) -> None:
    scratch = place.with_name(f"{place.name}.{os.getpid()}")
    scratch.mkdir(parents=True)
    try:
        for part, items in made.parts.items():
            np.save(scratch / f"{part}.tokens.npy", items.tokens)
            np.save(scratch / f"{part}.starts.npy", items.starts)
        (scratch / MODEL).write_bytes(made.tokenizer.model)
        references = {part: items.references for part, items in made.parts.items()}
        (scratch / "left-out.json").write_text(json.dumps(made.left_out), encoding="utf-8")
        (scratch / "references.json").write_text(json.dumps(references), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)  # of what could not be read
        scratch.rename(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)

"""Parallel text files: line n of the one is the translation of line n of the other.

Lines end with a line feed alone, perhaps after a carriage return: other marks that Unicode calls
line ends belong to the text. Nothing is tokenised here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainables.translation.pairs import TextPair
from trainables.vocabulary.refusal import Refusal

KEY: Final = "data.root"
MOST_NAMED: Final = 5


@dataclass(frozen=True)
class Fault:
    """A pair that cannot be used: its line, counted from 1, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class TextFiles:
    """The two files of a part: `name` is theirs without the language at its end."""

    folder: Path
    name: str
    languages: tuple[str, str]

    @property
    def paths(self) -> list[Path]:
        """The file of the sources and that of the translations."""
        return [self.folder / f"{self.name}.{language}" for language in self.languages]

    @property
    def names(self) -> str:
        """Both by their names, for messages."""
        return " and ".join(path.name for path in self.paths)

    @property
    def exist(self) -> bool:
        """Whether one of them is there."""
        return any(path.exists() for path in self.paths)


def read_pairs(files: TextFiles) -> tuple[dict[int, TextPair], list[Fault]]:
    """Return the pairs of two files by their line, counted from 1, and the faults of all others.

    Raises:
        Refusal: a file is missing, or they are of different lengths.
    """
    ours, theirs = map(_lines, files.paths)
    if len(ours) != len(theirs):
        rule = f"must hold {files.names} of as many lines each"
        raise Refusal(f"{KEY} {rule}, got {len(ours)} and {len(theirs)}")
    pairs: dict[int, TextPair] = {}
    faults = []
    for line, (source, target) in enumerate(zip(ours, theirs, strict=True), start=1):
        texts = _decoded(source), _decoded(target)
        if texts[0] and texts[1]:
            pairs[line] = texts[0], texts[1]
        else:
            faults.append(Fault(line, _reason(texts, files.languages)))
    return pairs, faults


def too_long(
    lengths: Iterable[Sequence[int]], lines: Sequence[int], most: int, languages: tuple[str, str]
) -> list[Fault]:
    """Return the faults of pairs with more than `most` tokens on a side.

    `lengths` are the numbers of tokens of each pair's source and target, ends among them; `lines`
    theirs.
    """
    faults = []
    for line, pair in zip(lines, lengths, strict=True):
        n, language = max(zip(map(int, pair), languages, strict=True), key=lambda side: side[0])
        if n > most:
            faults.append(Fault(line, f"{n:,} tokens in {language}, above task.longest {most}"))
    return faults


def require_usable(files: TextFiles, faults: Sequence[Fault], n: int, remedy: str = "") -> None:
    """Refuse faults among `n` lines, counted and the first of them named; `remedy` is added."""
    if not faults:
        return
    first = sorted(faults, key=lambda fault: fault.line)[:MOST_NAMED]
    named = ", ".join(f"line {fault.line} ({fault.reason})" for fault in first)
    more = f" and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
    rule = f"must hold {files.names} with a text in each line"
    got = f"{len(faults)} of {n} lines that cannot be used: {named}{more}{remedy}"
    raise Refusal(f"{KEY} {rule}, got {got}")


def stat_of(path: Path) -> os.stat_result:
    """Return the status of a file; Refusal where it cannot be had."""
    try:
        return path.stat()
    except OSError as error:
        rule = f"must hold {path.name}"
        raise Refusal(f"{KEY} {rule}, got {type(error).__name__}: {error}") from error


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refusal(
            f"{KEY} must hold {path.name}, got {type(error).__name__}: {error}"
        ) from error
    lines = content.split(b"\n")
    if not lines[-1]:  # what follows the last line feed is no line
        lines.pop()
    return [line.removesuffix(b"\r") for line in lines]


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None


def _reason(texts: tuple[str | None, str | None], languages: tuple[str, str]) -> str:
    """Why a pair cannot be used of which one side at least is no text."""
    for text, language in zip(texts, languages, strict=True):
        if text is None:
            return f"no UTF-8 in {language}"
    return f"no text in {languages[0 if not texts[0] else 1]}"

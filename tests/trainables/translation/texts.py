"""Text files and tasks as the tests of translation want them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainables.translation.on_disk import ParallelText

ENGLISH = ("the house is red", "a blue house", "the red car", "no car is here", "a car", "here")
GERMAN = ("das Haus ist rot", "ein blaues Haus", "das rote Auto", "kein Auto ist hier", "ein Auto",
          "hier")  # fmt: skip
SMALL: dict[str, Any] = {
    "width": 8, "heads": 2, "hidden": 8, "layers": 1, "dropout": 0.1, "n_tokens": 290,
    "batch_tokens": 24, "beam": 2, "longest": 20,
}  # fmt: skip
"""Keywords of a network and of tokens that so little text allows."""


def write(root: Path, part: str, english: Any, german: Any) -> None:
    """Write the two files of a part, of lines or of bytes as they are."""
    for language, lines in (("en", english), ("de", german)):
        content = lines if isinstance(lines, bytes) else "".join(f"{x}\n" for x in lines).encode()
        (root / "wmt" / f"{part}.{language}").write_bytes(content)


def texts(root: Path) -> Path:
    """Text files below a folder: eighteen pairs to train on, two to validate and two to test."""
    (root / "wmt").mkdir(parents=True)
    write(root, "train", ENGLISH * 3, GERMAN * 3)
    write(root, "val", ["the red house", "a car is here"], ["das rote Haus", "ein Auto ist hier"])
    write(root, "test", ["a red car", "no house"], ["ein rotes Auto", "kein Haus"])
    return root


def parallel(root: Path, **more: Any) -> ParallelText:
    """The task of the files below a folder."""
    return ParallelText(root, **{**SMALL, **more})

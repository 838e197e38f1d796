"""Texts prepared once: read again as they were, made anew where files change or were torn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trainables.translation.texts import ENGLISH, GERMAN, parallel, texts, write
from trainables.data.parts import Items
from trainables.translation import on_disk
from trainables.translation.kept import MODEL
from trainables.translation.on_disk import ParallelText
from trainables.translation.tokenizer import Tokenizer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return texts(tmp_path)


def tokens(task: ParallelText) -> list[tuple[list[int], list[int], str]]:
    def of(items: Items | None) -> list[tuple[list[int], list[int], str]]:
        assert items is not None
        pairs = [items[n] for n in range(len(items))]
        return [(pair.source.tolist(), pair.target.tolist(), pair.reference) for pair in pairs]

    splits = task.splits()
    return [*of(splits.train), *of(splits.val), *of(splits.test)]


def kept(root: Path) -> list[Path]:
    return sorted((root / "wmt" / ".bimp").iterdir())


def test_what_was_prepared_is_read_and_not_made(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = parallel(root)
    before, listing = tokens(first), first.splits().listing
    (place,) = kept(root)
    assert Tokenizer((place / MODEL).read_bytes()).digest == first.tokenizer.digest
    monkeypatch.setattr(on_disk, "train_tokenizer", None)
    again = parallel(root)
    assert (tokens(again), again.splits().listing) == (before, listing)
    groups = [[group.tolist() for group in task.groups()] for task in (first, again)]  # type: ignore[attr-defined]
    assert groups[0] == groups[1]


def test_other_files_and_keywords_are_prepared_anew(root: Path) -> None:
    tokens(parallel(root))
    write(root, "train", [*ENGLISH * 3, "car"], [*GERMAN * 3, "Auto"])
    assert len(parallel(root).splits().train) == 19
    tokens(parallel(root, n_tokens=289))
    assert len(kept(root)) == 3


@pytest.mark.parametrize("name", ["train.tokens.npy", "references.json", MODEL])
def test_what_is_torn_or_missing_is_made_anew(root: Path, name: str) -> None:
    before = tokens(parallel(root))
    (place,) = kept(root)
    content = (place / name).read_bytes()
    (place / name).unlink()
    assert tokens(parallel(root)) == before
    assert (place / name).read_bytes() == content
    if name != MODEL:
        (place / name).write_bytes(content[:-3])
        assert tokens(parallel(root)) == before
    assert np.load(place / "val.starts.npy")[0] == 0 and kept(root) == [place]


def test_a_folder_that_is_only_to_be_read_will_do(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert len(tokens(parallel(root))) == 22
    assert not (root / "wmt" / ".bimp").exists()

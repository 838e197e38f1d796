"""Parallel text files: what is wrong with a line, or with a file, has one clear outcome."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.trainables.translation.texts import ENGLISH, GERMAN, parallel, texts, write
from trainables.translation.text_files import TextFiles, read_pairs
from trainables.vocabulary.refusal import Refusal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return texts(tmp_path)


def test_lines_are_pairs(root: Path) -> None:
    task = parallel(root)
    splits = task.splits()
    assert {name: len(part) for name, part in splits.in_order.items()} == {
        "train": 18, "val": 2, "test": 2,
    }  # fmt: skip
    pair = splits.val[1]
    assert task.tokenizer.decode(pair.source.tolist()) == "a car is here"
    assert task.tokenizer.decode(pair.target.tolist()) == pair.reference == "ein Auto ist hier"
    assert splits.train[0].reference == ""  # nothing of it is measured


def test_only_a_line_feed_ends_a_line(root: Path) -> None:
    write(root, "val", b"one\x0btwo\xe2\x80\xa8three\r\nfour", b" eins \ndrei")
    pairs, faults = read_pairs(TextFiles(root / "wmt", "val", ("en", "de")))
    assert pairs == {1: ("one\x0btwo\u2028three", "eins"), 2: ("four", "drei")}
    assert not faults


def test_files_of_different_lengths(root: Path) -> None:
    write(root, "train", ENGLISH, GERMAN[:-1])
    message = r"^data\.root must hold train\.en and train\.de of as many lines each, got 6 and 5$"
    with pytest.raises(Refusal, match=message):
        parallel(root, unusable="skip").splits()


def test_files_that_are_missing(root: Path) -> None:
    (root / "wmt" / "test.de").unlink()
    with pytest.raises(Refusal, match=r"^data\.root must hold test\.de, got FileNotFoundError"):
        parallel(root).splits()
    (root / "wmt" / "test.en").unlink()
    assert parallel(root).splits().test is None
    (root / "wmt" / "train.en").unlink()
    with pytest.raises(Refusal, match=r"^data\.root must hold train\.en, got FileNotFoundError"):
        parallel(root).splits()
    with pytest.raises(Refusal, match=r"^data\.root must hold news, a folder, got none at "):
        parallel(root, folder="news").splits()


LONG = "red " * 9999 + "red"
BROKEN = {
    "empty": (["", *ENGLISH[1:]], GERMAN, r"line 1 \(no text in en\)"),
    "blank": (ENGLISH, [*GERMAN[:3], " \t", *GERMAN[4:]], r"line 4 \(no text in de\)"),
    "no UTF-8": ("\n".join(ENGLISH).encode()[:-1] + b"\xff", GERMAN, r"line 6 \(no UTF-8 in en\)"),
    "long": (
        [*ENGLISH[:5], LONG], GERMAN,
        r"line 6 \(10,00\d tokens in en, above task\.longest 20\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_line_that_cannot_be_used(root: Path, fault: str) -> None:
    english, german, words = BROKEN[fault]
    write(root, "train", english, german)
    rule = r"^data\.root must hold train\.en and train\.de with a text in each line, got 1 of 6 "
    remedy = r" \(task\.unusable: skip leaves them out\)$"
    with pytest.raises(Refusal, match=f"{rule}lines that cannot be used: {words}{remedy}"):
        parallel(root, n_tokens=285).splits()
    for _ in ("prepared", "kept"):
        skipped = parallel(root, n_tokens=285, unusable="skip").splits()
        assert len(skipped.train) == 5
        ((line, reason),) = skipped.left_out.items()
        assert re.fullmatch(words, f"{line.removesuffix(' of train')} ({reason})")
    write(root, "train", ENGLISH, GERMAN)
    write(root, "test", english, german)
    with pytest.raises(Refusal, match=r"test\.en and test\.de with a text in each line, .*\)$"):
        parallel(root, n_tokens=285, unusable="skip").splits()


def test_many_faults_are_counted_and_the_first_named(root: Path) -> None:
    write(root, "train", [""] * 7 + ["a"], ["b"] * 8)
    with pytest.raises(Refusal, match=r"got 7 of 8 lines .*line 5 \(no text in en\) and 2 more"):
        parallel(root).splits()
    write(root, "train", ["", ""], ["", "b"])
    with pytest.raises(Refusal, match=r"^data\.root must hold a text in train\.en and train\.de"):
        parallel(root, unusable="skip").splits()


def test_other_text_is_another_listing(root: Path) -> None:
    before = parallel(root).splits().listing
    assert parallel(root).splits().listing == before
    write(root, "train", [*ENGLISH * 3, "car"], [*GERMAN * 3, "Auto"])
    assert parallel(root).splits().listing != before
    assert parallel(root, n_tokens=289).splits().listing != before


def test_languages_must_differ(root: Path) -> None:
    with pytest.raises(Refusal, match=r"^task\.target must be another language than task\.source"):
        parallel(root, target="en")

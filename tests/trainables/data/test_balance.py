"""Class balance: by value for what comes with the project and for folders, and in words."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables.folders.pictures import folder_of
from trainables.data.balance import Balance, of_labels
from trainables.data.in_memory import InMemory
from trainables.data.parts import Part, labels_of
from trainables.data.sources import balance_of, load


def test_digits_are_counted_part_by_part() -> None:
    balance = balance_of("digits", {}, Path("nowhere"))
    assert balance is not None
    splits = load("digits", {}, Path("nowhere"))
    for part, items in splits.in_order.items():
        assert balance.counts[part] == items.labels.bincount().tolist()  # type: ignore[attr-defined]
    assert balance.classes == tuple("0123456789")
    whole = [sum(classes) for classes in zip(*balance.counts.values(), strict=True)]
    assert whole == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_subsets_and_splits_count() -> None:
    balance = balance_of("digits", {"n_train": 20, "split": {"kind": "random"}}, Path("nowhere"))
    assert balance is not None
    assert [sum(counts) for counts in balance.counts.values()] == [20, 144, 360]
    assert balance.counts["train"] == [2] * 10


def test_folders_are_counted_by_name(tmp_path: Path) -> None:
    folder_of(tmp_path, {"cats": 10, "dogs": 20})
    (tmp_path / "cats" / "x.png").write_text("no")
    balance = balance_of("image-folder", {"path": ".", "broken": "skip"}, tmp_path)
    assert balance == Balance(
        ("cats", "dogs"), {"train": [9, 18], "val": [1, 2]},
        {"cats/x.png": "no image of a known format"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["mnist", "cifar10", "imagenet"])
def test_nothing_is_counted_before_the_files_are_there(name: str, tmp_path: Path) -> None:
    assert balance_of(name, {}, tmp_path) is None


def test_counting_needs_no_torch(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a": 10})
    code = (
        "import sys; from pathlib import Path; from trainables.data.sources import balance_of\n"
        "balance_of('digits', {}, Path('nowhere'))\n"
        f"balance_of('image-folder', {{'path': {str(tmp_path)!r}}}, Path('nowhere'))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("balance", "lines"),
    [
        (Balance(("a", "b"), {"train": [1500, 1500]}),
         [("train examples", "3,000, 1,500 of each of 2 classes")]),
        (Balance(("a", "b"), {"train": [1500, 7], "val": [0, 1]}),
         [("train examples", "1,507: a 1,500, b 7"), ("val examples", "1: a 0, b 1")]),
        (Balance(tuple(map(str, range(20))), {"test": [5, *range(100, 118), 9]}),
         [("test examples", "1,967 of 20 classes, from 5 (0) to 117 (18)")]),
        (Balance(("a",), {"train": [1]}, {"b/2": "cut", "a/1": "text"}),
         [("train examples", "1 of one class"),
          ("left out", "2 broken files: a/1 (text) and others")]),
    ],
)  # fmt: skip
def test_in_words(balance: Balance, lines: list[tuple[str, str]]) -> None:
    assert balance.in_words() == lines


# labels of a user's data


@dataclass
class Held:
    """A data set of n items with something under `targets`."""

    n: int
    targets: Any

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        return index


@pytest.mark.parametrize(
    ("items", "labels"),
    [
        (InMemory.of(torch.zeros(3, 2), torch.tensor([0, 2, 1])), [0, 2, 1]),
        (InMemory.of(torch.zeros(3), torch.tensor([0.5, 1, 2])), None),
        (InMemory.of(torch.zeros(3), torch.zeros(3, 2, dtype=torch.int64)), None),
        (Held(3, [1, 0, 1]), [1, 0, 1]),
        (Held(3, [1, 0]), None),
        (Held(3, [1, -1, 0]), None),
        (Held(2, ["a", "b"]), None),
        (Held(2, [[1], [2, 3]]), None),
        (Held(2, None), None),
        ([4, 5], None),
        (Part(Held(4, [3, 2, 1, 0]), [2, 0]), [1, 3]),
        (Part([1, 2], [0]), None),
    ],
)
def test_labels_that_can_be_seen(items: Any, labels: list[int] | None) -> None:
    seen = labels_of(items)
    assert (None if seen is None else seen.tolist()) == labels


def test_the_balance_of_labels() -> None:
    balance = of_labels({"train": np.array([0, 2, 2]), "val": np.array([1])})
    assert balance == Balance(("0", "1", "2"), {"train": [1, 0, 2], "val": [0, 1, 0]})
    assert of_labels({}) == Balance((), {})

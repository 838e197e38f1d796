"""Items that two parts have in common, wherever that can be seen."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import Subset

from trainables.data.in_memory import InMemory
from trainables.data.parts import Part
from trainables.tasks.overlap import shared_items

ITEMS: Any = [torch.zeros(1)] * 10
IMAGES, LABELS = torch.zeros(10, 2, 3), torch.arange(10)


class Folder:
    """As torchvision's: each object lists its files, and has a transform of its own."""

    def __init__(self, *names: str) -> None:
        self.samples = [(name, 0) for name in names]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> str:
        return self.samples[index][0]


def rows(start: int, stop: int, step: int = 1) -> InMemory:
    return InMemory.of(IMAGES[start:stop:step], LABELS[start:stop:step])


@pytest.mark.parametrize(
    ("a", "b", "n"),
    [
        (ITEMS, ITEMS, 10),
        (ITEMS, list(ITEMS), 0),  # another list: nothing can be seen
        (Part(ITEMS, [0, 1, 2]), Part(ITEMS, [2, 3]), 1),
        (Part(ITEMS, [0, 1]), Part(ITEMS, [2, 3]), 0),
        (Part(ITEMS, [4, 4, 5]), ITEMS, 2),
        (Subset(ITEMS, [7, 8]), Part(ITEMS, [8, 9]), 1),
        (Subset(Part(ITEMS, [5, 6, 7]), [0, 2]), Part(ITEMS, [5, 7]), 2),
        (Subset(Part(ITEMS, [5, 6, 7]), [0, 2]), Part(ITEMS, [6]), 0),
        (Part(Folder("a", "b"), [0]), Part(Folder("b", "a"), [1]), 1),
        (Folder("a", "b"), Folder("c"), 0),
        (rows(0, 6), rows(6, 10), 0),
        (rows(0, 7), rows(5, 10), 2),
        (rows(0, 10, 2), rows(1, 10, 2), 0),
        (rows(0, 10, 3), rows(1, 10, 2), 2),
        (rows(0, 6), InMemory.of(IMAGES.clone(), LABELS), 0),
        (Part(rows(0, 6), [5]), rows(5, 10), 1),
        (InMemory.of(torch.zeros(1).expand(4)), InMemory.of(torch.zeros(1).expand(4)), 0),
    ],
)
def test_shared_items(a: Any, b: Any, n: int) -> None:
    assert shared_items(a, b) == shared_items(b, a) == n

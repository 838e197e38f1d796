"""Checks of items in two steps, and when two items are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables.tasks.conftest import Ask
from tests.trainables.tasks.test_checks import SOUND
from trainables.tasks.decoding import equal

TWO_STEPS = SOUND.replace(
    """    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(self.start + index)
        x = torch.randn(4, generator=generator)
        return x, x.sum()
""",
    """    def __getitem__(self, index):
        return self.transform(self.decode(index))

    def decode(self, index):
        generator = torch.Generator().manual_seed(self.start + index)
        return torch.randn(4, generator=generator)

    def transform(self, x):
        return x + torch.rand(1), x.sum()
""",
)


def test_two_sound_steps_pass(ask: Ask) -> None:
    assert ask(TWO_STEPS)["looked_at"][0]["task"]["findings"]["lengths"] == {"train": 6, "val": 4}


def test_parts_that_no_memory_can_keep_are_named(ask: Ask) -> None:
    one_step = ask(SOUND)["looked_at"][0]["task"]["findings"]
    assert one_step["undecoded"] == ["train", "val"]
    assert ask(TWO_STEPS)["looked_at"][0]["task"]["findings"]["undecoded"] == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("return torch.randn(4, generator=generator)", "return torch.randn(4)",
         "task.use: splits must decode the same train item at every call; what is random belongs to"
         " transform, got another item 0"),
        ("self.transform(self.decode(index))", "self.transform(self.decode(index) + 1)",
         "task.use: splits must give items of train that are transform(decode(index)), got another"
         " item 0"),
        ("    def transform(self, x):\n", "    def transform(self, x):\n        x = x / None\n",
         "task.use: the train part must decode and transform its items, got TypeError"),
    ],
)  # fmt: skip
def test_steps_that_do_not_make_the_items(ask: Ask, old: str, new: str, sentence: str) -> None:
    assert TWO_STEPS.count(old) == 1
    refusal = ask(TWO_STEPS.replace(old, new))["refusal"]
    assert refusal.startswith(sentence)
    assert "my_task.py" in refusal


SAME: list[Callable[[], Any]] = [
    lambda: torch.tensor([1.0, float("nan")]),
    lambda: np.arange(3),
    lambda: np.array(["a", None], dtype=object),
    lambda: (1, [torch.ones(2), {"a": "b"}]),
    lambda: None,
]


@pytest.mark.parametrize("make", SAME)
def test_equal_items(make: Callable[[], Any]) -> None:
    assert equal(make(), make())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.ones(2), torch.ones(3)),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.zeros(1), -torch.zeros(1)),
        (np.ones(2), np.ones((2, 1))),
        (1, 1.0),
        ([1, 2], [1]),
        ({"a": 1}, {"b": 1}),
        ({"a": torch.ones(1)}, {"a": torch.zeros(1)}),
    ],
)
def test_unequal_items(one: Any, other: Any) -> None:
    assert not equal(one, other)

"""Words that messages, tables and pages have in common."""

from __future__ import annotations

import pytest

from trainables.vocabulary.wording import counted, part_counted


@pytest.mark.parametrize(("n", "said"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials")])
def test_counted(n: int, said: str) -> None:
    assert counted(n, "trial") == said


@pytest.mark.parametrize(
    ("n", "whole", "text"),
    [
        (1, 1, "the only trial"),
        (1, 3, "1 of 3 trials"),
        (3, 3, "3 of 3 trials"),
        (0, 1, "0 of 1 trial"),
    ],
)
def test_part_counted(n: int, whole: int, text: str) -> None:
    assert part_counted(n, whole, "trial") == text

"""Words that messages, tables and pages have in common."""

from __future__ import annotations

import pytest

from trainables.vocabulary.wording import counted


@pytest.mark.parametrize(("n", "said"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials")])
def test_counted(n: int, said: str) -> None:
    assert counted(n, "trial") == said

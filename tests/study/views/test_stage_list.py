"""What a list of stages says of each in a few words."""

from __future__ import annotations

from typing import Any

import pytest

from study.views.stage_list import stage_words
from tests.trainables.trials.plain import tiny
from trainables.config.chain import stage_chain


@pytest.mark.parametrize(
    ("prune", "words"),
    [
        ({"sparsity": 0.8}, "llr, sparsity 0.8"),
        ({"sparsity": 0.8, "structure": "rows"}, "llr, sparsity 0.8, structure rows"),
        (
            {"sparsity": 0.5, "pattern": {"n": 2, "m": 4}, "cycles": 2},
            "llr, sparsity 0.25, structure 2:4",
        ),
        (
            {"sparsity": 0.8, "structure": "blocks", "block": {"rows": 2, "columns": 4}},
            "llr, sparsity 0.8, structure blocks 2x4",
        ),
    ],
)
def test_a_cycle_says_what_is_removed_together(prune: dict[str, Any], words: str) -> None:
    chain = stage_chain(tiny(prune=prune, retrain={"epochs": 2}), 0)
    assert stage_words(chain[0].content) == "linear"
    assert stage_words(chain[1].content) == words

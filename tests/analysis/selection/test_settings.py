"""Settings that vary."""

from __future__ import annotations

from analysis.selection import settings
from tests.analysis.hand_made import grid


def test_lengths_that_follow_from_others_are_synonyms_and_searched_numbers_are_not() -> None:
    frame = grid({(0.5, 0.1): [0.9], (0.6, 0.2): [0.9]}, "budget.dense_fraction", "dense.lr")
    frame["retrain.epochs"] = 24 * (1 - frame["budget.dense_fraction"])
    columns = ["budget.dense_fraction", "dense.lr", "retrain.epochs"]
    assert settings.without_synonyms(frame, columns) == ["budget.dense_fraction", "dense.lr"]

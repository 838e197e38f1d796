"""Settings that vary."""

from __future__ import annotations

import pandas as pd

from analysis.selection import settings
from tests.analysis.hand_made import grid


def test_lengths_that_follow_from_others_are_synonyms_and_searched_numbers_are_not() -> None:
    frame = grid({(0.5, 0.1): [0.9], (0.6, 0.2): [0.9]}, "budget.dense_fraction", "dense.lr")
    frame["retrain.epochs"] = 24 * (1 - frame["budget.dense_fraction"])
    columns = ["budget.dense_fraction", "dense.lr", "retrain.epochs"]
    assert settings.without_synonyms(frame, columns) == ["budget.dense_fraction", "dense.lr"]


def test_a_split_says_the_lengths_of_its_parts() -> None:
    """Rounded to steps two shares retrain equally long, so the lengths rename nothing."""
    frame = pd.DataFrame(
        {"budget.dense_fraction": [0.5, 0.501, 0.8], "retrain.epochs": [10.0, 10.0, 4.0],
         "prune.cycles": [1, 2, 2]}
    )  # fmt: skip
    columns = ["budget.dense_fraction", "prune.cycles", "retrain.epochs"]
    assert settings.without_synonyms(frame, columns) == columns[:2]
    mixed = frame.assign(**{"budget.dense_fraction": [0.5, None, 0.8]})
    assert settings.without_synonyms(mixed, columns) == columns

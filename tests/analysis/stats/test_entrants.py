"""Entrants scored by settings that other seeds chose, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.stats import entrants
from tests.analysis.small import hand_frame

COLUMNS = ["method", "prune.sparsity", "dense.lr", "seed", "val_accuracy", "test_accuracy"]


def tuned(sparsity: float = 0.9, n: int = 3) -> list[tuple[Any, ...]]:
    """Two learning rates of which the other seeds choose the second, the first, the second."""
    val = {0.1: [0.90, 0.80, 0.85], 0.2: [0.85, 0.90, 0.80]}
    test = {0.1: 0.7, 0.2: 0.6}
    return [("imp", sparsity, lr, seed, val[lr][seed], test[lr] + seed / 100)
            for lr in val for seed in range(n)]  # fmt: skip


def plain(sparsity: float = 0.9, n: int = 3) -> list[tuple[Any, ...]]:
    return [("gmp", sparsity, 0.1, seed, 0.5, 0.5 + seed / 100) for seed in range(n)]


def test_each_seed_scores_the_setting_that_the_others_choose() -> None:
    found = entrants(
        hand_frame(COLUMNS, [*tuned(), *plain()]), "test_accuracy", "method", ["prune.sparsity"]
    )
    assert found.gains.index.names == ["prune.sparsity", "seed"]
    assert found.gains["imp"].tolist() == pytest.approx([0.60, 0.71, 0.62])
    assert found.gains["gmp"].tolist() == pytest.approx([0.50, 0.51, 0.52])
    assert (found.tuned, found.unknown) == (("imp",), ())
    (one,) = found.verdicts()
    assert (one.of, one.interval.kind, one.interval.n) == ("imp", "corrected t", 3)
    assert one.gain == pytest.approx(0.4 / 3)


def test_two_seeds_know_an_entrant_without_choice_alone() -> None:
    found = entrants(hand_frame(COLUMNS, [*tuned(n=2), *plain(n=2)]), "test_accuracy", "method", [])
    assert found.gains["gmp"].tolist() == pytest.approx([0.50, 0.51])
    assert found.gains["imp"].isna().all()
    assert found.unknown == ("imp",)
    (one,) = found.verdicts()
    assert one.outcome == "unknown"
    assert math.isnan(one.gain)


def test_a_confirmed_setting_is_scored_at_the_seeds_that_did_not_choose_it() -> None:
    searched = [("imp", 0.9, lr, 0, 0.5 + lr, 0.9) for lr in (0.1, 0.2, 0.3)]
    confirmed = [("imp", 0.9, 0.3, seed, 0.7, 0.6) for seed in (1, 2)]
    frame = hand_frame(COLUMNS, [*searched, *confirmed], **{"origin.number": 1})
    found = entrants(frame, "test_accuracy", "method", [])
    assert found.gains["imp"].to_dict() == {(1,): 0.6, (2,): 0.6}
    assert found.tuned == ()
    # Where no search was at work, settings at fewer seeds are just not done yet.
    grid = entrants(frame.drop(columns="origin.number"), "test_accuracy", "method", [])
    assert grid.gains["imp"].tolist() == [0.9, 0.6, 0.6]


def test_nothing_done() -> None:
    frame = hand_frame(COLUMNS, plain(), state="failed")
    found = entrants(frame, "test_accuracy", "method", ["prune.sparsity"])
    assert found.gains.empty
    assert found.verdicts() == []

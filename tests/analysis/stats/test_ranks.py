"""Ranks, critical differences and choices, against published quantiles and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.stats import (
    TestSelectionError,
    blocks,
    choose,
    critical_differences,
    friedman_p,
    nemenyi_difference,
    ranks,
)
from tests.analysis.small import hand_frame

COLUMNS = ["retrain.schedule", "prune.sparsity", "seed", "val_accuracy"]

RANKED = [
    ("a", 0.8, 0, 0.9), ("b", 0.8, 0, 0.8), ("c", 0.8, 0, 0.8),
    ("a", 0.8, 1, 0.7), ("b", 0.8, 1, 0.9), ("c", 0.8, 1, 0.6),
]  # fmt: skip


def test_ranks_share_ties_and_take_the_metrics_direction() -> None:
    frame = hand_frame(COLUMNS, RANKED)
    table = ranks(blocks(frame, "val_accuracy"))
    assert table.columns.tolist() == ["a", "b", "c"]
    assert table.to_numpy().tolist() == [[1, 2.5, 2.5], [2, 1, 3]]
    worse = frame.rename(columns={"val_accuracy": "val_loss"})
    assert ranks(blocks(worse, "val_loss")).to_numpy().tolist() == [[3, 1.5, 1.5], [2, 3, 1]]


def test_a_block_without_every_entrant_is_dropped_and_counted() -> None:
    frame = hand_frame(COLUMNS, [*RANKED, ("a", 0.9, 0, 0.9), ("b", 0.9, 0, 0.8)])
    frame.loc[3, "state"] = "diverged"
    found = blocks(frame, "val_accuracy")
    assert len(found.values) == 1
    assert found.n_dropped == 2
    assert found.entrants == ["a", "b", "c"]


def test_blocks_without_the_seed_hold_means_over_seeds() -> None:
    found = blocks(hand_frame(COLUMNS, RANKED), "val_accuracy", by=["prune.sparsity"])
    np.testing.assert_allclose(found.values.to_numpy(), [[0.8, 0.85, 0.7]])


def test_ranking_on_test_is_refused() -> None:
    frame = hand_frame([*COLUMNS[:3], "test_accuracy"], RANKED)
    for refused in (blocks, critical_differences):
        with pytest.raises(TestSelectionError, match="use val_accuracy"):
            refused(frame, "test_accuracy")
    with pytest.raises(TestSelectionError):
        choose(frame, "test_accuracy", ["retrain.schedule"], ["prune.sparsity"])


@pytest.mark.parametrize(
    ("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)]
)
def test_nemenyi_against_the_published_quantiles(k: int, q: float) -> None:
    # Demsar 2006, table 5a: q at .05
    expected = q * math.sqrt(k * (k + 1) / (6 * 10))
    assert nemenyi_difference(k, 10) == pytest.approx(expected, abs=6e-4)


def test_nemenyi_of_too_little_is_missing() -> None:
    assert math.isnan(nemenyi_difference(1, 10))
    assert math.isnan(nemenyi_difference(3, 1))


def test_critical_differences_by_hand() -> None:
    rows = [
        (name, 0.8, seed, accuracy)
        for seed in range(12)
        for name, accuracy in (("a", 0.9), ("b", 0.85 + (seed < 2) / 10), ("c", 0.8), ("d", 0.1))
    ]
    found = critical_differences(hand_frame(COLUMNS, rows), "val_accuracy")
    assert found.table["entrant"].tolist() == ["a", "b", "c", "d"]
    np.testing.assert_allclose(found.table["mean_rank"], [14 / 12, 22 / 12, 3, 4])
    assert found.difference == pytest.approx(2.569 * math.sqrt(20 / 72), abs=1e-3)
    assert found.groups == (("a", "b"), ("b", "c"), ("c", "d"))
    assert found.p_friedman < 1e-4
    assert (found.n_blocks, found.n_dropped) == (12, 0)


def test_friedman_agrees_with_the_formula() -> None:
    frame = hand_frame(COLUMNS, [(n, 0.8, s, v + s / 9) for s in range(3)
                                 for n, v in (("a", 0.1), ("b", 0.2), ("c", 0.3))])  # fmt: skip
    # ranks 3, 2, 1 in each of N = 3 blocks: chi2 = 12 * 3 / (3 * 4) * (9 + 4 + 1) - 3 * 3 * 4 = 6
    assert friedman_p(blocks(frame, "val_accuracy")) == pytest.approx(math.exp(-3))
    tied = frame.assign(val_accuracy=0.5)
    assert math.isnan(friedman_p(blocks(tied, "val_accuracy")))
    lone = critical_differences(frame[frame["seed"] == 0], "val_accuracy")
    assert math.isnan(lone.difference)
    assert lone.groups == (("c", "b", "a"),)


CHOICES = ["prune.sparsity", "retrain.discount", "seed", "val_accuracy"]


def test_a_choice_is_made_by_the_mean_over_seeds() -> None:
    frame = hand_frame(
        CHOICES,
        [(0.8, 0.1, 0, 0.9), (0.8, 0.1, 1, 0.5), (0.8, 0.2, 0, 0.8), (0.8, 0.2, 1, 0.8),
         (0.9, "adaptive", 0, 0.5), (0.9, 0.5, 0, 0.5), (0.9, 0.25, 0, 0.4)],
    )  # fmt: skip
    table = choose(frame, "val_accuracy", ["retrain.discount"], ["prune.sparsity"])
    assert table["prune.sparsity"].tolist() == [0.8, 0.9]
    assert table["retrain.discount"].tolist() == [0.2, 0.5]
    assert table["mean"].tolist() == [0.8, 0.5]
    assert table["n"].tolist() == [2, 1]
    assert table["n_settings"].tolist() == [2, 3]
    assert table["n_tied"].tolist() == [1, 2]


def test_a_setting_that_lost_a_seed_does_not_stand_for_choice() -> None:
    frame = hand_frame(
        CHOICES,
        [(0.8, 0.1, 0, 0.99), (0.8, 0.1, 1, math.nan), (0.8, 0.2, 0, 0.7), (0.8, 0.2, 1, 0.7)],
    )
    frame.loc[1, "state"] = "diverged"
    (row,) = choose(frame, "val_accuracy", ["retrain.discount"], ["prune.sparsity"]).to_dict(
        "records"
    )
    assert (row["retrain.discount"], row["n"], row["n_settings"]) == (0.2, 2, 1)
    frame["state"] = "failed"
    assert choose(frame, "val_accuracy", ["retrain.discount"], ["prune.sparsity"]).empty


def test_a_choice_by_a_loss_takes_the_lowest() -> None:
    frame = hand_frame(["a", "val_loss"], [(1, 2.0), (2, 1.0)])
    assert choose(frame, "val_loss", ["a"], [])["a"].tolist() == [2]


def test_a_block_counts_only_the_seeds_that_every_entrant_has_done() -> None:
    rows = [
        ("a", 0.8, 0, 0.97), ("a", 0.8, 1, 0.1), ("a", 0.8, 2, 0.1),
        ("b", 0.8, 0, 0.98), ("b", 0.8, 1, 0.95), ("b", 0.8, 2, 0.95),
        ("a", 0.9, 0, 0.9), ("b", 0.9, 1, 0.9),
    ]  # fmt: skip
    frame = hand_frame(COLUMNS, rows)
    frame.loc[[1, 2], "state"] = "failed"
    found = blocks(frame, "val_accuracy", by=["prune.sparsity"])
    assert found.values.to_numpy().tolist() == [[0.97, 0.98]]
    assert ranks(found).to_numpy().tolist() == [[2, 1]]
    # At 0.9 no seed is done by both.
    assert found.n_dropped == 1

"""Contests: one block, one configuration for each series, and what is noted of them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.columns.rows import tuples
from analysis.selection.contest import contest, means
from analysis.selection.tabulation import Tabulation, nothing
from tests.analysis.hand_made import NAN, grid, trials


def test_means_count_what_fell_out() -> None:
    frame = grid({("ft",): [0.9, 0.94, None]}, "retrain.schedule")
    (row,) = tuples(means(frame, ["retrain.schedule"], "val_accuracy"))
    assert (row.mean, row.n, row.n_failed, row.n_diverged) == (pytest.approx(0.92), 2, 1, 0)
    assert row.std == pytest.approx(0.04 / math.sqrt(2))


def test_one_seed_has_no_interval() -> None:
    frame = grid({("ft",): [0.9]}, "retrain.schedule")
    (row,) = tuples(means(frame, ["retrain.schedule"], "val_accuracy"))
    assert row.n == 1
    assert math.isnan(row.lo)
    assert math.isnan(row.std)


def test_notes_gather_and_empty_ones_are_dropped() -> None:
    table = Tabulation(pd.DataFrame(), ("One.", "")).noting("", "Two.")
    assert table.notes == ("One.", "Two.")
    assert nothing("None.").frame.empty and nothing("None.").notes == ("None.",)


def several() -> pd.DataFrame:
    """ft and allr at two sparsities and budgets, allr with two discounts; mlp has few trials."""
    frame = grid(
        {
            ("ft", 0.8, 1.0, NAN): [0.7, 0.7], ("ft", 0.9, 1.0, NAN): [0.6, 0.6],
            ("allr", 0.8, 1.0, 0.1): [0.8, 0.8], ("allr", 0.9, 1.0, 0.1): [0.5, 0.5],
            ("allr", 0.9, 1.0, 0.5): [0.9, None], ("ft", 0.9, 3.0, NAN): [0.65],
        },
        "retrain.schedule", "prune.sparsity", "retrain.epochs", "retrain.discount",
    )  # fmt: skip
    return pd.concat([frame, trials({"task.model": "mlp"}).assign(fingerprint="m")])


def test_a_contest_is_held_in_the_block_with_most_trials() -> None:
    meet = contest(several())
    assert meet.by == "retrain.schedule"
    assert meet.at == {"task.model": "cnn", "prune.sparsity": 0.9, "retrain.epochs": 1.0}
    assert meet.keys == ()
    # Of allr's two discounts the one that lost a seed does not stand for it.
    assert meet.entries.groupby("retrain.schedule")["val_accuracy"].mean().to_dict() == {
        "allr": pytest.approx(0.5), "ft": pytest.approx(0.6)
    }  # fmt: skip
    assert "up to 2" in meet.remarks[1] and meet.remarks[0] == ""


def test_a_contest_runs_over_what_is_left_free_unless_it_is_given() -> None:
    free = ["prune.sparsity", "retrain.epochs", "no.such"]
    meet = contest(several(), free=free)
    assert (meet.at, meet.keys) == ({"task.model": "cnn"}, tuple(free[:2]))
    assert len(meet.entries.drop_duplicates(["retrain.schedule", *meet.keys])) == 5
    given = contest(several(), "retrain.discount", {"prune.sparsity": 0.8}, free=free)
    assert (given.by, given.keys) == ("retrain.discount", ("retrain.epochs",))
    assert set(given.trials["prune.sparsity"]) == {0.8}


def test_what_is_told_of_a_contest_can_be_overruled() -> None:
    meet = contest(several()).having("retrain.discount")
    assert set(meet.trials["retrain.discount"]) == {0.1, 0.5}
    table = meet.tabulation(pd.DataFrame(), "Note.", metric="val_loss", by="seed")
    assert (table.by, table.metric, table.at, table.budget) == (
        "seed", "val_loss", meet.at, "retrain.epochs",
    )  # fmt: skip

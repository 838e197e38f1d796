"""Expected best of k against every subset, one by one."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import Candidates, best_of_table, in_hand_table, interval, optimum
from analysis.stats.best_of import best_of, chances, sizes

VAL = np.array([0.9, 0.8, 0.7])
TEST = np.array([0.5, 0.6, 0.1])


def test_the_best_of_k_by_hand() -> None:
    # one: (.5 + .6 + .1) / 3; two: the first leads two pairs, the second one; three: the first
    assert best_of(-VAL, TEST) == pytest.approx([0.4, (0.5 + 0.5 + 0.6) / 3, 0.5])
    assert best_of(-VAL, TEST, [3, 1]) == pytest.approx([0.5, 0.4])


def test_trials_that_tie_share() -> None:
    val = np.array([0.3, 0.1 + 0.2, 0.1])
    assert best_of(-val, TEST) == pytest.approx([0.4, (0.55 + 0.5 + 0.6) / 3, 0.55])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), min_size=1, max_size=7))
def test_the_expectation_is_that_over_all_subsets(trials: list[tuple[int, int]]) -> None:
    choice, score = np.array(trials, dtype=float).T
    curve = best_of(choice, score)
    for k in range(1, len(trials) + 1):
        subsets = [list(rows) for rows in combinations(range(len(trials)), k)]
        best = [score[rows][choice[rows] == choice[rows].min()].mean() for rows in subsets]
        assert curve[k - 1] == pytest.approx(np.mean(best), abs=1e-9)


def test_chances_add_up_however_many_trials() -> None:
    ks = sizes(2000)
    table = chances(2000, ks)
    assert table.sum(axis=1) == pytest.approx(np.ones(len(ks)))
    assert (table >= 0).all()
    assert table[-1, 0] == 1
    assert (ks[0], ks[49], ks[-1]) == (1, 50, 2000)
    assert len(ks) < 120
    assert sizes(3) == (1, 2, 3)


def grid() -> Candidates:
    val = np.array([[0.90, 0.80, 0.85], [0.85, 0.90, 0.80], [0.80, 0.82, 0.91]])
    test = np.array([[0.70, 0.71, 0.72], [0.60, 0.61, 0.62], [0.50, 0.51, 0.52]])
    return Candidates(("a", "b", "c"), (0, 1, 2), -val, test)


def test_the_setting_is_chosen_on_the_other_seeds() -> None:
    table = best_of_table(grid())
    assert table["k"].tolist() == [1, 2, 3]
    # Of all three it is the cross-fitted optimum; of one it is the mean of all.
    found = optimum(grid())
    assert table["mean"].iloc[2] == pytest.approx(found.mean)
    assert (table["lo"].iloc[2], table["hi"].iloc[2]) == pytest.approx(
        (found.interval.lo, found.interval.hi)
    )
    assert table["mean"].iloc[0] == pytest.approx(0.61)
    # Of two at seed 0 the others put c before b before a: c, c and b, and so on.
    at = [(0.5 + 0.5 + 0.6) / 3, (0.71 + 0.71 + 0.51) / 3, (0.62 + 0.62 + 0.72) / 3]
    assert table["mean"].iloc[1] == pytest.approx(np.mean(at))
    assert table["kind"].tolist() == ["t", "corrected t", "corrected t"]


def test_of_two_seeds_the_setting_is_unknown_and_the_network_is_not() -> None:
    found = grid()
    two = Candidates(found.names, (0, 1), found.choice[:, :2], found.score[:, :2])
    assert best_of_table(two)["mean"].fillna(0).tolist() == pytest.approx([0.605, 0, 0])
    one = Candidates(found.names, (0,), found.choice[:, :1], found.score[:, :1])
    assert best_of_table(one)["mean"].fillna(0).tolist() == pytest.approx([0.6, 0, 0])
    table = in_hand_table(two)
    # At seed 0 a is best of all, at seed 1 b; each is scored at its own seed.
    assert table["mean"].tolist()[::2] == pytest.approx([(0.6 + 0.61) / 2, (0.70 + 0.61) / 2])
    assert table["lo"].isna().all()  # three trials are too few to resample
    assert in_hand_table(Candidates((), (), np.empty((0, 0)), np.empty((0, 0)))).empty


def test_the_interval_of_one_trial_is_students_over_trials() -> None:
    score = np.random.default_rng(0).normal(size=(12, 1))
    found = Candidates(tuple(range(12)), (0,), -score, score)
    table = in_hand_table(found)
    span = interval(score[:, 0])
    assert (table["lo"].iloc[0], table["hi"].iloc[0]) == pytest.approx((span.lo, span.hi))
    assert table["lo"].notna().tolist() == [True] + [False] * 11
    assert table["mean"].is_monotonic_increasing
    assert table["mean"].iloc[-1] == score.max()


def test_more_trials_of_settings_that_are_all_alike_gain_nothing() -> None:
    """The luck of many tries is no merit of the setting, though the network keeps it."""
    rng = np.random.default_rng(0)
    setting, network = [], []
    for _ in range(300):
        luck = rng.normal(size=(12, 3))
        found = Candidates(tuple(range(12)), (0, 1, 2), -luck, luck)
        setting.append(best_of_table(found)["mean"].iloc[-1])
        network.append(in_hand_table(found)["mean"].iloc[-1])
    assert abs(np.mean(setting)) < 3 / math.sqrt(300 * 3)
    assert np.mean(network) == pytest.approx(1.63, abs=0.1)  # the expected largest of 12 normals

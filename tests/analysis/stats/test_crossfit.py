"""Choices scored at the seed that they left out, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import (
    NOBODY,
    Candidates,
    TestSelectionError,
    advantage,
    candidates,
    candidates_by,
    fresh,
    gap,
    interval,
    nested_optimum,
    optimum,
    picks,
    pooled,
    regret,
    stand_ins,
)
from tests.analysis.small import hand_frame

VAL = np.array([[0.90, 0.80, 0.85], [0.85, 0.90, 0.80], [0.80, 0.82, 0.91]])
TEST = np.array([[0.70, 0.71, 0.72], [0.60, 0.61, 0.62], [0.50, 0.51, 0.52]])


def three(val: np.ndarray = VAL, test: np.ndarray = TEST, sign: float = 1.0) -> Candidates:
    """Three settings a, b, c at three seeds; the others choose c, then a, then b."""
    return Candidates(("a", "b", "c"), (0, 1, 2), -val, test, sign)


def test_each_seed_scores_what_the_other_seeds_choose() -> None:
    # Means over the other seeds: at seed 0 .825 .85 .865, at 1 .875 .825 .855, at 2 .85 .875 .81
    assert picks(-VAL).T.tolist() == [
        [False, False, True], [True, False, False], [False, True, False],
    ]  # fmt: skip
    found = optimum(three())
    assert found.values.tolist() == [0.50, 0.71, 0.62]
    assert found.mean == pytest.approx(0.61)
    assert found.chosen == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert (found.n_candidates, found.unknown) == (3, None)
    # spread sqrt(.0222 / 2), error times sqrt(1/3 + 1/2), t of two degrees 4.30265
    assert found.interval.kind == "corrected t"
    assert found.interval.hi - 0.61 == pytest.approx(0.41382, abs=1e-5)


def test_the_regret_of_a_reference_by_hand() -> None:
    reference = np.array([0.6, 0.6, 0.6])
    found = regret(three(), reference)
    np.testing.assert_allclose(found.values, [-0.10, 0.11, 0.02])
    # Of a loss less is better: what the optimum reaches below the reference is regret.
    np.testing.assert_allclose(regret(three(sign=-1.0), reference).values, [0.10, -0.11, -0.02])


def test_the_leaders_advantage_over_the_second_by_hand() -> None:
    # c before b, a before c, b before a
    found = advantage(three())
    np.testing.assert_allclose(found.values, [0.50 - 0.60, 0.71 - 0.51, 0.62 - 0.72])
    assert found.mean == pytest.approx(0.0)
    assert found.interval.kind == "twice corrected t"
    # Rivals that score more than the first at every seed show its advantage to be none, not less.
    worse = advantage(three(test=-np.array([[0.9] * 3, [0.1, 0.1, 0.1001], [0.1] * 3])))
    assert worse.interval.lo < 0 <= worse.interval.hi
    with pytest.raises(ValueError, match="an advantage takes two candidates, got 1"):
        advantage(Candidates(("a",), (0, 1, 2), -VAL[:1], TEST[:1]))


def test_ties_are_shared_whatever_rounding_says() -> None:
    val = np.array([[0.1 + 0.2, 0.3, 0.3], [0.3, 0.3, 0.3], [0.1, 0.1, 0.1]])
    found = optimum(three(val))
    np.testing.assert_allclose(found.values, [0.65, 0.66, 0.67])
    assert found.chosen == pytest.approx({"a": 0.5, "b": 0.5})
    assert advantage(three(val)).values.tolist() == [0.0, 0.0, 0.0]
    # Tied seconds share: the leader a stands .1 above b and .2 above c.
    val = np.array([[0.9] * 3, [0.5] * 3, [0.5] * 3])
    np.testing.assert_allclose(advantage(three(val)).values, [0.15, 0.15, 0.15])


@pytest.mark.parametrize("n", [0, 1, 2])
def test_with_two_seeds_or_fewer_a_choice_cannot_be_known(n: int) -> None:
    few = Candidates(("a", "b", "c"), tuple(range(n)), -VAL[:, :n], TEST[:, :n])
    for found in (optimum(few), advantage(few), regret(few, np.zeros(n))):
        assert math.isnan(found.mean)
        assert not found.interval.known
        assert found.interval.n == n
        said = ("without a seed that all have done", "with 1 seed", "with 2 seeds")[n]
        assert str(found.unknown).startswith(f"{said} it cannot be known: ")
    assert math.isnan(nested_optimum(few, "xxy").mean)


def test_one_candidate_is_no_choice() -> None:
    alone = Candidates(("a",), (0, 1), -VAL[:1, :2], TEST[:1, :2])
    found = optimum(alone)
    assert found.mean == pytest.approx(0.705)
    assert found.interval == interval([0.70, 0.71])
    assert optimum(Candidates(("a",), (0,), -VAL[:1, :1], TEST[:1, :1])).mean == 0.7
    assert not optimum(Candidates((), (), np.empty((0, 0)), np.empty((0, 0)))).interval.known


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match=r"must be of 2 settings by 3 seeds, got \(3, 3\)"):
        Candidates(("a", "b"), (0, 1, 2), -VAL, TEST)


def test_stand_ins_are_chosen_within_their_group() -> None:
    table = stand_ins(three(), ["x", "x", "y"])
    assert table.columns.tolist() == ["x", "y"]
    assert table.index.tolist() == [0, 1, 2]
    # of a and b the others choose b, a, b
    assert table["x"].tolist() == [0.60, 0.71, 0.62]
    assert table["y"].tolist() == TEST[2].tolist()


def test_a_group_of_many_settings_does_not_lead_by_its_many_tries() -> None:
    val = VAL.copy()
    val[2] = [0.83, 0.83, 0.91]
    found = three(val)
    # At seed 2, b's .875 over the others beats c's .83; but of a and b what seed 1 chooses has .85
    # at seed 0, and what seed 0 chooses .80 at seed 1: .825 on average, below c.
    assert optimum(found).values.tolist() == [0.50, 0.71, 0.62]
    nested = nested_optimum(found, ["x", "x", "y"])
    assert nested.values.tolist() == [0.50, 0.71, 0.52]
    assert nested.chosen == pytest.approx({"y": 2 / 3, "x": 1 / 3})
    assert nested.n_candidates == 3


def test_places_are_pooled_seed_by_seed() -> None:
    one = optimum(three())
    other = optimum(Candidates(("a", "b"), (2, 1, 3), np.zeros((2, 3)), np.ones((2, 3))))
    both = pooled([one, other])
    assert both.seeds == (1, 2)
    np.testing.assert_allclose(both.values, [(0.71 + 1) / 2, (0.62 + 1) / 2])
    assert both.unknown is not None  # only two seeds are shared
    assert pooled([one, one]).interval == one.interval
    assert pooled([]).unknown is not None
    few = optimum(Candidates(("a", "b"), (0, 1), np.zeros((2, 2)), np.ones((2, 2))))
    assert math.isnan(pooled([one, few]).mean)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(2, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(0, 4), min_size=n, max_size=n), min_size=1, max_size=4
        )
    )
)
def test_a_choice_is_as_defined(rows: list[list[int]]) -> None:
    choice = np.array(rows, dtype=float)
    chosen = picks(choice)
    for seed in range(choice.shape[1]):
        others = np.delete(choice, seed, axis=1).mean(axis=1)
        assert chosen[:, seed].tolist() == np.isclose(others, others.min()).tolist()


COLUMNS = ["retrain.discount", "seed", "val_accuracy", "test_accuracy"]


def frame_of(rows: Sequence[Sequence[Any]]) -> Any:
    return hand_frame(COLUMNS, rows, **{"prune.sparsity": 0.9})


def grid(names: Sequence[Any] = (0.2, "adaptive", 0.1)) -> list[tuple[Any, ...]]:
    return [
        (name, seed, VAL[row, seed], TEST[row, seed])
        for row, name in enumerate(names)
        for seed in range(3)
    ]


def test_candidates_come_from_trials() -> None:
    found = candidates(frame_of(grid()), ["retrain.discount"], "val_accuracy", "test_accuracy")
    assert found.names == (0.1, 0.2, "adaptive")
    assert found.seeds == (0, 1, 2)
    assert found.choice.tolist() == (-VAL[[2, 0, 1]]).tolist()
    assert found.score.tolist() == TEST[[2, 0, 1]].tolist()
    assert (found.sign, found.n_dropped) == (1.0, 0)
    by_loss = frame_of(grid()).rename(columns={"val_accuracy": "val_loss"})
    found = candidates(by_loss, ["retrain.discount", "prune.sparsity"], "val_loss", "val_loss")
    assert found.names == ((0.1, 0.9), (0.2, 0.9), ("adaptive", 0.9))
    assert found.choice.tolist() == found.score.tolist() == VAL[[2, 0, 1]].tolist()
    assert found.sign == -1.0


def test_a_setting_that_lost_a_seed_is_no_candidate() -> None:
    frame = frame_of([*grid(), (None, 0, 0.99, 0.99), (None, 1, 0.99, 0.99)])
    found = candidates(frame, ["retrain.discount"], "val_accuracy", "test_accuracy")
    assert (len(found.names), found.n_dropped) == (3, 1)
    frame.loc[[0, 4], "state"] = "failed"  # two settings have two seeds left, and one has all
    found = candidates(frame, ["retrain.discount"], "val_accuracy", "test_accuracy")
    assert (found.names, found.n_dropped) == ((0.1,), 3)
    frame.loc[8, "state"] = "diverged"  # now all have two, and all three settings share none
    found = candidates(frame.iloc[:9], ["retrain.discount"], "val_accuracy", "test_accuracy")
    assert found.choice.shape == (3, 0)
    assert optimum(found).unknown is not None
    nothing = candidates(frame[:0], ["retrain.discount"], "val_accuracy", "test_accuracy")
    assert nothing.names == ()
    assert optimum(nothing).unknown is not None


def test_candidates_are_refused_on_test_and_when_ambiguous() -> None:
    frame = frame_of(grid())
    with pytest.raises(TestSelectionError, match="use val_accuracy"):
        candidates(frame, ["retrain.discount"], "test_accuracy", "test_accuracy")
    with pytest.raises(ValueError, match=r"2 trials with one setting share their .*discount and s"):
        candidates(
            frame_of([*grid(), (0.1, 0, 0.5, 0.5)]).assign(**{"dense.lr": range(10)}),
            ["retrain.discount"], "val_accuracy", "test_accuracy",
        )  # fmt: skip


def lost(tuned: Any, reference: Any) -> Any:
    """What the reference loses to the tuned one."""
    sides = (
        candidates(trials, ["retrain.discount"], "val_accuracy", "test_accuracy")
        for trials in (tuned, reference)
    )
    return gap(*sides)


def test_the_gap_between_two_optima_counts_the_seeds_of_both() -> None:
    frame = frame_of([*grid((0.1, 0.2, 0.3)), *(("adaptive", s, 0.9, 0.6) for s in (2, 1, 0, 7))])
    tuned = frame[frame["retrain.discount"] != "adaptive"]
    reference = frame[frame["retrain.discount"] == "adaptive"]
    found = lost(tuned, reference)
    assert found.seeds == (0, 1, 2)
    np.testing.assert_allclose(found.values, [-0.10, 0.11, 0.02])
    assert found.interval.kind == "corrected t"
    assert lost(tuned, reference[reference["seed"] < 2]).unknown
    # Of a reference with two settings the others choose the second, the first, the second.
    both = lost(tuned, frame_of(grid((0.6, 0.7, 0.8))[:6]))
    np.testing.assert_allclose(both.values, [0.50 - 0.60, 0.71 - 0.71, 0.62 - 0.62], atol=1e-12)
    assert both.interval.kind == "twice corrected t"
    assert both.n_candidates == 5
    assert gap(three(), NOBODY).unknown
    assert gap(NOBODY, three()).unknown


def test_candidates_by_place() -> None:
    frame = frame_of([*grid(), (0.2, 0, 0.5, 0.5)])
    frame["prune.sparsity"] = [0.9] * 9 + [0.8]
    found = candidates_by(
        frame, ["prune.sparsity"], ["retrain.discount"], "val_accuracy", "test_accuracy"
    )
    assert list(found) == [(0.9,), (0.8,)]
    assert found[(0.9,)].names == (0.1, 0.2, "adaptive")
    assert found[(0.9,)].choice.tolist() == (-VAL[[2, 0, 1]]).tolist()
    assert (found[(0.8,)].names, found[(0.8,)].seeds) == ((0.2,), (0,))
    nothing = candidates_by(
        frame[:0], ["prune.sparsity"], ["retrain.discount"], "val_accuracy", "test_accuracy"
    )
    assert nothing == {}


def test_a_confirmed_winner_is_scored_without_the_seed_that_chose_it() -> None:
    searched = [(d, 0, 0.5 + d, 0.4) for d in (0.1, 0.2, 0.3)]
    confirmed = [(0.3, seed, 0.7, 0.5 + seed / 100) for seed in (1, 2)]
    frame = frame_of([*searched, *confirmed])
    left = fresh(frame, ["retrain.discount"], ["prune.sparsity"])
    assert left["retrain.discount"].tolist() == [0.3, 0.3]
    assert left["seed"].tolist() == [1, 2]
    # Where all settings ran at all seeds, all seeds chose: nothing was confirmed.
    whole = frame_of(grid())
    assert fresh(whole, ["retrain.discount"], ["prune.sparsity"]).equals(whole)
    assert fresh(whole, ["retrain.discount"], []).equals(whole)

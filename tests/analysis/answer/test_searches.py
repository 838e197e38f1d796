"""The discount's regret, the best split or setting, and the front, each from a frame by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.answer import of_searches
from analysis.answer.basis import basis
from analysis.answer.bests import bests
from analysis.answer.front import front
from analysis.answer.regrets import regrets
from analysis.answer.statements import Best
from analysis.selection.objectives import declared_objectives
from analysis.stats.fronts import knee
from tests.analysis.hand_made import grid, trials

DISCOUNT = "retrain.discount"


def discounts(*, adaptive: list[float], low: list[float], high: list[float]) -> pd.DataFrame:
    frame = grid({("adaptive",): adaptive, (0.2,): low, (0.8,): high}, DISCOUNT)
    return frame.assign(d=0.5)


def regret_words(frame: pd.DataFrame) -> str:
    (one,) = regrets(frame)
    return of_searches.regret_sentence(one)


def test_a_tuned_discount_that_is_clearly_better_is_to_be_used() -> None:
    """.8 is best at every seed: .1, .11 and .09 above the adaptive one."""
    frame = discounts(adaptive=[0.8, 0.8, 0.8], low=[0.5, 0.5, 0.5], high=[0.9, 0.91, 0.89])
    (one,) = regrets(frame)
    assert one.mean == pytest.approx(0.1) and one.n_tried == 2 and one.n_seeds == 3
    assert of_searches.regret_sentence(one).startswith(
        "Tune the discount: the best of up to 2, chosen on the other seeds, it gains 10.0 points ["
    )


def test_there_is_no_verdict_without_an_interval() -> None:
    (one,) = regrets(discounts(adaptive=[0.9, 0.91, 0.89], low=[0.5] * 3, high=[0.8] * 3))
    alone = replace(one, lo=math.nan, hi=math.nan, n_seeds=1)
    assert of_searches.regret_sentence(alone, 0.5) == (
        "No verdict between the adaptive discount and the tuned one (the best of up to 2, chosen on"
        " the other seeds): tuning loses 10.0 points (1 seed)."
    )


def test_an_adaptive_discount_that_is_clearly_better_is_said_to_be() -> None:
    frame = discounts(adaptive=[0.9, 0.91, 0.89], low=[0.5, 0.5, 0.5], high=[0.8, 0.8, 0.8])
    assert regret_words(frame).startswith("Leave the discount adaptive: it beats the tuned one")
    assert "by 10.0 points [" in regret_words(frame)


def test_no_clear_difference_recommends_adaptive_only_where_tuning_gains_too_little() -> None:
    wide = discounts(adaptive=[0.9, 0.8, 0.85], low=[0.1, 0.1, 0.1], high=[0.88, 0.85, 0.84])
    assert regret_words(wide).startswith("No clear difference between the adaptive discount and")
    close = discounts(adaptive=[0.9, 0.8, 0.85], low=[0.1, 0.1, 0.1], high=[0.9002, 0.7998, 0.8501])
    assert regret_words(close).startswith(
        "Leave the discount adaptive, since tuning gains at most 0.1 points. No clear difference"
    )


def test_two_seeds_leave_the_regret_unknown() -> None:
    words = regret_words(discounts(adaptive=[0.9, 0.8], low=[0.1, 0.1], high=[0.8, 0.7]))
    assert words.startswith("What the adaptive discount loses to a tuned one is not known: with 2")


def test_without_an_adaptive_discount_there_is_no_regret() -> None:
    words = regret_words(grid({(0.2,): [0.9], (0.8,): [0.8]}, DISCOUNT, d=0.5))
    assert words.endswith("no adaptive discount was tried beside the tuned ones.")
    assert regrets(grid({("adaptive",): [0.9]}, DISCOUNT, d=0.5)) == []


def best_of(frame: pd.DataFrame) -> list[Best]:
    ground = basis(frame, "method")
    assert ground is not None
    return bests(ground)


def splits(table: dict[Any, list[float]]) -> pd.DataFrame:
    frame = grid(table, "budget.dense_fraction", "prune.cycles", method="bimp")
    return frame.assign(**{"budget.epochs": 20.0})


def test_the_best_split_is_named_with_how_far_it_leads() -> None:
    """70 % and 2 cycles is .02 ahead of 50 % and 1 cycle at every seed, but for a hair."""
    (one,) = best_of(splits({
        (0.5, 1): [0.90, 0.91, 0.92], (0.7, 2): [0.92, 0.931, 0.939], (0.9, 1): [0.80, 0.81, 0.82],
    }))  # fmt: skip
    assert one.settings == {"budget.dense_fraction": 0.7, "prune.cycles": 2}
    assert one.second == {"budget.dense_fraction": 0.5, "prune.cycles": 1}
    assert one.reach.mean == pytest.approx(0.93) and one.reach.fair
    assert one.lead == pytest.approx(0.02) and one.lo > 0
    assert of_searches.best_sentence(one).startswith(
        "At 90 % use 70 % of the budget for the dense run and 2 cycles for the rest: what the other"
        " seeds choose reaches 93.0 % on test (3 settings tried, 3 seeds). It leads the next, 50 %"
    )


def test_two_seeds_cannot_say_which_split_is_best() -> None:
    (one,) = best_of(splits({(0.5, 1): [0.9, 0.9], (0.7, 2): [0.92, 0.93]}))
    assert not one.reach.fair and np.isnan(one.lead)
    assert of_searches.best_sentence(one) == (
        "At 90 % best on validation is 70 % of the budget for the dense run and 2 cycles for the"
        " rest: 92.5 % on test, at the 2 seeds that chose it (2 settings tried). The next is 50 %"
        " of the budget for the dense run and 1 cycle for the rest; 2 seeds cannot say which is"
        " better, which takes 3."
    )


def test_splits_that_tie_are_said_to() -> None:
    (one,) = best_of(splits({(0.5, 1): [0.9, 0.8, 0.7], (0.7, 2): [0.7, 0.9, 0.8]}))
    assert one.n_tied == 2
    assert of_searches.best_sentence(one).endswith(
        "A tie with 70 % of the budget for the dense run and 2 cycles for the rest."
    )
    four = {(share, 1): [0.9, 0.9, 0.9] for share in (0.5, 0.6, 0.7, 0.8)}
    assert of_searches.best_sentence(best_of(splits(four))[0]).endswith(
        "Four settings tie for the first place."
    )


def test_an_untuned_study_has_no_best_setting() -> None:
    assert best_of(grid({(0.8,): [0.9, 0.8], (0.9,): [0.9, 0.8]}, "prune.sparsity")) == []


def test_the_knee_is_nearest_to_the_ideal_in_shares_of_the_range() -> None:
    """(1, 0), (.8, .9), (0, 1): the middle one loses .2 and .1 of the ranges."""
    assert knee(np.array([[1.0, 0.0], [0.8, 0.9], [0.0, 1.0]])) == 1
    assert knee(np.array([[100.0, 0.0], [80.0, 0.9], [0.0, 1.0]])) == 1
    assert knee(np.array([[1.0, 2.0]])) == 0


def pareto() -> pd.DataFrame:
    rows = [
        {"prune.sparsity": s, "sparsity": s, "val": val, "retrain_epochs": e, "retrain.epochs": e}
        for s, val, e in ((0.5, 0.98, 6.0), (0.9, 0.97, 3.0), (0.99, 0.6, 2.0), (0.8, 0.9, 4.0))
    ]
    return trials(*rows)


AIMS = {"val_accuracy": "max", "sparsity": "max"}


def test_the_front_has_its_ends_and_its_knee() -> None:
    found = front(pareto(), {"val_accuracy": "max", "sparsity": "max"})
    assert found is not None and (found.n_front, found.n_configurations) == (3, 4)
    assert found.ends["val_accuracy"].objectives == {"val_accuracy": 0.98, "sparsity": 0.5}
    assert found.ends["sparsity"].objectives == {"val_accuracy": 0.6, "sparsity": 0.99}
    assert found.knee is not None
    assert found.knee.objectives == {"val_accuracy": 0.97, "sparsity": 0.9}
    first, compromise, *ends = of_searches.front_sentences(found)
    assert first.startswith(
        "3 of 4 configurations are beaten by no other in all of validation accuracy (high) and"
    )
    assert compromise == (
        "A good compromise, nearest to the best of all at once, is validation accuracy 97 % and"
        " sparsity 90 % (97.0 % on test): 3 epochs."
    )
    assert ends[0].startswith("The highest validation accuracy is 98 %, with sparsity 50 %")


def test_an_end_of_the_front_that_collapsed_is_said_to_be() -> None:
    """A network of one layer without weights may well be the sparsest: chance is no result."""
    found = front(pareto().assign(collapsed_layers=[0, 0, 1, 0]), AIMS)
    assert found is not None and found.ends["sparsity"].n_collapsed == 1
    first, compromise, accurate, sparse = of_searches.front_sentences(found)
    assert "(60.0 % on test; 1 of 1 trial collapsed)" in sparse
    assert "collapsed" not in first + compromise + accurate


def test_it_is_the_adaptive_discount_that_loses_at_worst() -> None:
    """Tuned gains nothing at 80 % and .1 at 90 %."""
    table = {("adaptive", 0.8): [0.8, 0.81, 0.79], (0.5, 0.8): [0.8, 0.81, 0.79],
             ("adaptive", 0.9): [0.7, 0.71, 0.69], (0.5, 0.9): [0.8, 0.81, 0.79],
             (0.2, 0.8): [0.1, 0.1, 0.1], (0.2, 0.9): [0.1, 0.1, 0.1]}  # fmt: skip
    words = regret_words(grid(table, DISCOUNT, "prune.sparsity", d=0.5))
    assert "At worst the adaptive one loses 10.0 points, at 90 %" in words


def test_objectives_are_those_that_all_folders_declare() -> None:
    one = {"search": {"objectives": AIMS}}
    assert declared_objectives({"a": one, "b": one}, pareto()) == AIMS
    assert declared_objectives({"a": one, "b": {}}, pareto()) == {}
    lone = {"search": {"objectives": {"val_accuracy": "max"}}}
    assert declared_objectives({"a": lone}, pareto()) == {}
    on_test = {"search": {"objectives": {"test_accuracy": "max", "sparsity": "max"}}}
    assert declared_objectives({"a": on_test}, pareto()) == {}
    assert front(pareto(), {}) is None

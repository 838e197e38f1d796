"""What to use and to avoid: verdicts, ties, few seeds, failures, both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from analysis.answer.advice import advice
from analysis.answer.basis import basis
from analysis.answer.of_advice import advice_sentences
from analysis.answer.statements import Advice
from analysis.stats import seeds_needed
from tests.analysis.hand_made import grid, trials

SLR, LLR, FT = "slr", "llr", "ft"
APART = {  # ft is .40, .399, .401 behind slr: settled with three seeds
    (SLR,): [0.95, 0.96, 0.97],
    (LLR,): [0.951, 0.959, 0.97],
    (FT,): [0.55, 0.561, 0.569],
}
BEHIND = [0.9, 0.92, 0.94]
AHEAD = [0.92, 0.97, 1.02]  # .02, .05 and .08 ahead: mean .05, spread .03, t = 2.89, p = .102


def given(table: dict[Any, Sequence[float | None]], *keys: str, **fixed: Any) -> list[Advice]:
    return advised(grid(table, *(keys or ("retrain.schedule",)), **fixed))


def advised(frame: pd.DataFrame) -> list[Advice]:
    ground = basis(frame)
    assert ground is not None
    return advice(ground)


def names(one: Advice) -> list[Any]:
    return [reach.name for reach in one.group]


def behind(one: Advice) -> list[tuple[Any, str]]:
    return [(lag.reach.name, lag.sureness) for lag in one.behind]


def test_what_is_settled_is_avoided_and_the_rest_is_not_told_to_differ() -> None:
    (one,) = given(APART)
    assert names(one) == [SLR, LLR]
    assert behind(one) == [(FT, "settled")]
    assert one.n_seeds == 3 and not one.tied
    assert one.behind[0].gap == pytest.approx(0.4, abs=1e-3)
    assert advice_sentences([one]) == [
        "At 90 % use SLR or LLR (96.0 %, no clear difference); avoid FT (56.0 %): settled with"
        " 3 seeds."
    ]


def test_what_is_likely_is_said_with_the_seeds_that_would_settle_it() -> None:
    (one,) = given({(LLR,): AHEAD, (FT,): BEHIND})
    assert behind(one) == [(FT, "likely")]
    assert one.behind[0].seeds == seeds_needed(0.05, 0.03, 1) == 6
    assert advice_sentences([one]) == [
        "At 90 % use LLR (97.0 %); avoid FT (92.0 %): likely, but 3 seeds do not prove it; about 6"
        " would."
    ]


def test_among_three_pairs_the_same_difference_only_looks_behind() -> None:
    """Holm makes .102 of three pairs .306: no verdict, so nothing is to be avoided."""
    (one,) = given({(SLR,): AHEAD, (LLR,): AHEAD, (FT,): BEHIND})
    assert behind(one) == [(FT, "open")]
    assert one.first == (SLR, LLR) and one.tied
    (sentence,) = advice_sentences([one])
    assert sentence.startswith(
        "At 90 % SLR or LLR (97.0 %, equal at every seed) came out ahead; FT (92.0 %) came out"
        " behind, which 3 seeds cannot prove; about "
    )
    assert "avoid" not in sentence and "use" not in sentence


def test_one_that_reaches_more_than_another_in_use_does_not_look_behind() -> None:
    """CLR is .02 behind LLR nearly evenly, so few seeds would settle it; FT is lower and noisy."""
    table = {(LLR,): [0.96, 0.97, 0.98], ("clr",): [0.93, 0.955, 0.97], (FT,): [0.99, 0.87, 0.93]}
    (one,) = given(table)
    assert one.first == (LLR,) and not one.behind
    (other,) = given({**table, (FT,): [0.99, 0.96, 0.99]})
    assert behind(other) == []
    (third,) = given({(LLR,): [0.96, 0.97, 0.98], ("clr",): [0.93, 0.955, 0.97],
                      (FT,): [0.95, 0.96, 0.98]})  # fmt: skip
    assert behind(third) == [("clr", "open")]


def test_what_many_seeds_would_be_needed_for_is_no_clear_difference() -> None:
    (one,) = given({(SLR,): [0.90, 0.95, 0.97], (FT,): [0.94, 0.93, 0.92]})
    assert not one.behind and names(one) == [FT, SLR]
    assert advice_sentences([one]) == [
        "At 90 % there is no clear difference between FT and SLR (93.0 to 94.0 %); SLR is first on"
        " validation."
    ]


def test_a_tie_is_called_a_tie() -> None:
    """Equal but for rounding: .1 + .2 is not .3 to the last bit."""
    same = [0.3, 0.5, 0.7]
    (one,) = given({(SLR,): same, (LLR,): [0.1 + 0.2, 0.5, 0.7], (FT,): same})
    assert one.tied and one.first == (FT, SLR, LLR)
    assert advice_sentences([one]) == [
        "At 90 % the three schedules are equal at every seed (50.0 %); FT, SLR and LLR tie for"
        " first on validation."
    ]


def test_exact_zeros_are_values() -> None:
    (one,) = given({(SLR,): [0.0, 0.0, 0.0], (FT,): [0.0, 0.0, 0.0]})
    assert one.tied
    assert "are equal at every seed (0.0 %)" in advice_sentences([one])[0]


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_seeds_give_no_verdict(n: int) -> None:
    (one,) = given({place: values[:n] for place, values in APART.items()})
    assert not one.behind and one.n_seeds == n
    (sentence,) = advice_sentences([one])
    assert (
        sentence.startswith("At 90 % ") and "first on validation; all three lie between" in sentence
    )
    assert "use" not in sentence.split() and "avoid" not in sentence


def test_less_is_better_where_the_metric_says_so() -> None:
    losses = {(SLR,): [0.10, 0.11, 0.12], (FT,): [0.50, 0.511, 0.519]}
    frame = grid(losses, "retrain.schedule").drop(columns=["val_accuracy", "test_accuracy"])
    frame["val_loss"] = [v for values in losses.values() for v in values]
    frame["test_loss"] = frame["val_loss"]
    (one,) = advised(frame)
    assert one.metric == "test_loss" and one.first == (SLR,)
    assert behind(one) == [(FT, "settled")]
    assert advice_sentences([one]) == [
        "At 90 % use SLR (0.11 nats); avoid FT (0.51 nats): settled with 3 seeds."
    ]


def test_failures_and_collapsed_models_stand_beside_the_mean() -> None:
    frame = grid({(SLR,): [0.95, 0.96, 0.97], (FT,): [0.10, 0.111, None]}, "retrain.schedule")
    frame["collapsed_layers"] = [0.0, 0.0, 0.0, 1.0, 0.0, float("nan")]
    (one,) = advised(frame)
    (sentence,) = advice_sentences([one])
    assert [reach.n_lost for reach in one.group] == [1, 0]
    assert "FT: 1 of 3 seeds lost, 1 collapsed" in sentence
    assert one.n_seeds == 2 and "avoid" not in sentence


def test_one_without_any_result_is_named() -> None:
    (one,) = given({**APART, ("clr",): [None, None, None]})
    assert one.lost == ("clr",)
    assert advice_sentences([one])[0].endswith("settled with 3 seeds; CLR did not get there.")


def test_places_without_a_difference_are_said_together() -> None:
    level = [0.90, 0.95, 0.97]
    table = {
        (name, sparsity): [value - i * 0.001 * (-1) ** seed for seed, value in enumerate(level)]
        for i, name in enumerate([SLR, LLR, FT])
        for sparsity in (0.8, 0.9)
    }
    found = given(table, "retrain.schedule", "prune.sparsity")
    assert len(found) == 2
    assert advice_sentences(found) == [
        "In both settings there is no clear difference between the three schedules (93.9 to"
        " 94.0 %)."
    ]


def test_a_tuned_one_is_scored_by_what_the_other_seeds_choose() -> None:
    """Two discounts, each best at one seed: at that seed the others choose the other one."""
    rows = [
        {"retrain.schedule": "allr", "retrain.discount": d, "seed": seed, "val": value}
        for d, values in ((0.1, [0.9, 0.5, 0.5]), (0.9, [0.5, 0.9, 0.9]))
        for seed, value in enumerate(values)
    ]
    rows += [{"retrain.schedule": "ft", "seed": seed, "val": 0.6} for seed in range(3)]
    (one,) = advised(trials(*rows))
    reach = next(reach for reach in one.group if reach.name == "allr")
    # Seed 0: the others choose .9, which has .5. Seeds 1, 2: means tie at .7, both are averaged.
    assert reach.mean == pytest.approx((0.5 + 0.7 + 0.7) / 3)
    assert reach.n_tried == 2 and reach.fair


def test_tuned_with_two_seeds_is_said_to_flatter() -> None:
    rows = [
        {"retrain.schedule": "allr", "retrain.discount": d, "seed": seed, "val": value}
        for d, value in ((0.1, 0.9), (0.9, 0.8))
        for seed in range(2)
    ]
    rows += [{"retrain.schedule": "ft", "seed": seed, "val": 0.6} for seed in range(2)]
    (one,) = advised(trials(*rows))
    reach = next(reach for reach in one.group if reach.name == "allr")
    assert reach.mean == pytest.approx(0.9) and not reach.fair
    assert "each at the setting that the same seeds chose" in advice_sentences([one])[0]

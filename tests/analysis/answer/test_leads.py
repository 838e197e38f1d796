"""Who is first over all places, and where the gain comes from."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.answer.advice import advice
from analysis.answer.basis import basis
from analysis.answer.leads import first_by_rank, lead
from analysis.answer.of_advice import lead_sentence
from analysis.answer.statements import Lead
from analysis.answer.whole import answer_of
from tests.analysis.hand_made import grid

KEYS = ("retrain.schedule", "prune.sparsity")


def lead_of(frame: pd.DataFrame) -> Lead:
    ground = basis(frame)
    assert ground is not None
    one = lead(ground, {}, first_by_rank(ground, {}))
    assert one is not None
    return one


def test_the_gain_is_the_mean_over_places_and_most_of_it_is_located() -> None:
    """.01 at 80 % and .11, .111, .109 at 95 %: .06 on average, most of it at 95 %."""
    one = lead_of(grid({
        ("llr", 0.8): [0.95, 0.96, 0.97], ("ft", 0.8): [0.94, 0.95, 0.96],
        ("llr", 0.95): [0.9, 0.91, 0.92], ("ft", 0.95): [0.79, 0.799, 0.811],
    }, *KEYS))  # fmt: skip
    (rival,) = one.rivals
    assert one.first == ("llr",) and one.n_places == 2
    assert rival.gain == pytest.approx(0.06)
    assert rival.most_at == 0.95 and rival.sureness == "settled"
    assert lead_sentence(one) == (
        "Over both settings LLR is first by mean rank on validation. On test it beats FT by 6.0"
        " points on average, most of it at 95 %: settled with 3 seeds."
    )


def test_where_the_leader_is_to_be_avoided_that_is_said() -> None:
    """LLR is first at 80 and 85 %, and .1 behind FT at 95 % at every seed."""
    levels = [0.95, 0.961, 0.969]
    table = {("llr", s): levels for s in (0.8, 0.85)}
    table |= {("ft", s): [v - 0.01 for v in levels] for s in (0.8, 0.85)}
    table |= {("llr", 0.95): [0.8, 0.81, 0.82], ("ft", 0.95): [0.9, 0.911, 0.919]}
    ground = basis(grid(table, *KEYS))
    assert ground is not None
    one = lead(ground, {}, first_by_rank(ground, {}))
    assert one is not None and one.first == ("llr",)
    assert lead_sentence(one, advice(ground)).startswith(
        "Over all 3 settings LLR is first by mean rank on validation, though it is one to avoid at"
        " 95 %. On test"
    )


def test_a_gain_that_is_even_is_not_located() -> None:
    one = lead_of(grid({
        ("llr", s): [0.95, 0.96, 0.97] for s in (0.8, 0.9)
    } | {("ft", s): [0.94, 0.95, 0.96] for s in (0.8, 0.9)}, *KEYS))  # fmt: skip
    assert one.rivals[0].most_at is None


def test_first_places_that_tie_are_all_named() -> None:
    table = {(name, s): [0.9, 0.91, 0.95] for name in ("slr", "llr") for s in (0.8, 0.9)}
    table |= {("ft", s): [0.1, 0.2, 0.3] for s in (0.8, 0.9)}
    one = lead_of(grid(table, *KEYS))
    assert one.first == ("slr", "llr")
    assert "SLR and LLR tie for the first place by mean rank" in lead_sentence(one)
    assert "Between SLR and LLR there is no clear difference (0.0 points" in lead_sentence(one)
    few = lead_of(grid({key: values[:1] for key, values in table.items()}, *KEYS))
    assert lead_sentence(few).endswith(
        "The mean of SLR differs from that of FT or LLR by 0.0 to 80.0 points, on which there is no"
        " verdict."
    )


def test_two_seeds_say_what_differs_and_give_no_verdict() -> None:
    one = lead_of(grid({
        ("llr", 0.8): [0.95, 0.96], ("ft", 0.8): [0.94, 0.95],
        ("llr", 0.95): [0.9, 0.91], ("ft", 0.95): [0.79, 0.799],
    }, *KEYS))  # fmt: skip
    assert one.rivals[0].sureness is None
    assert lead_sentence(one).endswith(
        "Its mean differs from that of FT by 6.0 points, on which there is no verdict."
    )


def test_one_place_or_one_schedule_has_no_lead_over_all_places() -> None:
    alone = basis(grid({("llr", 0.8): [0.9], ("llr", 0.9): [0.8]}, *KEYS))
    assert alone is not None and lead(alone, {}, ("imp",)) is None
    assert first_by_rank(alone, {}) == ("imp",)
    one_place = basis(grid({("llr", 0.8): [0.9], ("ft", 0.8): [0.8]}, *KEYS))
    assert one_place is not None and lead(one_place, {}, ("llr",)) is None


def tasks_of_lists() -> pd.DataFrame:
    """FT errs more than LLR at two sparsities, under two lists and without one."""
    return grid({
        (stages, name, s): [worth + s / 10] * 3
        for stages in ((4, 8), (4,), None)
        for name, worth in (("llr", 0.8), ("ft", 0.7))
        for s in (0.8, 0.9)
    }, "task.stages", *KEYS)  # fmt: skip


def test_a_task_that_lacks_what_others_have_has_a_leader_too() -> None:
    leads = answer_of(tasks_of_lists()).leads
    assert [(one.task, one.first, one.n_places) for one in leads] == [
        ({"task.stages": (4, 8)}, ("llr",), 2),
        ({"task.stages": (4,)}, ("llr",), 2),
        ({"task.stages": None}, ("llr",), 2),
    ]


def test_nobody_leads_where_the_metric_was_never_measured() -> None:
    frame = tasks_of_lists().assign(val_accuracy=float("nan"), test_accuracy=float("nan"))
    assert answer_of(frame).leads == ()


def test_all_of_a_data_set_is_another_place_than_a_hundred_images_of_it() -> None:
    table = {(None, "llr"): [0.9] * 3, (None, "ft"): [0.8] * 3,
             (100, "llr"): [0.6] * 3, (100, "ft"): [0.7] * 3}  # fmt: skip
    found = answer_of(grid(table, "task.dataset.n_train", KEYS[0]))
    assert {one.at["task.dataset.n_train"] for one in found.advice} == {None, 100}
    first = {cost.at["task.dataset.n_train"]: cost.name for cost in found.costs}
    assert first == {None: "llr", 100: "ft"}

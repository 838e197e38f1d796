"""Who stands for a series in a block, against its definition in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.columns.rows import records, tuples
from analysis.selection.contest import means, tuned_note
from analysis.selection.stand_ins import best_configurations, candidates_of, stand_ins
from tests.analysis.hand_made import NAN, grid, trials

BY = "retrain.schedule"
BLOCK = ["prune.sparsity"]
VALUES = (0.5, 0.75, None, "diverged")

TABLES = st.dictionaries(
    st.tuples(
        st.sampled_from(["ft", "allr", None]),
        st.sampled_from([0.8, 0.9]),
        st.sampled_from([NAN, 0.1, 0.2]),
    ).map(lambda key: (key[0], key[1], str(key[2]))),
    st.lists(st.sampled_from(VALUES), min_size=3, max_size=4),
    min_size=1,
    max_size=9,
)
Table = dict[tuple[str | None, float, str], list[Any]]
Row = tuple[Any, ...]


def frame_of(table: Table) -> pd.DataFrame:
    """Trials by (schedule, sparsity, discount) and seed: an accuracy, or how it ended."""
    rows = []
    for (schedule, sparsity, discount), values in table.items():
        at = {"prune.sparsity": sparsity, "retrain.discount": float(discount), BY: schedule}
        for seed, value in enumerate(values):
            ends = {"state": "failed"} if value is None else {"val": value}
            if value == "diverged":
                ends = {"state": "diverged"}
            rows.append({**at, "seed": seed, **ends})
    return trials(*rows)


def standing(table: Table) -> list[Row]:
    """(schedule, sparsity, seed, accuracy or None, tried, at a seed that chose) by definition."""
    cells: dict[Any, list[list[Any]]] = defaultdict(list)
    for (schedule, sparsity, _), values in table.items():
        if schedule is not None:
            cells[schedule, sparsity].append([v if isinstance(v, float) else None for v in values])
    found: list[Row] = []
    for place, tried in cells.items():
        n_done = [sum(v is not None for v in values) for values in tried]
        able = [values for values, n in zip(tried, n_done, strict=True) if n == max(n_done)]
        best = max(able, key=lambda v: fmean([x for x in v if x is not None] or [-1.0]))
        lost = [(*place, seed, None, len(tried), False) for seed, v in enumerate(best) if v is None]
        shared = [s for s in range(4) if all(len(v) > s and v[s] is not None for v in able)]
        if len(able) == 1 or len(shared) < 3:
            own = len(able) > 1
            found += [(*place, s, v, len(tried), own) for s, v in enumerate(best) if v is not None]
        else:
            for seed in shared:
                means = [fmean(v[s] for s in shared if s != seed) for v in able]
                score = fmean(v[seed] for v, m in zip(able, means, strict=True) if m == max(means))
                found.append((*place, seed, score, len(tried), False))
        found += lost
    return sorted(found, key=str)


@settings(max_examples=80)
@given(TABLES)
def test_who_stands_follows_from_the_definition(table: Table) -> None:
    chosen = stand_ins(frame_of(table), BY, BLOCK)
    found = [
        (
            row[BY],
            row["prune.sparsity"],
            row["seed"],
            None if math.isnan(row["val_accuracy"]) else row["val_accuracy"],
            row["n_configurations"],
            row["self_chosen"],
        )
        for row in records(chosen)
    ]
    assert sorted(found, key=str) == standing(table)


def three() -> pd.DataFrame:
    """Two discounts of allr of which the other seeds choose .5, .1 and .5; llr has one setting."""
    frame = grid(
        {("allr", 0.1): [0.90, 0.80, 0.85], ("allr", 0.5): [0.85, 0.90, 0.80],
         ("llr", NAN): [0.7, 0.7, 0.7]},
        BY, "retrain.discount",
    )  # fmt: skip
    frame["test_accuracy"] = frame["retrain.discount"].fillna(0.0) + frame["seed"] / 100
    return frame


def test_at_each_seed_stands_what_the_others_choose() -> None:
    # .1 at the seeds 1 2, 0 2, 0 1: .825 .875 .85; .5: .85 .825 .875
    chosen = stand_ins(three(), BY, BLOCK)
    allr = chosen[chosen[BY] == "allr"].sort_values("seed")
    assert allr["retrain.discount"].tolist() == [0.5, 0.1, 0.5]
    assert allr["test_accuracy"].tolist() == pytest.approx([0.50, 0.11, 0.52])
    assert allr["chosen_elsewhere"].all() and not allr["self_chosen"].any()
    llr = chosen[chosen[BY] == "llr"]
    assert not llr["chosen_elsewhere"].any() and (llr["n_configurations"] == 1).all()


def test_two_seeds_stand_by_their_own_choice_and_are_marked() -> None:
    frame = three()
    chosen = stand_ins(frame[frame["seed"] < 2], BY, BLOCK)
    allr = chosen[chosen[BY] == "allr"]
    assert allr["retrain.discount"].tolist() == [0.5, 0.5]  # .875 to .85
    assert allr["self_chosen"].all() and not allr["chosen_elsewhere"].any()
    assert "With fewer than 3 seeds it cannot be known" in tuned_note(chosen, BY)
    (row,) = tuples(means(allr, [BY], "test_accuracy"))
    assert (row.mean, row.n) == (pytest.approx(0.505), 2)
    assert math.isnan(row.lo) and row.self_chosen


def test_an_interval_allows_for_the_choices_that_seeds_share() -> None:
    chosen = stand_ins(three(), BY, BLOCK)
    llr, allr = tuples(means(chosen, [BY], "val_accuracy"))
    # .85, .80 and .80: spread .02887; Student's 4.30265 times the root of 1/3 + 1/2
    half = 4.30265 * 0.0288675 * math.sqrt(1 / 3 + 1 / 2)
    assert allr.hi - allr.mean == pytest.approx(half, rel=1e-5)
    assert (llr.lo, llr.hi) == (pytest.approx(0.7), pytest.approx(0.7))
    high = chosen.assign(val_accuracy=chosen["val_accuracy"] + 0.15)
    assert tuples(means(high, [BY], "val_accuracy"))[1].hi == 1.0  # no accuracy is above one


def test_the_numbers_of_ties_are_averaged() -> None:
    frame = three()
    frame["val_accuracy"] = [0.1 + 0.2, 0.3, 0.3, 0.3, 0.3, 0.1 + 0.2, 0.7, 0.7, 0.7]
    allr = stand_ins(frame, BY, BLOCK).query(f"`{BY}` == 'allr'")
    assert allr["test_accuracy"].tolist() == pytest.approx([0.30, 0.31, 0.32])
    assert allr["chosen_elsewhere"].all()


def searched() -> pd.DataFrame:
    """A search at seed 0, of which .5 was confirmed at the seeds 1 and 2."""
    frame = grid({("allr", 0.1): [0.90], ("allr", 0.5): [0.95, 0.8, 0.81]}, BY, "retrain.discount")
    return frame.assign(**{"origin.number": [0.0, 1.0, 1.0, 1.0]})


def test_what_a_search_confirmed_stands_at_seeds_that_did_not_choose_it() -> None:
    chosen = stand_ins(searched(), BY, BLOCK)
    assert chosen["val_accuracy"].tolist() == [0.8, 0.81]
    assert not chosen["self_chosen"].any() and not chosen["chosen_elsewhere"].any()
    # Without a search the other setting is just not done at these seeds yet.
    grid_ = stand_ins(searched().drop(columns="origin.number"), BY, BLOCK)
    assert grid_["val_accuracy"].tolist() == [0.95, 0.8, 0.81]


def test_of_two_confirmed_the_seeds_that_do_not_score_choose() -> None:
    more = grid({("allr", 0.3): [0.92, 0.9, 0.9]}, BY, "retrain.discount")
    frame = pd.concat([searched(), more.assign(**{"origin.number": 2.0})], ignore_index=True)
    # At seed 1 .3 has (.92 + .9) / 2 at the others, .5 (.95 + .81) / 2; at seed 2 the like.
    assert stand_ins(frame, BY, BLOCK)["val_accuracy"].tolist() == [0.9, 0.9]


def test_what_one_would_use_is_named_with_its_ties() -> None:
    frame = three()
    favourite = best_configurations(frame, BY, BLOCK).query(f"`{BY}` == 'allr'")
    assert favourite["retrain.discount"].tolist() == [0.1] * 3  # both have .85: the first tried
    assert favourite["n_tied"].tolist() == [1, 1, 1]
    both = best_configurations(frame, BY, BLOCK, ties=True).query(f"`{BY}` == 'allr'")
    assert both["retrain.discount"].tolist() == [0.1] * 3 + [0.5] * 3


def test_those_that_may_be_chosen() -> None:
    kept = candidates_of(searched(), BY, BLOCK)
    assert kept["val_accuracy"].tolist() == [0.8, 0.81]
    assert len(candidates_of(searched(), BY, BLOCK, unseen=False)) == 3
    assert len(candidates_of(three(), BY, BLOCK)) == 9


def test_of_equal_means_the_first_tried_stands() -> None:
    frame = grid({("allr", 0.5): [0.9, 0.8], ("allr", 0.1): [0.8, 0.9]}, BY, "retrain.discount")
    assert stand_ins(frame, BY, BLOCK)["retrain.discount"].tolist() == [0.5, 0.5]


def test_a_missing_key_is_a_place_of_its_own() -> None:
    frame = grid({("ft", 1.0): [0.9], ("ft", NAN): [0.8, 0.7]}, BY, "retrain.epochs")
    chosen = stand_ins(frame, BY, ["retrain.epochs"])
    assert chosen["n_configurations"].tolist() == [1, 1, 1]
    assert chosen["retrain.epochs"].isna().tolist() == [False, True, True]


def test_no_trial_of_any_series_leaves_none() -> None:
    frame = trials({BY: None}).astype({BY: object})
    chosen = stand_ins(frame, BY, BLOCK)
    assert chosen.empty and "n_configurations" in chosen


def test_rows_are_named_and_come_in_order() -> None:
    table = pd.DataFrame({"x": [1, 2], "prune.sparsity": [0.5, NAN]}, index=[7, 3])
    first, second = tuples(table)
    assert (first.Index, first.x, first[2]) == (7, 1, 0.5)
    assert (second.Index, second.x) == (3, 2) and math.isnan(second[2])
    assert tuples(table.head(0)) == []


def test_a_configuration_beyond_its_bounds_stands_only_where_none_is_within() -> None:
    frame = grid(
        {("allr", 0.1): [0.9, 0.9], ("allr", 0.5): [0.8, 0.8], ("ft", 0.1): [0.7, 0.7]},
        BY, "retrain.discount",
    )  # fmt: skip
    # allr's 0.1 is beyond under one seed, as is ft's only configuration.
    frame["origin.beyond"] = [0.0, 0.02, 0.0, 0.0, 0.01, 0.01]
    chosen = stand_ins(frame, BY, BLOCK)
    assert chosen["val_accuracy"].tolist() == [0.8, 0.8, 0.7, 0.7]
    assert chosen["n_configurations"].tolist() == [2, 2, 1, 1]
    assert "within the search's bounds" in tuned_note(chosen, BY)
    frame.loc[frame["val_accuracy"] == 0.8, "state"] = "failed"
    assert stand_ins(frame, BY, BLOCK)["val_accuracy"].tolist() == [0.9, 0.9, 0.7, 0.7]


def test_a_configuration_that_lost_a_seed_does_not_stand_before_a_whole_one() -> None:
    frame = grid(
        {("allr", 0.1): [0.99, None], ("allr", 0.5): [0.90, 0.90]},
        "retrain.schedule", "retrain.discount",
    )  # fmt: skip
    chosen = stand_ins(frame, "retrain.schedule", ["prune.sparsity"])
    assert chosen["retrain.discount"].unique().tolist() == [0.5]


def test_stand_ins_need_validation() -> None:
    frame = trials({}).drop(columns="val_accuracy")
    with pytest.raises(ValueError, match="val_accuracy"):
        stand_ins(frame, "retrain.schedule", ["prune.sparsity"])


def test_of_equal_settings_none_is_better_for_having_been_chosen() -> None:
    """Thirteen equally good discounts against one setting of ft, a network's luck .3 throughout."""
    rng = np.random.default_rng(0)
    fair, naive = [], []
    for _ in range(40):
        luck = rng.normal(0, 0.3, (14, 3)) + rng.normal(0, 0.3, 3)
        table = {("allr", place / 20): list(row) for place, row in enumerate(luck[:13], start=1)}
        frame = grid({**table, ("ft", NAN): list(luck[13])}, BY, "retrain.discount")
        for chosen, gaps in (
            (stand_ins(frame, BY, BLOCK), fair),
            (best_configurations(frame, BY, BLOCK), naive),
        ):
            values = chosen.groupby(BY)["test_accuracy"].mean()
            gaps.append(values["allr"] - values["ft"])
    error = float(np.std(fair, ddof=1)) / math.sqrt(len(fair))
    assert abs(np.mean(fair)) < 3 * error
    assert np.mean(naive) > 0.2  # the best of thirteen means of three: 1.67 times .3 / sqrt(3)

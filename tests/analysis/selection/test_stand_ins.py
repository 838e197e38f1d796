"""Who stands for a series in a block, against its definition in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.columns.rows import records, tuples
from analysis.selection import blocks
from analysis.selection.contest import tuned_note
from tests.analysis.hand_made import NAN, grid, trials

BY = "retrain.schedule"
BLOCK = ["prune.sparsity"]
VALUES = (0.5, 0.75, None, "diverged")

POINTS = st.lists(
    st.tuples(
        st.sampled_from(["ft", "allr", None]),
        st.sampled_from([0.8, 0.9]),
        st.sampled_from([NAN, 0.1, 0.2]),
        st.integers(0, 2),
        st.sampled_from(VALUES),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda point: (point[0], point[1], str(point[2]), point[3]),
)


def frame_of(points: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Trials of (schedule, sparsity, discount, seed, accuracy or how it ended)."""
    rows = []
    for schedule, sparsity, discount, seed, value in points:
        ends = {"state": "failed"} if value is None else {"val": value}
        if value == "diverged":
            ends = {"state": "diverged"}
        at = {"prune.sparsity": sparsity, "retrain.discount": discount, BY: schedule}
        rows.append({**at, "seed": seed, **ends})
    return trials(*rows)


def standing(points: list[tuple[Any, ...]]) -> dict[tuple[Any, Any], tuple[str, int]]:
    """By (schedule, sparsity): the discount that stands, as text, and how many were tried."""
    tried: dict[Any, dict[str, list[float]]] = defaultdict(dict)
    for schedule, sparsity, discount, _, value in points:
        if schedule is not None:
            scores = tried[schedule, sparsity].setdefault(str(discount), [])
            scores += [value] if isinstance(value, float) else []
    found = {}
    for place, settings_ in tried.items():
        best = max(settings_, key=lambda d: (len(settings_[d]), fmean(settings_[d] or [-1.0])))
        found[place] = (best, len(settings_))
    return found


@settings(max_examples=60)
@given(POINTS)
def test_the_configuration_with_most_done_seeds_then_the_best_mean_stands(
    points: list[tuple[Any, ...]],
) -> None:
    frame = frame_of(points)
    chosen = blocks.stand_ins(frame, BY, BLOCK)
    found = {
        (row[BY], row["prune.sparsity"]): (str(row["retrain.discount"]), row["n_configurations"])
        for row in records(chosen)
    }
    assert found == standing(points)
    kept = [p for p in points if standing(points).get(p[:2], ("", 0))[0] == str(p[2])]
    assert chosen["fingerprint"].tolist() == frame_of(points)["fingerprint"].iloc[
        [points.index(p) for p in kept]
    ].tolist()  # fmt: skip


def test_of_equal_means_the_first_tried_stands() -> None:
    frame = grid({("allr", 0.5): [0.9, 0.8], ("allr", 0.1): [0.8, 0.9]}, BY, "retrain.discount")
    assert blocks.stand_ins(frame, BY, BLOCK)["retrain.discount"].tolist() == [0.5, 0.5]


def test_a_missing_key_is_a_place_of_its_own() -> None:
    frame = grid({("ft", 1.0): [0.9], ("ft", NAN): [0.8, 0.7]}, BY, "retrain.epochs")
    chosen = blocks.stand_ins(frame, BY, ["retrain.epochs"])
    assert chosen["n_configurations"].tolist() == [1, 1, 1]
    assert chosen["retrain.epochs"].isna().tolist() == [False, True, True]


def test_no_trial_of_any_series_leaves_none() -> None:
    frame = trials({BY: None}).astype({BY: object})
    chosen = blocks.stand_ins(frame, BY, BLOCK)
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
    chosen = blocks.stand_ins(frame, BY, BLOCK)
    assert chosen["val_accuracy"].tolist() == [0.8, 0.8, 0.7, 0.7]
    assert chosen["n_configurations"].tolist() == [2, 2, 1, 1]
    assert "within the search's bounds" in tuned_note(chosen, BY)
    frame.loc[frame["val_accuracy"] == 0.8, "state"] = "failed"
    assert blocks.stand_ins(frame, BY, BLOCK)["val_accuracy"].tolist() == [0.9, 0.9, 0.7, 0.7]

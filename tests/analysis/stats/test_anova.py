"""The exact analysis of variance on grids worked out by hand; statsmodels in `test_oracles.py`."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import anova, complete
from tests.analysis.small import hand_frame

FACTORS = ["retrain.schedule", "prune.sparsity"]
SCHEDULES, SPARSITIES = ("ft", "slr", "llr"), (0.8, 0.9, 0.95)

CELLS = np.array([[8.0, 7.0, 9.0], [8.0, 11.0, 11.0], [11.0, 12.0, 13.0]])
"""10 + (-2, 0, 2) by schedule + (-1, 0, 1) by sparsity + 1, -1; -1, 1 in the first two of both."""


def grid(noise: np.ndarray | None = None) -> pd.DataFrame:
    """The cells, once per seed with that seed's noise [seeds, schedules, sparsities] added."""
    values = CELLS + (np.zeros((1, 3, 3)) if noise is None else noise)
    rows = [
        (schedule, sparsity, seed, values[seed, a, b])
        for seed in range(len(values))
        for a, schedule in enumerate(SCHEDULES)
        for b, sparsity in enumerate(SPARSITIES)
    ]
    return hand_frame([*FACTORS, "seed", "val_loss"], rows)


def test_three_by_three_with_interaction_by_hand() -> None:
    table = anova(grid(), FACTORS, "val_loss").set_index("term")
    # 3 (4 + 0 + 4) = 24; 3 (1 + 0 + 1) = 6; four cells of the interaction are +-1
    assert table["ss"].tolist() == pytest.approx([24, 6, 4])
    assert table.index.tolist() == [
        ("retrain.schedule",), ("prune.sparsity",), ("retrain.schedule", "prune.sparsity"),
    ]  # fmt: skip
    assert table["share"].tolist() == pytest.approx([24 / 34, 6 / 34, 4 / 34])
    assert table["df"].tolist() == [2, 2, 4]
    assert table["order"].tolist() == [1, 1, 2]
    assert table[["noise", "f", "p"]].isna().all().all()  # one seed says nothing of noise
    assert table["n_cells"].unique().tolist() == [9]


def test_noise_is_what_is_left_within_cells_once_seeds_are_taken_out() -> None:
    # Seed 1 is better by .5 everywhere, which is no noise; cells of the first column part by +-.3.
    noise = np.zeros((2, 3, 3))
    noise[1] += 0.5
    noise[0, :2, 0], noise[1, :2, 0] = (0.3, -0.3), (-0.3, 0.3)
    noise[1, :2, 0] += 0.5
    table = anova(grid(noise), FACTORS, "val_loss")
    # Four residuals of +-.3 and eight degrees of freedom: .36 / 8 = .045
    assert table["ss"].tolist() == pytest.approx([24, 6, 4])
    assert table["f"].tolist() == pytest.approx([2 * 24 / 2 / 0.045, 2 * 3 / 0.045, 2 * 1 / 0.045])
    assert table["noise"].tolist() == pytest.approx([2 * 0.0225 / 34, 2 * 0.0225 / 34, 0.09 / 34])
    assert (table["p"] < 0.001).all()
    assert table["n_seeds"].tolist() == [2, 2, 2]


def test_only_seeds_that_all_cells_have_count() -> None:
    frame = grid(np.zeros((2, 3, 3)))
    frame.loc[0, "state"] = "failed"
    frame.loc[0, "val_loss"] = math.nan
    frame.loc[frame["seed"] == 0, "val_loss"] += np.arange(9)
    assert anova(frame, FACTORS, "val_loss")["ss"].tolist() == pytest.approx([24, 6, 4])
    frame.loc[17, "state"] = "diverged"
    with pytest.raises(ValueError, match="all cells must have a seed in common, got none"):
        anova(frame, FACTORS, "val_loss")


def test_a_grid_with_a_hole_is_refused() -> None:
    assert complete(grid(), FACTORS, "val_loss")
    hole = grid().drop(index=[4])
    assert not complete(hole, FACTORS, "val_loss")
    with pytest.raises(ValueError, match="complete, got 1 of 9 cells without a trial"):
        anova(hole, FACTORS, "val_loss")
    flat = grid().query("`prune.sparsity` == 0.9")
    assert not complete(flat, FACTORS, "val_loss")
    with pytest.raises(ValueError, match=r"prune.sparsity must have two levels at least, got 1"):
        anova(flat, FACTORS, "val_loss")
    with pytest.raises(ValueError, match="factors must be 1 to 4 columns, got 0"):
        anova(grid(), [], "val_loss")
    with pytest.raises(ValueError, match="2 trials with one cell share"):
        anova(pd.concat([grid(), grid()]), FACTORS, "val_loss")


def test_cells_that_do_not_differ_have_no_shares() -> None:
    frame = grid().assign(val_loss=0.1 + 0.2)
    frame.loc[::2, "val_loss"] = 0.3
    table = anova(frame, FACTORS, "val_loss")
    assert table["share"].isna().all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-9, 9), min_size=12, max_size=12))
def test_shares_add_up_and_no_seed_effect_counts(values: list[int]) -> None:
    cells = np.array(values, dtype=float).reshape(3, 2, 2)
    rows = [
        (a, b, c, seed, cells[a, b, c] + 100 * seed)
        for a in range(3) for b in range(2) for c in range(2) for seed in range(2)
    ]  # fmt: skip
    table = anova(
        hand_frame(["a", "b", "c", "seed", "val_loss"], rows), ["a", "b", "c"], "val_loss"
    )
    assert len(table) == 7
    total = float(((cells - cells.mean()) ** 2).sum())
    assert table["ss"].sum() == pytest.approx(total, abs=1e-8)
    if total:
        assert table["share"].sum() == pytest.approx(1)
    main = table[table["term"] == ("a",)]["ss"].iloc[0]
    assert main == pytest.approx(4 * ((cells.mean(axis=(1, 2)) - cells.mean()) ** 2).sum())

"""Components of variance worked out by hand; REML as a second witness is in `test_oracles.py`."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.stats import components
from tests.analysis.small import hand_frame

COLUMNS = ["retrain.schedule", "seed", "again", "val_accuracy"]


def nested(shift: float = 0.0, schedule: str = "ft") -> list[tuple[object, ...]]:
    """Two dense runs, each retrained twice: .80 .82 and .90 .92."""
    values = {(0, 0): 0.80, (0, 1): 0.82, (1, 0): 0.90, (1, 1): 0.92}
    return [(schedule, seed, again, value + shift) for (seed, again), value in values.items()]


def test_a_nested_design_by_hand() -> None:
    found = components(hand_frame(COLUMNS, nested()), "val_accuracy", [], "again", n_images=10_000)
    assert found is not None
    # Within dense runs 2 * 2 * .01^2 / 2 = .0002; between them 4 * .05^2 / 1 = .01, so the dense
    # run's is (.01 - .0002) / 2; ten thousand images at .86 give .86 * .14 / 10000.
    assert found.evaluation == pytest.approx(1.204e-5)
    assert found.retraining == pytest.approx(0.0002 - 1.204e-5)
    assert found.dense == pytest.approx(0.0049)
    assert found.total == pytest.approx(0.0051)
    assert found.shares["dense"] == pytest.approx(49 / 51)
    assert (found.n_seeds, found.n_trials, found.n_settings, found.below_zero) == (2, 4, 1, ())
    assert found.error_of_mean(2, 2) == pytest.approx(math.sqrt((0.0049 + 0.0001) / 2))


def test_settings_are_pooled_and_their_means_do_not_count() -> None:
    frame = hand_frame(COLUMNS, [*nested(), *nested(-0.3, "slr")])
    found = components(frame, "val_accuracy", ["retrain.schedule"], "again")
    assert found is not None
    assert found.dense == pytest.approx(0.0049)
    assert found.retraining == pytest.approx(0.0002)
    assert math.isnan(found.evaluation)
    assert (found.n_seeds, found.n_settings) == (2, 2)
    assert set(found.shares) == {"dense", "retraining"}


def test_dense_runs_retrained_once_hold_both() -> None:
    frame = hand_frame(COLUMNS, [row for row in nested() if row[2] == 0])
    found = components(frame, "val_accuracy", [], n_images=1000)
    assert found is not None
    assert found.evaluation == pytest.approx(0.85 * 0.15 / 1000)
    assert found.dense == pytest.approx(0.005 - 0.0001275)
    assert math.isnan(found.retraining)
    assert sum(found.shares.values()) == pytest.approx(1)


def test_few_images_explain_at_most_what_varies() -> None:
    found = components(hand_frame(COLUMNS, nested()), "val_accuracy", [], "again", n_images=100)
    assert found is not None
    assert found.evaluation == pytest.approx(0.0002)  # not .86 * .14 / 100 = .0012
    assert found.retraining == 0
    assert found.total == pytest.approx(0.0051)


def test_an_estimate_below_zero_is_zero_and_named() -> None:
    rows = [("ft", 0, 0, 0.8), ("ft", 0, 1, 0.9), ("ft", 1, 0, 0.9), ("ft", 1, 1, 0.8)]
    found = components(hand_frame(COLUMNS, rows), "val_accuracy", [], "again")
    assert found is not None
    assert (found.dense, found.below_zero) == (0.0, ("dense",))
    assert found.retraining == pytest.approx(0.005)


def test_runs_that_failed_leave_an_unbalanced_design() -> None:
    frame = hand_frame(COLUMNS, nested())
    frame.loc[3, "state"] = "failed"
    found = components(frame, "val_accuracy", [], "again")
    assert found is not None
    # .80 .82 and .90: within .0002 / 1, between 2 (.03)^2 + (.06)^2 = .0054, runs each 3 - 5/3
    assert found.dense == pytest.approx((0.0054 - 0.0002) / (4 / 3))


def test_what_cannot_be_split_is_none() -> None:
    frame = hand_frame(COLUMNS, nested())
    assert components(frame[frame["seed"] == 0], "val_accuracy", [], "again") is None
    assert components(frame[:0], "val_accuracy", []) is None
    with pytest.raises(ValueError, match="2 trials with one setting share their seed; they"):
        components(frame.assign(**{"dense.lr": [1, 2, 3, 4]}), "val_accuracy", [])


def test_components_find_the_truth() -> None:
    rng = np.random.default_rng(3)
    dense = 0.03 * rng.normal(size=400)
    rows = [
        ("ft", seed, again, luck + 0.01 * rng.normal())
        for seed, luck in enumerate(dense)
        for again in range(2)
    ]
    found = components(pd.DataFrame(rows, columns=COLUMNS).assign(state="done"), "val_accuracy",
                       [], "again")  # fmt: skip
    assert found is not None
    assert found.dense == pytest.approx(0.0009, rel=0.2)
    assert found.retraining == pytest.approx(0.0001, rel=0.2)

"""What a study compares, and which of its trials."""

from __future__ import annotations

from analysis.selection import series
from tests.analysis.hand_made import NAN, trials


def test_series_are_methods_before_schedules() -> None:
    both = trials({"method": "imp"}, {"method": "bimp", "retrain.schedule": "llr"})
    assert series.series_column(both) == "method"
    schedules = trials({"retrain.schedule": "ft"}, {"retrain.schedule": "llr"})
    assert series.series_column(schedules) == "retrain.schedule"
    structures = trials({"prune.structure": "filters"}, {})
    assert series.series_column(structures) == "prune.structure"
    assert series.series_column(trials({})) == "method"


def test_budget_is_retraining_unless_a_method_has_one_budget() -> None:
    assert series.budget_column(trials({})) == "retrain.epochs"
    frame = trials(
        {"retrain.epochs": 3.0},
        {"method": "gmp", "budget.epochs": 23.0, "retrain.epochs": NAN, "dense.epochs": NAN},
    )
    assert series.budget_column(frame) == "budget.epochs"
    assert series.comparable(frame)["budget.epochs"].tolist() == [23.0, 23.0]


def test_a_trial_in_two_studies_counts_once() -> None:
    frame = trials({}, {"study": "other"})
    frame["fingerprint"] = "same"
    assert len(series.comparable(frame)) == 1


def test_of_a_trial_in_two_studies_the_done_copy_counts() -> None:
    frame = trials({"state": "failed"}, {"study": "other", "val": 0.9})
    relabelled = frame.assign(fingerprint=["small/same", "other/same"])
    frame["fingerprint"] = "same"
    assert series.comparable(frame)["val_accuracy"].tolist() == [0.9]
    assert len(series.comparable(relabelled)) == 2

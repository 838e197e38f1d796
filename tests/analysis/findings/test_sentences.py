"""Findings as a whole: the tally, collapsed trials, likeness within a margin, seeds needed."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.findings import sentences
from analysis.findings.resolution import resolutions, seeds_sentence
from analysis.selection.likeness import likeness_sentence, sets_alike
from analysis.stats import seeds_needed, smallest_difference
from tests.analysis.hand_made import grid, trials


def test_tally() -> None:
    frame = trials({}, {"seed": 1, "state": "failed"}, {"retrain.schedule": "ft"})
    assert sentences.tally(frame) == (
        "3 trials of 2 configurations under 2 seeds: 2 done and 1 failed."
    )


def test_collapsed_trials_are_named_with_their_contestants() -> None:
    frame = grid(
        {(name, s): [0.9, 0.9] for name in ("llr", "ft") for s in (0.8, 0.9)},
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip
    assert sentences.collapsed(frame) == ""
    llr = frame["retrain.schedule"] == "llr"
    frame["collapsed_layers"] = llr.astype(float).mask(frame.index == frame.index[-1], 2.0)
    said = sentences.collapsed(frame)
    assert said.startswith("5 trials collapsed, 4 of LLR and 1 of FT: a layer has no weight left")
    assert said in sentences.findings(frame)
    assert sentences.collapsed(frame[llr]).startswith("4 trials collapsed: a layer has")


def test_nothing_done_and_nothing_there() -> None:
    assert sentences.findings(pd.DataFrame()) == ["The study has no trials yet."]
    said = sentences.findings(trials({"state": "failed"}))
    assert said[-1] == "No trial is done, so there is nothing to compare yet."
    unmeasured = sentences.findings(trials({}).drop(columns="val_accuracy"))
    assert unmeasured == [
        "1 trial of 1 configuration under 1 seed: 1 done.",
        "No trial that is done has validation accuracy recorded, so there is nothing to compare.",
    ]


def test_a_margin_is_half_a_point_unless_given_and_none_in_other_units() -> None:
    frame = grid({("llr",): [0.90, 0.92, 0.94], ("ft",): [0.90, 0.92, 0.941]}, "retrain.schedule")
    alike = "Shown to differ by less than 0.5 points of test accuracy"
    assert likeness_sentence(frame).startswith(alike)
    # The difference is 1/3 of .1 point with an error of as much: not within .05 points.
    said = likeness_sentence(frame, margin=0.05)
    assert said.startswith("No pair is shown to differ by less than 0.05 points")
    losses = frame.rename(columns={"val_accuracy": "val_loss", "test_accuracy": "test_loss"})
    assert likeness_sentence(losses) == ""
    assert "less than 0.01 nats" in likeness_sentence(losses, margin=0.01)


def test_three_alike_are_one_set() -> None:
    values = [0.90, 0.92, 0.94]
    frame = grid({(name,): values for name in ("llr", "ft", "clr")}, "retrain.schedule")
    assert likeness_sentence(frame).endswith(
        "(two one-sided t tests at 0.05, each pair by itself): all 3 at 90 % sparse, 2 epochs of"
        " retraining."
    )
    assert sets_alike([("a", "b"), ("b", "c"), ("c", "d"), ("b", "d")]) == [
        ["a", "b"],
        ["b", "c", "d"],
    ]


def test_two_seeds_show_no_likeness() -> None:
    frame = grid({("llr",): [0.9, 0.9], ("ft",): [0.9, 0.9]}, "retrain.schedule")
    assert likeness_sentence(frame) == (
        "With 2 seeds nothing can be shown to differ by less than 0.5 points of test accuracy."
    )


def test_how_many_seeds_a_difference_takes() -> None:
    # One pair whose differences are .05, .04 and .03: spread one point.
    frame = grid({("llr",): [0.95, 0.96, 0.97], ("ft",): [0.90, 0.92, 0.94]}, "retrain.schedule")
    assert seeds_sentence(frame) == (
        f"To find a difference of 0.5 points of test accuracy in four of five studies takes"
        f" {seeds_needed(0.5, 1.0)} seeds; the 3 seeds here find differences of 3.3 points or"
        " more, by the spread seen from seed to seed."
    )
    (one,) = resolutions(frame, margin=1.0)
    assert list(one.needed) == pytest.approx([0.01, 0.02, 0.04])
    assert one.spread == pytest.approx(0.01) and (one.n_seeds, one.n_pairs) == (3, 1)
    assert one.least == pytest.approx(smallest_difference(0.01, 3))
    assert seeds_sentence(frame[frame["seed"] == 0]) == ""
    assert seeds_sentence(frame[frame["retrain.schedule"] == "ft"]) == ""
    two = seeds_sentence(frame[frame["seed"] < 2])
    assert two.startswith("To find") and "seeds here find" not in two

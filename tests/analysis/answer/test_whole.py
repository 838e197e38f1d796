"""The whole answer: of studies of each kind, unfinished and empty ones, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from analysis.answer.output import to_json, to_text
from analysis.answer.sentences import sentences, topics
from analysis.answer.whole import answer_in, answer_of
from tests.analysis.hand_made import grid, trials
from trainables.files.progress import RunProgress, write
from trainables.files.records import StudyFolder

KEYS = ("retrain.schedule", "prune.sparsity")


def words(frame: pd.DataFrame, **more: object) -> list[str]:
    return sentences(answer_of(frame, **more))  # type: ignore[arg-type]


def test_an_empty_study_says_so_and_nothing_else() -> None:
    assert words(pd.DataFrame()) == ["No trial has ended yet. Not running."]
    assert words(pd.DataFrame(), running=True) == ["No trial has ended yet. Running."]


def test_trials_that_all_failed_answer_nothing_and_are_counted() -> None:
    found = words(grid({("llr",): [None, None]}, "retrain.schedule"))
    assert found[-1] == "2 failed of 2 trials: no mean has them."
    assert not any("use" in sentence.split() for sentence in found)


def test_a_running_study_says_how_far_it_is() -> None:
    frame = grid({("llr", 0.8): [0.9], ("ft", 0.8): [0.8]}, *KEYS)
    assert "Not finished: 2 of 9 trials are settled. Running; what follows may change." in words(
        frame, wanted=9, running=True
    )
    assert (
        "Not finished: 2 of 9 trials are settled. Not running; the same command goes on with it."
        in words(frame, wanted=9)
    )
    assert not any("Not finished" in one for one in words(frame, wanted=2))


def test_a_study_of_one_method_answers_its_own_question() -> None:
    frame = grid({(0.8,): [0.9, 0.91, 0.92], (0.9,): [0.8, 0.81, 0.82]}, "prune.sparsity")
    found = topics(answer_of(frame))
    assert [topic.title for topic in found] == ["What was studied", "What sparsity costs"]
    assert found[1].sentences == (
        "With ALLR (3 seeds): at 80 % 91.0 %; at 90 % 81.0 %, 10.0 points worse [10.0 to 10.0].",
    )


def test_a_search_of_several_objectives_has_a_front_and_no_best_setting() -> None:
    table = {(0.5, 0.2): [0.98], (0.9, 0.4): [0.97], (0.99, 0.6): [0.6]}
    frame = grid(table, "prune.sparsity", "retrain.discount", d=0.5)
    frame["sparsity"] = frame["prune.sparsity"]
    aims = {"search": {"objectives": {"val_accuracy": "max", "sparsity": "max"}}}
    found = answer_of(frame, {"out": aims})
    assert found.front is not None and found.front.n_front == 3 and not found.bests


def test_seeds_that_chose_are_said_to_be_left_out() -> None:
    """Of three seeds one chose what the two others judge."""
    found = answer_of(grid({("llr",): [0.9, 0.9, 0.91], ("ft",): [0.8, 0.8, 0.82]}, KEYS[0]))
    left = replace(found, advice=(replace(found.advice[0], n_seeds=2),))
    assert sentences(left)[-3] == (
        "Seeds that chose a setting are left out where it is compared. 2 seeds are left, which can"
        " settle nothing: no verdict is given on fewer than 3. Add seeds to the study and run it"
        " again."
    )
    assert not any("left out where" in one for one in sentences(found))
    one = found.advice[0]
    tuned = replace(one, n_seeds=4, group=tuple(replace(r, n_tried=8) for r in one.group))
    of_five = replace(found, advice=(tuned,), counts=replace(found.counts, seeds=(0, 1, 2, 3, 4)))
    assert (
        "Seeds that chose a setting are left out where it is compared: 4 of 5 are left."
        in sentences(of_five)
    )


def test_the_margin_says_who_is_alike_and_how_many_seeds_it_takes() -> None:
    frame = grid({("llr",): [0.95, 0.96, 0.97], ("ft",): [0.95, 0.96, 0.97]}, KEYS[0])
    assert answer_of(frame).likeness.endswith("FT and LLR at 90 % sparse, 2 epochs of retraining.")
    # Differences of .05, .04 and .03: four points with an error of .58, and t(.95, 2) is 2.92.
    apart = grid({("llr",): [0.95, 0.96, 0.97], ("ft",): [0.90, 0.92, 0.94]}, KEYS[0])
    assert "No pair is shown to differ by less than 5 points" in " ".join(words(apart, margin=5.0))
    alike = "Shown to differ by less than 6 points of test accuracy"
    assert any(one.startswith(alike) for one in words(apart, margin=6.0))
    assert "To find a difference of 6 points" in answer_of(apart, margin=6.0).resolution
    assert not any("differ by less" in one for one in words(frame.query("seed < 2")))


def test_one_setting_alone_says_what_it_reaches() -> None:
    assert "With ALLR (2 seeds): at 90 % 91.0 %." in words(grid({("allr",): [0.9, 0.92]}, KEYS[0]))


def test_what_was_studied_names_data_model_schedules_and_places() -> None:
    frame = grid({("llr", 0.8): [0.9, 0.8], ("ft", 0.9): [0.9, 0.8]}, *KEYS)
    first = words(frame.assign(n_parameters=14458.0, dense_test_accuracy=0.95))[0]
    assert first == (
        "digits with cnn of 14 458 parameters, 95.0 % test accuracy before pruning (2 dense runs)."
        " Two schedules (FT and LLR) at 80 and 90 % sparsity with 2 epochs of retraining, 2 seeds."
    )


def test_the_card_holds_facts_and_full_names() -> None:
    card = answer_of(
        grid({("llr", 0.8): [0.9], ("allr", 0.8): [0.8]}, *KEYS), {"out/digits": {"name": "small"}}
    ).card
    facts = dict(card.facts)
    assert facts["data"] == (
        "digits: 1 293 training, 144 validation and 360 test images, 10 classes"
    )
    assert facts["dense run"] == "batch size 64, 20 epochs, learning rate 0.1, schedule linear"
    assert facts["study"] == "small" and facts["study file"] == "out/digits/study.yaml"
    assert facts["seeds"] == "0"
    assert ("LLR", "Linear learning rate restarting") in card.glossary
    assert ("IMP", "Iterative magnitude pruning with retraining") in card.glossary


def test_numbers_and_a_word_are_not_one_range() -> None:
    discounts = [*(n / 10 for n in range(1, 9)), "adaptive"]
    frame = grid({(d,): [0.9] for d in discounts}, "retrain.discount", d=0.5)
    facts = dict(answer_of(frame).card.facts)
    assert "discount 0.1 to 0.8 (8 values) and adaptive" in facts["retraining"]


def test_too_few_seeds_are_said_once_at_the_end() -> None:
    found = words(grid({("llr", 0.8): [0.9, 0.8], ("ft", 0.8): [0.8, 0.7]}, *KEYS))
    assert found[-1].startswith("2 seeds can settle nothing: no verdict is given on fewer than 3.")


def test_collapsed_and_diverged_trials_are_counted() -> None:
    frame = trials(
        {"seed": 0, "val": 0.9}, {"seed": 1, "state": "diverged"}, {"seed": 2, "val": 0.1}
    ).assign(collapsed_layers=[0.0, float("nan"), 2.0])
    assert words(frame)[-1] == (
        "1 diverged of 3 trials: no mean has them; 1 trial has collapsed: a layer is left without a"
        " weight, the result is chance."
    )


def test_json_holds_the_statements_and_missing_numbers_are_null() -> None:
    content = json.loads(to_json(answer_of(grid({("llr", 0.8): [0.9], ("ft", 0.8): [0.8]}, *KEYS))))
    assert content["advice"][0]["group"][0] == {
        "name": "ft", "mean": 0.8, "lo": None, "hi": None, "n": 1, "n_tried": 1, "n_lost": 0,
        "n_collapsed": 0, "fair": True,
    }  # fmt: skip
    assert content["counts"]["states"] == {"done": 2}
    assert content["topics"]["What to use"]


@pytest.mark.parametrize("width", [40, 80])
def test_text_keeps_to_its_width_and_units_to_their_numbers(width: int) -> None:
    frame = grid({("llr", 0.8): [0.9, 0.8], ("ft", 0.8): [0.8, 0.7]}, *KEYS)
    lines = to_text(answer_of(frame), width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "What was studied" and lines[1].startswith("- digits")
    assert not any(line.strip().startswith("%") for line in lines)


def test_a_folder_knows_how_many_trials_its_run_wanted(small: StudyFolder) -> None:
    location = small.location
    n = answer_in(location).counts.settled
    write(small.folder, RunProgress("2026-01-05T10:00:00+00:00", 1, n + 9, n, 1, 0, 0, 0.0, None))
    counts = answer_in(location).counts
    assert counts.wanted == n + 9 and counts.unfinished and not counts.running
    with pytest.raises(FileNotFoundError):
        answer_in(f"{location}/nowhere")

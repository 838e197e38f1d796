"""Names, places and numbers in words."""

from __future__ import annotations

import math

import pytest

from analysis.answer import wording


@pytest.mark.parametrize(
    ("by", "value", "name"),
    [
        ("retrain.schedule", "clr", "CLR"),
        ("retrain.schedule", "cosine", "cosine"),
        ("retrain.schedule", "mine:rate", "mine:rate"),
        ("method", "bimp", "BIMP"),
        ("prune.cycles", 1, "1 cycle"),
        ("retrain.discount", "adaptive", "the adaptive discount"),
        ("retrain.discount", 0.35, "d = 0.35"),
        ("prune.structure", "filters", "filters"),
    ],
)
def test_names_are_those_that_people_use(by: str, value: object, name: str) -> None:
    assert wording.name_of(by, value) == name


def test_a_place_is_told_by_what_it_has() -> None:
    at = {"task.dataset": None, "task.use": "mine:Task", "prune.sparsity": 0.8}
    assert wording.place_words(at) == "mine:Task and 80 %"
    settings = {"task.dataset.n_train": 1000, "task.stages": (64,), "prune.sparsity": 0.8}
    told = "n train of the data set 1 000, stages of the task (64) and 80 %"
    assert wording.place_words(settings) == told
    assert wording.place_words({**at, "task.use": math.nan}) == "no data set and 80 %"
    places = [
        {"task.dataset": None, "prune.sparsity": 0.8, "retrain.epochs": e} for e in (1.0, 3.0)
    ]
    assert wording.places_words(places) == "no data set and 80 % (1 and 3 epochs)"


def test_places_share_what_they_have_in_common() -> None:
    places = [{"prune.sparsity": s, "retrain.epochs": e} for s in (0.8, 0.9) for e in (1.0, 3.0)]
    assert wording.place_words(places[1]) == "80 % and 3 epochs"
    assert wording.places_words(places) == "80 % (1 and 3 epochs) and 90 % (1 and 3 epochs)"
    assert wording.places_words(places[:3]) == "80 % (1 and 3 epochs) and 90 % (1 epoch)"
    assert wording.places_words([{"prune.sparsity": s} for s in (0.8, 0.9)]) == "80 % and 90 %"
    assert wording.place_words({}) == wording.places_words([]) == ""


def test_units_are_said_once() -> None:
    assert wording.shared_unit(["80 %", "90 %", "95 %"]) == "80, 90 and 95 %"
    assert wording.shared_unit(["1 epoch", "3 epochs"]) == "1 and 3 epochs"
    assert wording.shared_unit(["1 epoch"]) == "1 epoch"
    assert wording.shared_unit(["80 %", "3 epochs"]) == "80 % and 3 epochs"


def test_numbers_in_per_cent_and_others() -> None:
    assert wording.amount("test_accuracy", 0.9444) == "94.4 %"
    assert wording.span("test_accuracy", [0.9444, 0.949]) == "94.4 to 94.9 %"
    assert wording.span("test_accuracy", [0.9444, 0.94441]) == "94.4 %"
    assert wording.gap("test_accuracy", -0.0981) == "9.8 points"
    assert wording.gap("test_accuracy", 0.01) == "1.0 points"
    assert wording.signed_gap("test_accuracy", -0.003) == "−0.3 points"
    assert wording.signed_gap("test_accuracy", -0.0001) == "0.0 points"
    assert wording.amount("test_loss", 0.25) == "0.25 nats"
    assert wording.interval_words("test_accuracy", -0.003, 0.011) == " [−0.3 to 1.1]"
    assert wording.interval_words("test_accuracy", math.nan, 0.011) == ""

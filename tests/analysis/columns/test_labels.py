"""Words and units of columns and values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.columns import labels
from tests.analysis.hand_made import NAN


@pytest.mark.parametrize(
    ("value", "text"), [("<b>x</b> & y", "<b>x</b> & y"), ("two\nlines", "two lines"),
                       ("x" * 80, "x" * 59 + "…")],
)  # fmt: skip
def test_text_is_brief_and_on_one_line(value: str, text: str) -> None:
    assert labels.brief(value) == text


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("prune.sparsity", 0.9, "90 %"),
        ("prune.sparsity", 0.995, "99.5 %"),
        ("retrain.epochs", 1.0, "1 epoch"),
        ("retrain.epochs", 3.0, "3 epochs"),
        ("retrain.epochs", np.int64(3), "3 epochs"),
        ("test_accuracy", 0.97125, "97.12 %"),
        ("retrain.schedule", "<b>", "<b>"),
        ("retrain.schedule", None, "–"),
        ("val_loss", NAN, "–"),
        ("train_s", 2.5, "2.5 s"),
        ("compute.compile", True, "True"),
    ],
)
def test_shown(column: str, value: object, text: str) -> None:
    assert labels.shown(column, value) == text


@pytest.mark.parametrize(
    ("column", "title"),
    [
        ("test_accuracy", "test accuracy (%)"),
        ("val_loss", "validation loss (nats)"),
        ("sparsity_all_parameters", "sparsity of all parameters (%)"),
        ("train_images_per_s", "training speed (images/s)"),
        ("n_parameters", "parameters (count)"),
        ("d1", "d1 (ratio)"),
        ("retrain.budget", "retraining (% of the dense epochs)"),
        ("dense.momentum", "momentum of the dense run (as configured)"),
    ],
)
def test_axis_titles_have_units(column: str, title: str) -> None:
    assert labels.axis_title(column) == title


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "+1.23"), (-0.0123, "−1.23"), (0.00001, "0.00"), (-0.00001, "0.00"), (NAN, "–")],
)
def test_points(value: float, text: str) -> None:
    assert labels.points(value) == text


def test_names_and_values_with_braces_stand_in_a_block_as_they_are() -> None:
    at = {"task.model.{0}": "{x}", "prune.sparsity": 0.9, "task.dataset": "a{}b"}
    assert labels.block_words(at) == "{0} of the model {x}, 90 % sparse, a{}b"


def test_number() -> None:
    assert labels.number(12345.0) == "12 345"
    assert labels.number(12345.6) == "12 346", "and not 1.235e+04"
    assert (labels.number(9999.4), labels.number(9999.6)) == ("9999", "10 000")
    assert labels.number(-0.5) == "−0.5"
    assert labels.number(math.inf) == "–"
    lacking = {"task.part": None, "task.model.hidden": None, "prune.sparsity": 0.9}
    assert labels.block_words(lacking) == "no part of the task, 90 % sparse"
    assert labels.block_words({**lacking, "task.model": "cnn"}) == "90 % sparse, cnn"
    assert labels.label(1.0) == "1"
    assert labels.label(None) == labels.label(float("nan")) == "–"


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("prune.sparsity", "%"),
        ("dense.momentum", ""),
        ("dense.lr", ""),
        ("d", "share"),
        ("epochs", "epochs"),
    ],
)
def test_short_units(column: str, text: str) -> None:
    assert labels.sign(column) == text


def test_names_are_those_that_people_use() -> None:
    assert [labels.label(name) for name in ("allr", "bimp", "cosine", "mine:Rate")] == [
        "ALLR", "BIMP", "cosine", "mine:Rate",
    ]  # fmt: skip
    assert labels.label("dpf (older revision)") == "DPF (older revision)"
    assert labels.shown("retrain.schedule", "ft") == labels.shown("of", "ft") == "FT"
    assert labels.shown("task.use", "ft") == "ft"  # a task of that name is no schedule
    assert labels.capital("mean IoU") == "Mean IoU"


def test_no_line_ends_within_a_number() -> None:
    assert labels.unbroken("14 458 of 90 % at 0.1 ± 0.2, d = 0.5") == (
        "14\u00a0458 of 90\u00a0% at 0.1\u00a0±\u00a00.2, d\u00a0=\u00a00.5"
    )

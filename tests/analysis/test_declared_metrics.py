"""A task without a test part whose metric is better when lower, through what ranks and chooses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd
import pytest

from analysis.answer.whole import answer_of
from analysis.columns import labels, roles
from analysis.drawing import canvas
from analysis.figures.gains import gains_figure, gains_table
from analysis.figures.regret import regret_table
from analysis.findings import sentences
from analysis.fronts.pareto import pareto_table
from analysis.report.views import leaders_view
from analysis.selection.leaders import leaders
from analysis.tables.content import comparison_table
from analysis.tables.layout import heading, number
from analysis.tables.render import to_text
from tests.analysis.hand_made import grid
from trainables.vocabulary.declarations import Declarations, Metric
from trainables.vocabulary.schema import METRICS, declare

ERRORS = Declarations({"rmse": Metric("less", meaning="root mean squared error")}, "patients")


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    """The task's numbers, known while a test runs."""
    before = dict(METRICS)
    declare(ERRORS.plain())
    yield
    METRICS.clear()
    METRICS.update(before)


def errors(table: dict[tuple[object, ...], list[float]], *keys: str) -> pd.DataFrame:
    """Trials with an error on validation alone."""
    frame = grid(table, *keys)
    return frame.rename(columns={"val_accuracy": "val_rmse"}).drop(columns=["test_accuracy"])


@pytest.fixture
def contest() -> pd.DataFrame:
    """llr errs least at 80 %, ft at 90 %."""
    first = {("llr", 0.8): 2.0, ("ft", 0.8): 3.0, ("allr", 0.8): 9.0,
             ("llr", 0.9): 5.0, ("ft", 0.9): 4.0, ("allr", 0.9): 8.0}  # fmt: skip
    table = {place: [least, least + 0.2, least + 0.4] for place, least in first.items()}
    return errors(table, "retrain.schedule", "prune.sparsity")


def test_the_declared_metric_chooses_and_is_reported(contest: pd.DataFrame) -> None:
    assert roles.choice(contest) == roles.reported(contest) == "val_rmse"
    assert not roles.has_test(contest)
    assert labels.axis_title("val_rmse") == "validation rmse"
    declare(Declarations({"chrf": Metric("more", unit="points", meaning="chrF")}).plain())
    assert labels.axis_title("dense_val_chrf") == "dense validation chrF (points)"
    assert labels.amount("test_chrf", 41.25, 0.5) == "41.25 ± 0.5 points"
    assert labels.difference("test_chrf", -1.5) == "−1.5"
    assert labels.amount("val_rmse", 2.25, 0.125) == "2.25 ± 0.12"
    assert labels.difference("val_rmse", -0.5) == "−0.5"
    assert labels.axis_title("train_patients_per_s") == "training speed (patients/s)"


def test_the_least_error_leads(contest: pd.DataFrame) -> None:
    found = {one.block["prune.sparsity"]: one for one in leaders(contest)}
    assert {at: (one.name, one.runner_up) for at, one in found.items()} == {
        0.8: ("llr", "ft"), 0.9: ("ft", "llr"),
    }  # fmt: skip
    assert found[0.8].behind == pytest.approx(1.0)
    view = leaders_view(contest)
    assert [head[-1] for head in view.headers].count("validation rmse") == 1


def test_the_two_least_errors_are_starred(contest: pd.DataFrame) -> None:
    cells = comparison_table(contest, columns=["prune.sparsity"]).cells
    column = cells[cells["prune.sparsity"] == 0.8].set_index("retrain.schedule")
    assert column["rank"].to_dict() == {"ft": 2, "llr": 1, "allr": 3}
    assert column["marked"].to_dict() == {"ft": True, "llr": True, "allr": False}
    assert "Validation root mean squared error" in to_text(
        comparison_table(contest, columns=["prune.sparsity"])
    )


def test_the_front_keeps_the_least_error_at_each_sparsity(contest: pd.DataFrame) -> None:
    contest["sparsity"] = contest["prune.sparsity"]
    contest["theoretical_speedup"] = 1 / (1 - contest["prune.sparsity"])
    front = pareto_table(contest).frame
    on = front[front["front"]].set_index("prune.sparsity")["series"].to_dict()
    assert on == {0.8: "llr", 0.9: "ft"}


def test_regret_is_what_the_adaptive_discount_errs_more() -> None:
    frame = errors(
        {(d, "allr"): errs for d, errs in
         {"adaptive": [3.0, 3.0, 3.0], 0.5: [2.0, 2.0, 2.0], 0.2: [4.0, 4.0, 4.0]}.items()},
        "retrain.discount", "retrain.schedule",
    )  # fmt: skip
    frame["d"] = [0.4 if d == "adaptive" else d for d in frame["retrain.discount"]]
    assert regret_table(frame).frame["regret"].tolist() == pytest.approx([1.0])


def test_sentences_say_better_and_worse_and_that_there_is_no_test(contest: pd.DataFrame) -> None:
    said = " ".join(sentences.findings(contest))
    assert "The task has no test part" in said
    assert "better than ALLR" in said
    assert "On test" not in said
    assert "points" not in said


def test_a_difference_without_a_unit_has_no_empty_parentheses(contest: pd.DataFrame) -> None:
    assert canvas.difference_title("gain", "val_rmse") == "gain"
    assert canvas.difference_text("val_rmse", 0.25, 0.1, 0.4, 3) == "0.25, n = 3"
    figure = gains_figure(gains_table(contest))
    assert figure.layout.coloraxis2.colorbar.title.text == "gain"


def test_the_card_names_the_signature_of_what_is_measured() -> None:
    chrf = Metric("more", unit="points", meaning="chrF", signature="nrefs:1|nc:6")
    declare(Declarations({"chrf": chrf}).plain())
    frame = grid({("llr", 0.8): [40.0, 41.0]}, "retrain.schedule", "prune.sparsity")
    frame = frame.rename(columns={"val_accuracy": "val_chrf", "test_accuracy": "test_chrf"})
    assert dict(answer_of(frame).card.facts)["measured by"] == "chrF (nrefs:1|nc:6)"


def test_the_first_metric_stays_first_through_files_that_sort_their_entries() -> None:
    """BLEU is before chrF in the alphabet, and the task says that chrF decides."""
    chrf, bleu = (Metric("more", unit="points", meaning=name) for name in ("chrF", "BLEU"))
    declared = Declarations({"chrf": chrf, "bleu": bleu}, "tokens", "nat")
    plain = json.loads(json.dumps(declared.plain(), sort_keys=True))
    assert [*plain["metrics"]] == ["bleu", "chrf"] and plain["order"] == ["chrf", "bleu"]
    again = Declarations.of(plain)
    assert [*again.metrics] == ["chrf", "bleu"] and again == declared
    names = [name for name in declare(plain) if name.startswith("val_")]
    assert names[:2] == ["val_chrf", "val_bleu"] and again.deciding == "chrf"
    assert "order" not in ERRORS.plain()
    assert heading("test_chrf") == "test chrF [points]" and number(41.251, "test_chrf") == "41.25"

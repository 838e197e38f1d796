"""The section `search`, and what of it depends on the other sections."""

from __future__ import annotations

from typing import Any

import pytest

from study.checks import installed
from study.checks.installed import require_quantiser
from study.definition.studyfile import StudyFile
from trainables.vocabulary.refusal import Refusal

RAW: dict[str, Any] = {
    "name": "small",
    "task": {"dataset": "digits", "model": {"name": "mlp", "hidden": [8]}},
    "dense": {"epochs": 4},
    "prune": {"sparsity": {"uniform": [0.8, 0.9]}},
    "retrain": {"epochs": 1},
}
INT8 = {"quantise": {"weights": "int8"}}


def searching(objectives: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"search": {"strategy": "optuna", "trials": 2, "objectives": objectives, **more}}


def test_a_node_measures_where_the_search_asks_for_it() -> None:
    named = searching({"latency_ms": "min"}, measure_on="bench")
    study = StudyFile.of({**RAW, **named})
    assert study.search.measure_on == "bench" and study.search.measures_networks
    assert StudyFile.of(study.raw()).search == study.search
    bounds = {"network_bytes": {"max": 1000}}
    bounded = searching({"val_accuracy": "max"}, constraints=bounds, measure_on="bench")
    assert StudyFile.of({**RAW, **bounded}).search.measures_networks


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            searching({"val_accuracy": "max"}, measure_on="bench"),
            "search.measure_on must be absent where no objective or constraint is latency_ms or",
        ),
        ({"search": {"measure_on": "bench"}}, "search.measure_on must be absent under grid"),
        (
            searching({"int8_val_accuracy": "max"}),
            "search.objectives.int8_val_accuracy must be absent without quantise.weights",
        ),
        (
            searching({"int8_test_accuracy": "max"}) | INT8,
            "search.objectives.int8_test_accuracy must not be measured on test data",
        ),
    ],
)
def test_what_does_not_go_together(search: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal) as error:
        StudyFile.of({**RAW, **search})
    assert str(error.value).startswith(message)


def test_accuracy_in_int8_is_an_objective_of_a_study_that_rounds() -> None:
    assert StudyFile.of({**RAW, **INT8, **searching({"int8_val_accuracy": "max"})}).quantises
    overlay = {**RAW, "spaces": [{}, INT8], **searching({"int8_val_accuracy": "max"})}
    assert StudyFile.of(overlay).quantises
    assert not StudyFile.of(RAW).quantises
    assert not StudyFile.of({**RAW, "quantise": {"weights": None}}).quantises


def test_without_torchao_a_study_that_rounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda _: None)
    require_quantiser(StudyFile.of(RAW))
    rule = r"quantise.weights needs torchao, which is not installed: .* 'bimp-study\[int8\]'"
    with pytest.raises(Refusal, match=rule):
        require_quantiser(StudyFile.of({**RAW, **INT8}))

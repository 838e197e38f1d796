"""Whatever a study file holds, it is a study or one sentence: values of any kind at any key."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from study.definition.resources import Resources
from study.definition.search import Search
from study.definition.studyfile import Data, StudyFile, read_yaml
from study.points.resolve import resolve
from tests.study.cli.test_wrong_studies import UNDER_BIMP, VALID, edited
from tests.study.conftest import Command
from trainables.config.dense import Dense
from trainables.config.prune import Prune
from trainables.config.sections import Budget, Compute, Retrain
from trainables.vocabulary.refusal import Refusal

SECTIONS: dict[str, type[BaseModel]] = {
    "dense": Dense, "prune": Prune, "retrain": Retrain, "budget": Budget, "compute": Compute,
    "search": Search, "resources": Resources, "data": Data,
}  # fmt: skip
KEYS = (
    *("name", "task", "method", "spaces", "seeds", "stage_store", "quantise", "track", *SECTIONS),
    *("task.dataset", "task.model", "task.use", "task.dataset.name", "task.dataset.n_train"),
    *("method.name", "retrain.seeds", "nowhere", "dense.nowhere"),
    *(f"{name}.{leaf}" for name, section in SECTIONS.items() for leaf in section.model_fields),
)
"""Every key of a study file, sections included, and some that are none."""

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 1),
    st.text(st.characters(), max_size=6),
    st.sampled_from(["imp", "bimp", "gmp", "optuna", "grid", "allr", "cosine", "module:thing",
                     "filters", "max", "val_accuracy", "digits", "mlp", "~", "/", "a:b:c", ""]),
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(["grid", "choice", "uniform", "int", "loguniform", "name", "use", "min", "n"]),
    st.text(st.characters(exclude_categories=("C", "Z")), max_size=4),
    st.sampled_from(KEYS),
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(NAMES, below, max_size=3)),
    max_leaves=6,
)
EDITS = st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3)
BASES = st.sampled_from([{}, UNDER_BIMP, {"search": {"strategy": "optuna", "trials": 2,
    "objectives": {"val_accuracy": "max"}}, "dense.lr": {"loguniform": [0.01, 0.1]}}])  # fmt: skip


def put(study: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, replacing what is no mapping on the way."""
    *above, leaf = key.split(".")
    for part in above:
        if not isinstance(study.get(part), dict):
            study[part] = {}
        study = study[part]
    study[leaf] = value


def refusal_of(attempt: Callable[[], object]) -> str | None:
    """What a study is refused with, None where it is not; any other error is raised."""
    try:
        attempt()
    except Refusal as refusal:
        return str(refusal)
    return None


@settings(max_examples=300, derandomize=True, suppress_health_check=list(HealthCheck))
@given(BASES, EDITS)
@example({}, {"seeds": [2**63]})
@example({}, {"dense.epochs": 1e308})
@example({}, {"retrain.epochs": 10**40})
@example({}, {"prune.cycles": 10**12})
@example({}, {"dense.lr": {"grid": []}})
@example({}, {"task": {"use": "\ud800:x"}})
@example({}, {"spaces": [{"prune": {"sparsity": {"uniform": ["a", None]}}}]})
def test_a_study_is_accepted_or_refused_in_a_sentence(
    base: dict[str, Any], edits: dict[str, Any]
) -> None:
    raw = copy.deepcopy(edited(base))
    for key, value in edits.items():
        put(raw, key, value)
    sentence = refusal_of(lambda: resolve(StudyFile.of(raw)).check())
    assert sentence is None or (sentence.strip() and "\n" not in sentence)


@settings(max_examples=100, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(codec="utf-8"), max_size=60))
@example("a: &a [*a]")
@example("name: x\n" + "a: {b: " * 50)
@example("%YAML 9.9\n---\n- 1")
@example("a: !!timestamp 2020-13-45")
@example("a: !!int x")
@example("a: !!float x")
@example("? {a: 1}\n: 2")
def test_any_text_is_a_study_or_one_line_and_status_two(text: str) -> None:
    sentence = refusal_of(lambda: StudyFile.of(read_yaml(text, "study.yaml")))
    assert sentence is None or (sentence.strip() and "\n" not in sentence)


@pytest.mark.parametrize(
    "setting",
    ["seeds=[99999999999999999999]", "dense.lr=.nan", "dense.lr=2020-01-01", "=3", "a.b.c=", "x=[",
     "prune.sparsity={grid: [0.5, [0.6]]}", "retrain.epochs=1e400", "dense.epochs=0x" + "f" * 40,
     "task.model={name: mlp, hidden: [0]}", "spaces=[]", "spaces=[[]]", "spaces=[{seeds: [1]}]",
     "search={strategy: optuna}", "method={}", "method=[]", "seeds={}", "data.root=3"],
)  # fmt: skip
def test_settings_of_the_command_end_in_a_sentence(
    setting: str, bimp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(json.dumps(VALID))
    ended = bimp("plan", "study.yaml", "--set", setting)
    assert ended.status in (0, 2) and "Traceback" not in ended.err
    assert ended.status == 0 or ended.err.startswith("bimp: ")

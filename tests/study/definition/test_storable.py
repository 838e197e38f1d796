"""Values that YAML knows and some file of a study does not; and a place for shared anchors."""

from __future__ import annotations

import pytest

from study.definition.storable import MOST, refuse_unstorable
from study.definition.studyfile import StudyFile, read_yaml
from trainables.vocabulary.refusal import Refusal

STUDY = """
name: small
x-net: &net {name: mlp, hidden: [8]}
task: {dataset: digits, model: *net}
dense: {epochs: 2}
prune: {sparsity: 0.5}
retrain: {epochs: 1}
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seeds: [9223372036854775808]", "seeds.0 must be a number of at most 9223372036854775807,"
         " got 9223372036854775808"),
        ("spaces: [{dense: {lr: .inf}}]", "spaces.0.dense.lr must be a finite number, got inf"),
        ("spaces: [{dense: {lr: .nan}}]", "spaces.0.dense.lr must be a finite number, got nan"),
        ("budget: {epochs: 2020-01-01}", "budget.epochs must be text, a number, true, false, a list"
         " or a mapping (dates need quotes), got 2020-01-01"),
        ("budget: !!set {a, b}", "budget must be text, a number, true, false"),
        ("budget: !!binary aGVsbG8=", "budget must be text, a number, true, false"),
        ("budget: {1: 2}", "budget must have text as keys, got 1"),
        ("stage_store: \"a\\0b\"", "stage_store must be text that UTF-8 can hold"),
        ("stage_store: \"\\ud800\"", "stage_store must be text that UTF-8 can hold"),
        ("budget: {\"\\ud800\": 2}", "a key of budget must be text that UTF-8 can hold"),
        (f"budget: {{epochs: 0x{'f' * 5000}}}", "budget.epochs must be a number of at most"
         " 9223372036854775807, got a number of thousands of digits"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_hold_is_refused_with_key_rule_and_value(
    line: str, message: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        StudyFile.of(read_yaml(STUDY + line, "study.yaml"))
    assert str(refusal.value).startswith(message)


def test_bounds_are_inclusive() -> None:
    refuse_unstorable({"a": [MOST, -MOST, 1e308, None, True, {"b": ("ü", [])}]})
    with pytest.raises(Refusal, match=r"^a\.0\.1\.b must be a number of at most"):
        refuse_unstorable({"a": [[1, {"b": -MOST - 1}]]})


def test_shared_parts_have_a_place_and_are_no_part_of_the_study() -> None:
    study = StudyFile.of(read_yaml(STUDY, "study.yaml"))
    assert study.space["task"]["model"] == {"name": "mlp", "hidden": [8]}
    assert not any(key.startswith("x-") for key in study.raw())

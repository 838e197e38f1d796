"""What a trial takes: processes as said, or one for each GPU; in fingerprints only above one."""

from __future__ import annotations

from typing import Any

import pytest

from study.checks.readiness import slots
from study.definition.studyfile import StudyFile, load
from study.points.resolve import resolve
from tests.study.definition.test_studyfile import RAW
from trainables.vocabulary.refusal import Refusal


def study(**sections: Any) -> StudyFile:
    return StudyFile.of({**RAW, **sections})


def fingerprints(study: StudyFile) -> list[str]:
    return [trial.fingerprint for trial in resolve(study).trials or ()]


@pytest.mark.parametrize(
    ("sections", "processes"),
    [
        ({}, 1),
        ({"resources": {"gpus": 1}}, 1),
        ({"resources": {"gpus": 0.25}}, 1),
        ({"resources": {"gpus": 4}}, 4),
        ({"resources": {"gpus": 4}, "compute": {"precision": "bf16"}}, 4),
        ({"compute": {"processes": 3}}, 3),
        ({"compute": {"processes": {"grid": [1, 2]}}}, 2),
        ({"spaces": [{"compute": {"processes": 2}}, {}]}, 2),
    ],
)
def test_a_trial_has_the_processes_that_are_said_or_one_for_each_gpu(
    sections: dict[str, Any], processes: int
) -> None:
    assert study(**sections).processes == processes
    again = StudyFile.of(study(**sections).raw())
    assert again.processes == processes and fingerprints(again) == fingerprints(study(**sections))


def test_one_process_is_what_it_always_was_and_two_are_another_trial() -> None:
    one = fingerprints(study())
    assert fingerprints(study(compute={"processes": 1})) == one
    assert fingerprints(study(resources={"gpus": 1})) == one
    two = fingerprints(study(compute={"processes": 2}))
    assert not set(two) & set(one)
    assert fingerprints(study(resources={"gpus": 2})) == two
    records = [trial.config.resolved() for trial in resolve(study()).trials or ()]
    assert all("processes" not in record["compute"] for record in records)


@pytest.mark.parametrize(
    ("sections", "rule"),
    [
        ({"resources": {"gpus": 2}, "spaces": [{"compute": {"processes": 1}}]},
         r"compute\.processes must be 2 with resources\.gpus 2, one for each GPU .*, got 1"),
        ({"resources": {"gpus": 1}, "compute": {"processes": 2}},
         r"compute\.processes must be 1 with resources\.gpus 1, .*, got 2"),
        ({"compute": {"processes": {"int": [1, 4]}}},
         r"compute\.processes must be a whole number or {grid: \[...\]}"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(sections: dict[str, Any], rule: str) -> None:
    with pytest.raises(Refusal, match=rule):
        study(**sections)


@pytest.mark.parametrize(
    ("sections", "cpus", "gpus", "expected"),
    [
        ({}, 4, 0, 4),
        ({"compute": {"processes": 2}}, 4, 0, 2),
        ({"compute": {"processes": 2}, "resources": {"cpus": 2}}, 7, 0, 1),
        ({"resources": {"gpus": 2}}, 16, 8, 4),
        ({"resources": {"gpus": 2, "cpus": 4}}, 16, 8, 2),
        ({"resources": {"gpus": 0.5}}, 16, 2, 4),
    ],
)
def test_as_many_trials_run_as_fit(
    sections: dict[str, Any], cpus: float, gpus: float, expected: int
) -> None:
    assert slots(study(**sections), cpus, gpus) == expected


def test_a_preset_takes_gpus_by_one_setting() -> None:
    study = load("table1-imagenet-resnet50", ["resources.gpus=8"])
    assert study.processes == 8 and study.space["compute"]["processes"] == 8

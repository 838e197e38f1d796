"""Studies of a task of the catalog by its name: what is asked of it, printed and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.checks.user_code import LookedAt, opened_study
from study.definition.own_code import kept_code
from study.definition.studyfile import StudyFile
from study.points.resolved_study import ResolvedStudy
from study.views.plan import plan, table
from trainables.config import tasks
from trainables.files.storage import LocalFolder
from trainables.tasks.making import task_class
from trainables.vocabulary.refusal import Refusal

NAME = "segmentation-small"


def raw(**task: Any) -> dict[str, Any]:
    return {
        "name": "scenes",
        "task": {"use": NAME, "width": {"grid": [1, 2]}, "n_train": 16, "size": 16, **task},
        "dense": {"epochs": 1, "batch_size": 8, "lr": 0.1},
        "prune": {"sparsity": 0.5},
        "retrain": {"schedule": "llr", "epochs": 1},
    }


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResolvedStudy, LookedAt]:
    out = tmp_path_factory.mktemp("out")
    return opened_study(StudyFile.of(raw()), str(out), writes=False)


def test_facts_are_those_of_the_task_and_no_code_is_hashed(
    opened: tuple[ResolvedStudy, LookedAt],
) -> None:
    resolved, code = opened
    config = resolved.representatives[0]
    facts = config.facts
    assert facts is not None
    assert (facts.n_train, facts.n_val, facts.n_test) == (16, 256, 512)
    assert (facts.codes, facts.copy_digest, code.files) == ({}, None, None)
    assert facts.defaults == {"width": 8, "n_train": 2048, "size": 24, "scene_seed": 0}
    assert facts.smooths
    assert resolved.deciding == "val_mean_iou"
    assert config.declared["counts"] == "pixels"


def test_keywords_may_hold_domains(opened: tuple[ResolvedStudy, LookedAt]) -> None:
    trials = opened[0].trials
    assert trials is not None
    assert [t.config.task.keywords["width"] for t in trials] == [1, 2]
    assert len({t.chain[0].hash for t in trials}) == 2


def test_the_plan_prints_which_weights_are_pruned(
    opened: tuple[ResolvedStudy, LookedAt], tmp_path: Path
) -> None:
    text = table(plan(opened[0], str(tmp_path / "out")))
    # an encoder of 2, 4, 8, 16 channels, the way back, and 11 classes
    n = 9 * (6 + 4 + 8 + 16 + 32 + 64 + 128 + 256 + 192 + 64 + 48 + 16 + 12 + 4) + 22
    assert f"pruned weights        {n:,} of " in text
    assert "encoder.0.conv1.weight 54, encoder.0.conv2.weight 36" in text


def test_a_look_is_kept_for_readers_without_code(
    opened: tuple[ResolvedStudy, LookedAt], tmp_path: Path
) -> None:
    folder = LocalFolder(tmp_path)
    folder.write("code/looks.json", opened[1].known.encode())
    assert kept_code(folder.read).looks == opened[1].known.looks


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"widht": 3}, r"^task\.widht must be a known key, got 3; did you mean width\?$"),
        ({"version": "2"}, r"^task\.version must be absent for segmentation-small"),
    ],
)
def test_wrong_keys_are_refused(tmp_path: Path, task: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        opened_study(StudyFile.of(raw(**task)), str(tmp_path / "out"), writes=False)


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = replace(tasks.TASKS[NAME], packages=("pillow", "no-such-package"), extra="scenes")
    monkeypatch.setitem(tasks.TASKS, NAME, lacking)
    rule = r"must have its packages installed \(pip install 'bimp-study\[scenes\]'\)"
    with pytest.raises(Refusal, match=rf"^task\.use {NAME} {rule}, got no no-such-package$"):
        task_class(NAME, lambda *_: None)


def test_data_that_are_missing_are_named(tmp_path: Path) -> None:
    study = StudyFile.of(
        {**raw(), "task": {"use": "voc-segmentation"}, "data": {"root": str(tmp_path)}}
    )
    with pytest.raises(Refusal, match=r"^data\.root must hold VOCdevkit/VOC2012, got .* without"):
        opened_study(study, str(tmp_path / "out"), writes=False)

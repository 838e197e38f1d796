"""Studies of a folder of images: what is hashed of it, and what is refused beforehand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from study.checks.readiness import check_data
from study.checks.user_code import opened_study
from study.definition.own_code import kept_code
from study.definition.studyfile import StudyFile
from tests.study.conftest import Command
from tests.trainables.folders.pictures import cut, folder_of, noise
from trainables.vocabulary.refusal import Refusal


def raw(root: Path, **dataset: Any) -> dict[str, Any]:
    return {
        "name": "folder",
        "task": {
            "dataset": {"name": "image-folder", "path": "images", "size": 8, **dataset},
            "model": {"name": "mlp", "hidden": [4]},
        },
        "dense": {"epochs": 1, "batch_size": 8},
        "prune": {"sparsity": 0.5},
        "retrain": {"schedule": "llr", "epochs": 1},
        "data": {"root": str(root)},
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder_of(tmp_path / "images", {"a": 20, "b": 20})
    return tmp_path


def fingerprints(root: Path, **dataset: Any) -> list[str]:
    resolved, _ = opened_study(StudyFile.of(raw(root, **dataset)), str(root / "out"), writes=False)
    resolved.check()
    assert resolved.trials is not None
    return [trial.fingerprint for trial in resolved.trials]


def test_lengths_and_classes_are_known_from_the_folder(root: Path) -> None:
    resolved, _ = opened_study(StudyFile.of(raw(root, val=0.2)), str(root / "out"))
    config = resolved.representatives[0]
    assert (config.n_train, config.steps_per_epoch) == (32, 4)
    assert config.images == ((3, 8, 8), 2)
    facts = config.facts
    assert facts is not None
    assert (facts.n_val, facts.n_test, facts.codes, facts.copy_digest) == (8, None, {}, None)


def test_moving_the_folder_leaves_its_trials_and_a_new_image_makes_others(
    root: Path, tmp_path: Path
) -> None:
    before = fingerprints(root)
    shutil.move(root / "images", root / "moved")
    assert fingerprints(root, path="moved") == before
    assert fingerprints(Path("/nowhere"), path=str(root / "moved")) == before
    noise(root / "moved" / "a" / "new.png", 99)
    assert fingerprints(root, path="moved") != before


@pytest.mark.parametrize(
    "options",
    [{"size": 9}, {"crop": 0.5}, {"augment": False}, {"flip": False}, {"area": 0.5},
     {"normalise": "unit"}, {"val": 0.2}, {"split": {"seed": 1}}, {"split": {"kind": "random"}}],
)  # fmt: skip
def test_what_changes_results_is_hashed(root: Path, options: dict[str, Any]) -> None:
    assert fingerprints(root, **options) != fingerprints(root)


def test_what_is_said_alike_is_hashed_alike(root: Path) -> None:
    assert fingerprints(root, crop=0.875, split={"seed": 0}) == fingerprints(root)


def test_leaving_broken_files_out_is_as_if_they_were_not_there(root: Path) -> None:
    before = fingerprints(root)
    (root / "images" / "a" / "x.jpg").write_text("no image")
    assert fingerprints(root, broken="skip") == before


def test_what_is_left_out_is_counted_and_named(root: Path, bimp: Command) -> None:
    from ruamel.yaml import YAML

    for number in range(7):
        (root / "images" / "a" / f"x{number}.jpg").write_text("no image")
    study = raw(root, broken="skip")
    _, code = opened_study(StudyFile.of(study), str(root / "out"), writes=False)
    (sentence,) = code.known.left_out  # which the end of a run has too
    assert sentence.startswith(
        "left out of task.dataset: 7 that cannot be used: a/x0.jpg (no image of a known format), "
    )
    assert sentence.endswith("a/x4.jpg (no image of a known format) and 2 more")
    with (root / "study.yaml").open("w") as file:
        YAML(typ="safe").dump(study, file)
    plan = bimp("plan", root / "study.yaml", "--out", root / "out").out
    assert "7 broken files: a/x0.jpg (no image of a known format) and others" in plan


def test_a_grid_over_the_options_looks_once_for_each(root: Path) -> None:
    study = StudyFile.of(raw(root, split={"seed": {"grid": [0, 1, 2]}}))
    resolved, code = opened_study(study, str(root / "out"), writes=False)
    assert len(code.known.looks) == 3
    assert resolved.trials is not None
    assert len({trial.fingerprint for trial in resolved.trials}) == 3


SEARCH = {"strategy": "optuna", "trials": 3, "objectives": {"val_accuracy": "max"}}


def test_a_range_that_decides_no_length_is_searched(root: Path) -> None:
    study = {**raw(root, area={"uniform": [0.1, 0.9]}), "search": SEARCH}
    resolved, code = opened_study(StudyFile.of(study), str(root / "out"), writes=False)
    resolved.check()
    assert len(code.known.looks) == 1
    (space,) = resolved.spaces
    configs = [space.config({"task.dataset.area": area}) for area in (0.2, 0.7)]
    assert [c.task.dataset.parameters["area"] for c in configs if c.task.dataset] == [0.2, 0.7]
    assert {c.n_train for c in configs} == {36}


@pytest.mark.parametrize("options", [{"val": {"uniform": [0.1, 0.3]}},
                                     {"split": {"seed": {"int": [0, 5]}}}])  # fmt: skip
def test_a_range_that_decides_lengths_is_refused(root: Path, options: dict[str, Any]) -> None:
    study = {**raw(root, **options), "search": SEARCH}
    with pytest.raises(Refusal, match=r"task\.dataset\.(val|split\.seed) must be fixed, or listed"):
        opened_study(StudyFile.of(study), str(root / "out"), writes=False)


NETWORK = """
from torch import nn


class Net(nn.Module):
    def __init__(self, in_shape, n_classes, width: int = 4, depth: int = 1):
        super().__init__()
        channels, height, side = in_shape
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * height * side, width), nn.ReLU(),
            nn.Linear(width, n_classes),
        )

    def forward(self, x):
        return self.layers(x)
"""


@pytest.mark.slow
def test_a_network_of_one_s_own_on_a_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    (root / "my_net.py").write_text(NETWORK)
    study = raw(root, test=0.1)
    study["task"]["model"] = {"name": "my_net:Net", "width": {"int": [4, 8]}}
    study["search"] = SEARCH
    resolved, code = opened_study(StudyFile.of(study), str(root / "out"), writes=False)
    resolved.check()
    assert len(code.known.looks) == 1
    (space,) = resolved.spaces
    config = space.config({"task.model.width": 7})
    assert config.task.model is not None
    assert config.task.model.parameters == {"width": 7, "depth": 1}
    facts = config.facts
    assert facts is not None
    assert (facts.n_train, facts.n_val, facts.n_test, facts.n_classes) == (32, 4, 4, 2)
    assert facts.codes.keys() == {"task.model"}
    assert facts.listings.keys() == {"task.dataset"}
    look = resolved.code.look_of(config.model_dump(mode="json"))
    assert look is not None
    assert look.findings["classes"] == {"train": [16, 16], "val": [2, 2], "test": [2, 2]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "none"}, r"task\.dataset\.path must be a folder of images by class, got .*none"),
        ({"pth": "x"}, r"task\.dataset\.pth must be a known key, got 'x'; did you mean path"),
        ({"size": 0}, r"task\.dataset\.size must be >= 1, got 0"),
        ({"split": {"seeds": 1}}, r"task\.dataset\.split\.seeds must be a known key"),
        ({"split": {"kind": "fair"}}, r"task\.dataset\.split\.kind must be 'stratified' or"),
        ({"test": 0.999}, r"task\.dataset\.test must take an image or more from 40 and leave"),
        ({"n_train": 1}, r"task\.dataset\.n_train must be in \[2, 36\]"),
    ],
)
def test_a_wrong_folder_is_refused_in_a_sentence(
    root: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        opened_study(StudyFile.of(raw(root, **options)), str(root / "out"))


def test_a_path_must_be_given(root: Path) -> None:
    study = raw(root)
    study["task"]["dataset"] = "image-folder"
    with pytest.raises(Refusal, match=r"task\.dataset\.path must be given, got nothing"):
        opened_study(StudyFile.of(study), str(root / "out"))


def test_broken_files_are_refused_before_a_run(root: Path) -> None:
    cut(noise(root / "images" / "b" / "cut.jpg", 3, (40, 40)), 200)
    study = StudyFile.of(raw(root))
    resolved, _ = opened_study(study, str(root / "out"))
    with pytest.raises(Refusal, match=r"got 1 of 41 that cannot: b/cut\.jpg \("):
        check_data(resolved.representatives, study)


def test_every_folder_of_a_study_is_checked(root: Path) -> None:
    folder_of(root / "second", {"a": 20, "b": 20})
    (root / "second" / "a" / "x.png").write_text("no image")
    study = StudyFile.of(raw(root, path={"grid": ["images", "second"]}))
    resolved, _ = opened_study(study, str(root / "out"))
    with pytest.raises(Refusal, match=r"1 of 41 that cannot: a/x\.png"):
        check_data(resolved.representatives, study)


def test_plan_knows_the_steps(root: Path, bimp: Command) -> None:
    from ruamel.yaml import YAML

    with (root / "study.yaml").open("w") as file:
        YAML(typ="safe").dump(raw(root), file)
    ended = bimp("plan", root / "study.yaml", "--out", root / "out")
    assert (ended.status, ended.err) == (0, "")
    assert not (root / "out").exists()
    shutil.rmtree(root / "images")
    ended = bimp("plan", root / "study.yaml")
    assert ended.status == 2
    assert "task.dataset.path must be a folder" in ended.err


def test_what_a_study_folder_keeps_is_read_again(root: Path) -> None:
    study = StudyFile.of(raw(root))
    resolved, code = opened_study(study, str(root / "out"))
    kept = kept_code(lambda _name: code.known.encode())
    assert kept == resolved.code

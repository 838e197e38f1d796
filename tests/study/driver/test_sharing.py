"""A run leaves its folder's name in a stage store that is not its own."""

from __future__ import annotations

from pathlib import Path

from study.checks.user_code import LookedAt
from study.definition.studyfile import StudyFile
from study.driver.launch import Launch
from study.points.resolve import resolve
from study.views.stage_waste import SHARED, waste
from trainables.files.storage import LocalFolder
from trainables.files.token import sharers

SMALL = {"task": {"dataset": "digits", "model": "mlp"}, "dense": {"epochs": 1}}


def write_study(folder: Path, **more: str) -> None:
    study = StudyFile.of({"name": "small", **SMALL, **more})
    Launch(resolve(study), str(folder), LookedAt())._write_study()


def test_only_a_store_elsewhere_is_signed(tmp_path: Path) -> None:
    one, two, store = tmp_path / "one", tmp_path / "two", tmp_path / "one" / "stages"
    write_study(one)
    assert sharers(LocalFolder(store), str(two)) == []
    write_study(one, stage_store=str(store))  # its own by another name
    assert sharers(LocalFolder(store), str(two)) == []
    write_study(two, stage_store=str(store))
    write_study(two, stage_store=str(store))
    assert len(sharers(LocalFolder(store), str(one))) == 1
    assert sharers(LocalFolder(store), str(two)) == []
    write_study(one)
    assert waste(str(one)).notes == [SHARED]

"""The trackers of a study file: what is refused, and that no trial is another one for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.definition.studyfile import StudyFile, load
from study.definition.track import Track
from study.points.resolve import resolve
from trainables.vocabulary.refusal import Refusal


def test_nothing_is_tracked_by_default_and_nothing_is_written_of_it() -> None:
    plain = load("digits")
    assert plain.track.targets == {}
    assert "track" not in plain.raw()


def test_trials_are_the_same_with_trackers() -> None:
    plain, tracked = load("digits"), load("digits", ["track.wandb=pruning", "track.tensorboard=a"])
    assert tracked.raw()["track"] == {"wandb": "pruning", "tensorboard": "a"}
    assert StudyFile.of(tracked.raw()) == tracked
    names = [
        {trial.fingerprint for trial in resolve(study).trials or ()} for study in (plain, tracked)
    ]
    assert names[0] == names[1] and len(names[0]) == 108


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mlflow", "''", r"track\.mlflow must not be empty"),
        ("tensorboard", "s3://bucket/x", r"track\.tensorboard must be a folder of this machine"),
        ("mlflow", "http://me:secret@host:5000", r"track\.mlflow must not hold a password"),
        ("neptune", "x", r"track\.neptune must be a known key"),
        ("wandb", "3", r"track\.wandb must be text, got 3"),
    ],
)
def test_what_cannot_be_a_tracker_is_refused(key: str, value: str, message: str) -> None:
    with pytest.raises(Refusal, match=message) as refused:
        load("digits", [f"track.{key}={value}"])
    assert "secret" not in str(refused.value)


def test_folders_are_written_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    track = Track(mlflow="sqlite:///a.db", wandb="a/b", tensorboard="runs")
    assert track.absolute().targets == {
        "mlflow": f"sqlite:///{tmp_path}/a.db", "wandb": "a/b", "tensorboard": f"{tmp_path}/runs",
    }  # fmt: skip
    assert Track(mlflow="mlruns").absolute().mlflow == f"{tmp_path}/mlruns"
    for uri in ("http://host:5000", "databricks", "file:///a", "sqlite:////abs/a.db"):
        assert Track(mlflow=uri).absolute().mlflow == uri

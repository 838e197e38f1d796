"""What a worker makes sure of before its first job."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainables.trials.plain import job_for, tiny
from trainables.files import token
from trainables.files.outages import StoreOutage
from trainables.files.storage import LocalFolder
from trainables.jobs.job import Context
from trainables.jobs.job_report import NodeFault
from trainables.waiting.patience import Patience
from trainables.workers import entry
from trainables.workers.entry import differences, driver_version, require_all, require_device

AT_ONCE = Patience(0.01, first_s=0.01)


def context(folder: Path, store: Path | None = None) -> Context:
    """A context with a token that was left in the study folder alone."""
    place = replace(job_for(tiny(), folder, store=store or folder / "stages").context, token="1a")
    token.leave(LocalFolder(folder), "1a")
    return place


def test_a_shared_folder_is_seen_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    place = context(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert require_all(place) == ()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_not_the_driver_s_is_refused_in_a_sentence(tmp_path: Path) -> None:
    place = replace(
        context(tmp_path), folder=str(tmp_path / "mine"), store=str(tmp_path / "mine/stages")
    )
    with pytest.raises(
        NodeFault, match=r"the study folder must be the driver's on every node.*/mine"
    ):
        require_all(place, AT_ONCE)
    assert not (tmp_path / "mine").exists()


def test_a_folder_that_is_away_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    place = context(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "away")
    back = threading.Timer(0.3, (tmp_path / "away").rename, [tmp_path / "here"])
    back.start()
    assert require_all(place) == ()
    back.join()


def test_a_stage_store_elsewhere_is_looked_at_too(tmp_path: Path) -> None:
    place = context(tmp_path / "study", tmp_path / "store")
    with pytest.raises(NodeFault, match="stage_store must be the driver's"):
        require_all(place, AT_ONCE)
    token.leave(LocalFolder(tmp_path / "store"), "1a")
    assert require_all(place, AT_ONCE) == ()


def test_a_folder_that_cannot_be_written_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = context(tmp_path)

    def write(self: LocalFolder, name: str, data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(LocalFolder, "write", write)
    with pytest.raises(StoreOutage, match=r"the study folder on .*Read-only file system"):
        require_all(place, AT_ONCE)


def test_a_device_that_is_not_there_is_named_with_torch_and_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(entry, "driver_version", lambda: None)
    require_device(0)
    with pytest.raises(NodeFault) as caught:
        require_device(0.5)
    text = str(caught.value)
    assert text.startswith("resources.gpus must be 0 on ") and "got 0.5" in text
    assert f"torch {torch.__version__}, built " in text
    assert text.endswith("(NVIDIA driver: none)")


def test_the_driver_s_version_is_read_where_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "version"
    assert driver_version(str(path)) is None
    path.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\nGCC\n")
    assert driver_version(str(path)) == "535.104.05"
    path.write_text("")
    assert driver_version(str(path)) is None


def test_other_versions_are_said() -> None:
    driver = {"python": "3.11.2", "torch": "2.9.0", "bimp_study": "1.0", "optuna": "5.0"}
    assert differences(driver, dict(driver)) == ()
    (sentence,) = differences(driver, {"python": "3.11.2", "torch": "2.8.0", "optuna": "4.0"})
    assert "has torch 2.8.0 instead of 2.9.0, bimp_study missing instead of 1.0," in sentence

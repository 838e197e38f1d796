"""A store that fails under a worker: a disk, a folder that is gone, a server that ails."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ailing_s3 import FAULTS, FlakyGate, s3_server
from tests.plain_user import bound_by_modes
from tests.study.driver.fault_lab import may_mount
from tests.study.driver.faulty_stores import Disk, small_disk
from tests.trainables.trials.plain import cache, job_for, run_trial, timeless, tiny
from trainables.files import token
from trainables.files.outages import StoreOutage
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder, open_folder
from trainables.files.trial_record import Record
from trainables.trials.stage_store import StageFault, StageStore
from trainables.workers import worker

Outage = Callable[[Path], AbstractContextManager[None]]
"""A context within which a study folder is out; its path stays the same."""


@contextmanager
def renamed(folder: Path) -> Iterator[None]:
    away = folder.with_name("away")
    folder.rename(away)
    yield
    assert not folder.exists(), "nothing is made anew where it was"
    away.rename(folder)


@contextmanager
def unmounted(folder: Path) -> Iterator[None]:
    """Its place is an empty folder, as that of a network file system that was unmounted."""
    with renamed(folder):
        folder.mkdir()
        yield
        folder.rmdir()  # empty


@contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    with bound_by_modes(folder.parent):
        places = [folder, *(place for place in folder.rglob("*") if place.is_dir())]
        for place in places:
            place.chmod(0o555)
        yield
        for place in places:
            place.chmod(0o755)


def of_the_disk(outage: str) -> Outage:
    @contextmanager
    def out(folder: Path) -> Iterator[None]:
        disk = Disk(folder.parent)
        disk.fail(outage)
        yield
        disk.heal()

    return out


def of_the_system(number: int) -> Outage:
    """What a network file system or a quota says; no such one can be had in a test."""

    @contextmanager
    def out(folder: Path) -> Iterator[None]:
        def refuse(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        with pytest.MonkeyPatch.context() as patch:
            for name in ("write", "read", "names", "sizes"):
                patch.setattr(LocalFolder, name, refuse)
            yield

    return out


OUTAGES: dict[str, Outage] = {
    "renamed": renamed,
    "unmounted": unmounted,
    "forbidden": forbidden,
    "full": of_the_disk("is full"),
    "read-only": of_the_disk("is read-only"),
    "EIO": of_the_system(errno.EIO),
    "ESTALE": of_the_system(errno.ESTALE),
    "EDQUOT": of_the_system(errno.EDQUOT),
}
WORDS = {
    "renamed": "study.yaml is gone from it",
    "unmounted": "study.yaml is gone from it",
    "forbidden": "Permission denied",
    "full": "No space left",
    "read-only": "Read-only file system",
    "EIO": "Input/output error",
    "ESTALE": "Stale file handle",
    "EDQUOT": "Disk quota exceeded",
}


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Record:
    return run_trial(tiny(), tmp_path_factory.mktemp("calm"))


@pytest.fixture(params=OUTAGES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A run's study folder, and what happens to it."""
    outage: str = request.param
    disk = tmp_path / "disk"
    if of_a_disk := outage in ("full", "read-only"):
        if not may_mount():
            pytest.skip("needs mounts")
    else:
        disk.mkdir()
    with small_disk(disk, "4m") if of_a_disk else nullcontext():
        folder = disk / "study"
        folder.mkdir()
        (folder / "study.yaml").touch()
        yield folder, outage


def to_its_end(run: worker.JobRun) -> None:
    while not run.advance().final:
        pass


def test_what_was_trained_is_kept_until_it_can_be_written(
    place: tuple[Path, str], calm: Record
) -> None:
    """After each unit of work the folder is out for two more."""
    folder, outage = place
    job = job_for(tiny(), folder, token=token.new_token(), store_patience=60.0)
    run, said = worker.JobRun(job, cache()), set()
    while not (report := run.advance()).final:
        with OUTAGES[outage](folder):
            reports = [run.advance() for _ in range(2)]
            said |= {r.waits for r in reports if r.waits}
            assert not any(r.final for r in reports)
    assert report.outcome == "done" and all(WORDS[outage] in text for text in said) and said
    record = StudyFolder(str(folder)).read_record(job.fingerprint)
    assert record is not None and timeless(record) == timeless(calm)
    assert sorted(record.provenance["stages_trained"]) == sorted(calm.stages)


def test_patience_ends_in_one_sentence_and_the_same_job_completes_the_trial(
    place: tuple[Path, str], calm: Record
) -> None:
    folder, outage = place
    job = job_for(tiny(), folder, token=token.new_token(), store_patience=0.1)
    run = worker.JobRun(job, cache())
    run.advance()
    with OUTAGES[outage](folder), pytest.raises(StoreOutage) as raised:
        to_its_end(run)
    sentence = str(raised.value)
    assert sentence.startswith(f"{folder}") and WORDS[outage] in sentence
    assert "\n" not in sentence
    to_its_end(worker.JobRun(job, cache()))
    record = StudyFolder(str(folder)).read_record(job.fingerprint)
    assert record is not None and timeless(record) == timeless(calm)


@pytest.mark.slow
def test_a_server_that_fails_three_requests_of_ten_in_any_way_changes_no_bit(
    tmp_path: Path, calm: Record
) -> None:
    pytest.importorskip("moto.server")
    with s3_server(FlakyGate) as (uri, gate):
        gate.share, gate.kinds = 0.3, tuple(FAULTS)
        places = {"folder": uri("one"), "store": uri("one/stages"), "token": token.new_token()}
        job = job_for(tiny(), tmp_path, store_patience=600.0)
        job = replace(job, context=replace(job.context, **places))
        to_its_end(worker.JobRun(job, cache()))
        gate.share = 0.0
        record = StudyFolder(uri("one")).read_record(job.fingerprint)
        assert gate.refused > 5
        left = open_folder(uri("one/stages")).sizes()
    assert record is not None and timeless(record) == timeless(calm)
    assert sorted(record.provenance["stages_trained"]) == sorted(calm.stages)
    assert not [name for name in left if "lease-" in name or "partial-" in name]


class Garbling(LocalFolder):
    """A folder whose first `garbled` readings of weights lose their last byte on the way."""

    garbled = 0

    def read(self, name: str) -> bytes:
        data = super().read(name)
        if "weights" in name and self.garbled:
            self.garbled -= 1
            return data[:-1] + b"?"
        return data


def test_a_stage_is_read_twice_before_it_is_taken_for_altered(tmp_path: Path) -> None:
    record = run_trial(tiny(), tmp_path)
    folder = Garbling(tmp_path / "stages")
    folder.garbled = 1
    stage = StageStore(folder, "reader").load(record.stages[0])
    assert stage is not None and stage.weights and folder.garbled == 0
    folder.garbled = 2
    with pytest.raises(StageFault, match=r"weights-.* does not have its checksum"):
        StageStore(folder, "reader").load(record.stages[0])

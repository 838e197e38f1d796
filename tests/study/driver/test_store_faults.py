"""A store that is out for a while under a whole run: a full disk, and refused requests to S3."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from study.driver import work
from study.driver.launch import run
from study.points.resolve import resolve
from tests.study.driver import fault_lab as lab
from tests.study.driver.faulty_stores import Gate, s3_server, small_disk
from trainables.files.records import StudyFolder

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return lab.undisturbed(lab.study("small", lab.SMALL), tmp_path_factory.mktemp("calm"))


@pytest.mark.skipif(not lab.may_mount(), reason="needs mounts")
def test_a_full_disk_ends_the_run_in_a_sentence_and_the_same_command_completes_it(
    calm: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    study = lab.study("small", lab.SMALL, store_patience=3)
    with small_disk(out, "200k"):
        summary = run(resolve(study), str(out))
        assert (summary.complete, summary.status, summary.failed) == (False, 1, [])
        assert summary.end is not None and summary.end.cause == "store"
        assert "No space left on device" in summary.end.sentence
        subprocess.run(["mount", "-o", "remount,size=50m", str(out)], check=True)
        assert run(resolve(study), str(out)).complete
        assert lab.outcome(out) == calm


class ShutGate(Gate):
    """Refuses all requests for some seconds once the second record is to be written."""

    SECONDS = 8

    def __init__(self, application: Any) -> None:
        super().__init__(application)
        self._records: set[str] = set()
        self._opens: float | None = None

    def refuses(self, environ: Any) -> bool:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "PUT" and "/records/" in path:
            self._records.add(path)
        if self._opens is None and len(self._records) == 2:
            self._opens = time.monotonic() + self.SECONDS
        return self._opens is not None and time.monotonic() < self._opens


@pytest.fixture
def bucket() -> Iterator[tuple[str, ShutGate]]:
    """The URI of a folder in a bucket, and the gate before its server."""
    pytest.importorskip("moto.server")
    with s3_server(ShutGate) as (uri, gate):
        yield uri("one"), gate


def test_a_store_that_refuses_all_requests_for_seconds_costs_those_seconds(
    calm: dict[str, Any],
    bucket: tuple[str, ShutGate],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uri, gate = bucket
    monkeypatch.setattr(work, "REMOTE_STATUS_EVERY_S", 0.5)  # the driver writes within the outage
    summary = run(resolve(lab.study("small", lab.SMALL)), uri)
    assert gate.refused > 0
    assert summary.complete
    records = StudyFolder(uri).records().records
    assert sorted(r.fingerprint for r in records) == sorted(calm)
    assert {r.attempt for r in records} == {1}
    trained = [stage for r in records for stage in r.provenance["stages_trained"]]
    assert len(trained) == len(set(trained)), "nothing is trained twice"
    assert "cannot be written" in capsys.readouterr().out

"""A store that fails under a whole run: a full disk, a folder that is renamed, an S3 server that
ails all along."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from study.driver import work
from study.driver.launch import run
from study.points.resolve import resolve
from tests.ailing_s3 import FAULTS, Fault, FlakyGate, s3_server
from tests.study.driver import fault_lab as lab
from tests.study.driver.faulty_stores import copied, small_disk

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return lab.undisturbed(lab.study("small", lab.SMALL), tmp_path_factory.mktemp("calm"))


@pytest.mark.skipif(not lab.may_mount(), reason="needs mounts")
def test_a_full_disk_ends_the_run_in_a_sentence_and_the_same_command_outlives_a_renaming(
    calm: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "disk" / "out"
    study = lab.study("small", lab.SMALL, store_patience=3)
    with small_disk(out.parent, "200k"):
        summary = run(resolve(study), str(out))
        assert (summary.complete, summary.status, summary.failed) == (False, 1, [])
        assert summary.end is not None and summary.end.cause == "store"
        assert "No space left on device" in summary.end.sentence
        subprocess.run(["mount", "-o", "remount,size=50m", str(out.parent)], check=True)
        study = lab.study("small", lab.SMALL)
        with elsewhere_for_a_while(out) as absences:
            assert run(resolve(study), str(out)).complete
        assert absences == ["nothing was written in its place"]
        assert lab.outcome(out) == calm


@contextmanager
def elsewhere_for_a_while(out: Path) -> Iterator[list[str]]:
    """Rename a study folder once there is a record in it, and back after three seconds."""
    absences: list[str] = []
    before = set(out.glob("records/*.json"))

    def rename() -> None:
        lab.wait_for(lambda: set(out.glob("records/*.json")) - before)
        out.rename(out.with_name("away"))
        time.sleep(3.0)
        if not out.exists():
            absences.append("nothing was written in its place")
            out.with_name("away").rename(out)

    thread = threading.Thread(target=rename)
    thread.start()
    yield absences
    thread.join()


class AilingGate(FlakyGate):
    """Lets three requests of ten fail in any way, and refuses all of them for some seconds once the
    second record is to be written."""

    SECONDS = 8

    def __init__(self, application: Any) -> None:
        super().__init__(application)
        self.share, self.kinds = 0.3, tuple(FAULTS)
        self._records: set[str] = set()
        self._opens: float | None = None

    def fault(self, environ: Any) -> Fault | None:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "PUT" and "/records/" in path:
            self._records.add(path)
        if self._opens is None and len(self._records) == 2:
            self._opens = time.monotonic() + self.SECONDS
        if self._opens is not None and time.monotonic() < self._opens:
            return FAULTS["403"]
        return super().fault(environ)


def test_a_store_that_fails_three_requests_of_ten_and_all_for_seconds_changes_no_bit(
    calm: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("moto.server")
    monkeypatch.setattr(work, "REMOTE_STATUS_EVERY_S", 0.5)  # the driver writes within the outage
    with s3_server(AilingGate) as (uri, gate):
        summary = run(resolve(lab.study("small", lab.SMALL)), uri("one"))
        gate.share = 0.0
        assert (summary.complete, summary.failed, summary.lost) == (True, [], [])
        assert gate.refused > 100
        copy = copied(uri("one"), tmp_path / "copy")
    records = lab.records_in(copy)
    assert {r.attempt for r in records} == {1}
    trained = [stage for r in records for stage in r.provenance["stages_trained"]]
    assert len(trained) == len(set(trained)), "nothing is trained twice"
    assert lab.outcome(copy) == calm
    assert "cannot be written" in capsys.readouterr().out

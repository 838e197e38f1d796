"""A store that is out for a while under a whole run: a full disk, and refused requests to S3."""

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
from tests.study.driver import fault_lab as lab
from trainables.files.records import StudyFolder

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return lab.undisturbed(lab.study("small", lab.SMALL), tmp_path_factory.mktemp("calm"))


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Within this context a folder is a file system of its own, of a size."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


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


class Gate:
    """A WSGI application in front of another one, which refuses all requests for some seconds.

    It shuts when the second record is to be written.
    """

    SECONDS = 8

    def __init__(self, application: Any) -> None:
        self._application, self.refused = application, 0
        self._records: set[str] = set()
        self._opens: float | None = None

    def shut(self, environ: Any) -> bool:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "PUT" and "/records/" in path:
            self._records.add(path)
        if self._opens is None and len(self._records) == 2:
            self._opens = time.monotonic() + self.SECONDS
        return self._opens is not None and time.monotonic() < self._opens

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if not self.shut(environ):
            return self._application(environ, start_response)
        self.refused += 1
        start_response("403 Forbidden", [("Content-Length", "0")])
        return [b""]


@pytest.fixture
def bucket() -> Iterator[tuple[str, Gate]]:
    """The URI of a folder in a bucket, and the gate before its server."""
    pytest.importorskip("moto.server")
    from moto.server import DomainDispatcherApplication, create_backend_app
    from pyarrow import fs
    from werkzeug.serving import make_server

    gate = Gate(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, gate, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    place = {
        "endpoint_override": f"127.0.0.1:{server.port}",
        "scheme": "http",
        "region": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for key, value in keys.items():
            patch.setenv(key, value)
        fs.S3FileSystem(**place, allow_bucket_creation=True).create_dir("outages")
        yield "s3://outages/one?" + "&".join(f"{k}={v}" for k, v in place.items()), gate
        server.shutdown()


def test_a_store_that_refuses_all_requests_for_seconds_costs_those_seconds(
    calm: dict[str, Any],
    bucket: tuple[str, Gate],
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

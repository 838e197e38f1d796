"""A folder in a bucket whose server fails in every way that it can."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.ailing_s3 import FAULTS, Fault, Gate, s3_server, silence
from trainables.files import storage
from trainables.files.outages import PatientFolder, StoreOutage
from trainables.files.storage import Folder, open_folder
from trainables.waiting.patience import AT_START, Patience


class Failing(Gate):
    """Lets the next `left` requests fail, those that `concerns` is true of."""

    def __init__(self, application: object) -> None:
        super().__init__(application)
        self.calm()

    def calm(self) -> None:
        """Serve everything from now on."""
        self.left, self.kind, self.refused, self.requests = 0, FAULTS["403"], 0, 0

    def fail(self, left: int, kind: Fault) -> None:
        self.left, self.kind = left, kind

    def fault(self, environ: object) -> Fault | None:
        if self.left <= 0:
            return None
        self.left -= 1
        return self.kind


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Callable[[str], str], Failing]]:
    pytest.importorskip("moto.server")
    with s3_server(Failing) as (uri, gate):
        yield uri, gate


@pytest.fixture
def place(server: tuple[Callable[[str], str], Failing]) -> Iterator[tuple[Folder, Failing]]:
    uri, gate = server
    gate.calm()
    yield open_folder(uri("some")), gate
    gate.calm()


OPERATIONS: dict[str, Callable[[Folder], object]] = {
    "write": lambda folder: folder.write("there/a", b"new"),
    "read": lambda folder: folder.read("there/a"),
    "exists": lambda folder: folder.exists("there/a"),
    "names": lambda folder: folder.names("there"),
    "sizes": lambda folder: folder.sizes("there"),
    "delete": lambda folder: folder.delete("there/a"),
}
ANSWERS = {"read": b"old", "exists": True, "names": ["a"], "sizes": {"a": 3}}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", FAULTS)
def test_a_request_that_fails_twice_is_as_one_that_did_not(
    place: tuple[Folder, Failing], kind: str, operation: str
) -> None:
    folder, gate = place
    folder.write("there/a", b"old")
    gate.fail(2, FAULTS[kind])
    assert OPERATIONS[operation](folder) == ANSWERS.get(operation)
    assert gate.refused == 2
    there = folder.read("there/a") if folder.exists("there/a") else None
    assert there == {"write": b"new", "delete": None}.get(operation, b"old")


@pytest.mark.parametrize("kind", ["403", "503", "connection broken off"])
def test_one_that_fails_for_good_is_an_outage_within_seconds_and_then_at_once(
    place: tuple[Folder, Failing], kind: str
) -> None:
    folder, gate = place
    gate.fail(10**9, FAULTS[kind])
    began = time.monotonic()
    with pytest.raises(OSError, match="outages"):
        folder.write("there/a", b"new")
    assert 4 < gate.refused < 40 and time.monotonic() - began < 10
    for operation in ("read", "names"):
        before = gate.refused
        with pytest.raises(OSError, match="outages"):
            OPERATIONS[operation](folder)
        assert gate.refused - before <= 2


@pytest.mark.slow
def test_a_server_that_never_answers_is_left_after_some_seconds(
    server: tuple[Callable[[str], str], Failing], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, gate = server
    monkeypatch.setattr(storage, "TIMEOUT_S", 1.0)
    folder = open_folder(uri("silent"))
    gate.fail(10**9, silence)
    began = time.monotonic()
    with pytest.raises(OSError, match="Timeout was reached"):
        folder.read("a")
    assert time.monotonic() - began < 10
    gate.calm()


def test_a_bucket_that_is_not_there_is_refused_at_once_before_a_run_and_waited_for_within(
    place: tuple[Folder, Failing],
) -> None:
    folder, _ = place
    missing = open_folder(folder.location.replace("//outages/", "//elsewhere/"))
    began = time.monotonic()
    with pytest.raises(StoreOutage, match="NO_SUCH_BUCKET"):
        PatientFolder(missing, AT_START).write("a", b"")
    assert time.monotonic() - began < 1.0
    with pytest.raises(StoreOutage, match="NO_SUCH_BUCKET"):
        PatientFolder(missing, Patience(1.5)).write("a", b"")
    assert time.monotonic() - began > 1.5


def test_a_large_file_in_parts_is_whole_where_requests_fail(place: tuple[Folder, Failing]) -> None:
    folder, gate = place
    data = bytes(range(256)) * 2**16  # 16 MiB: several parts
    gate.fail(2, FAULTS["503"])
    folder.write("large", data)
    assert folder.read("large") == data

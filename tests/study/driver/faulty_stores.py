"""Stores that fail when they are told to: a disk of its own, and an S3 server behind a gate."""

from __future__ import annotations

import logging
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from trainables.files.storage import open_folder


class Gate:
    """A WSGI application in front of another one, which answers 403 to what it refuses."""

    def __init__(self, application: Any) -> None:
        self._application, self.refused = application, 0

    def refuses(self, environ: Any) -> bool:
        """Whether a request is refused."""
        raise NotImplementedError

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if not self.refuses(environ):
            return self._application(environ, start_response)
        self.refused += 1
        start_response("403 Forbidden", [("Content-Length", "0")])
        return [b""]


class FlakyGate(Gate):
    """Refuses a `share` of all requests, which may change at any time."""

    def __init__(self, application: Any) -> None:
        super().__init__(application)
        self.share = 0.0
        self._draw = random.Random(0)

    def refuses(self, environ: Any) -> bool:
        return self._draw.random() < self.share


G = TypeVar("G", bound=Gate)


@contextmanager
def s3_server(gate_before: Callable[[Any], G]) -> Iterator[tuple[Callable[[str], str], G]]:
    """An S3 server on loopback; yields the URI of a folder by its name, and the gate before it.

    Within this context the environment holds its keys, also for processes that are started.
    """
    from moto.server import DomainDispatcherApplication, create_backend_app
    from pyarrow import fs
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for every request
    gate = gate_before(DomainDispatcherApplication(create_backend_app))
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
    options = "&".join(f"{key}={value}" for key, value in place.items())
    with pytest.MonkeyPatch.context() as patch:
        for key, value in keys.items():
            patch.setenv(key, value)
        fs.S3FileSystem(**place, allow_bucket_creation=True).create_dir("outages")
        try:
            yield lambda name: f"s3://outages/{name}?{options}", gate
        finally:
            server.shutdown()


class FaultyStore(Protocol):
    """Where studies are kept; `outages` are the ways in which it can be out."""

    outages: tuple[str, ...]

    def location(self, name: str) -> str:
        """Return the location of a folder."""
        ...

    def fail(self, outage: str) -> None:
        """Be out from now on."""
        ...

    def heal(self) -> None:
        """Work again."""
        ...


class Bucket:
    """Folders in a bucket whose server refuses requests."""

    outages: tuple[str, ...] = ("refuses 30 % of requests", "refuses all requests")

    def __init__(self, uri: Callable[[str], str], gate: FlakyGate) -> None:
        self.location, self._gate = uri, gate

    def fail(self, outage: str) -> None:
        self._gate.share = 0.3 if "30 %" in outage else 1.0

    def heal(self) -> None:
        self._gate.share = 0.0


class Disk:
    """Folders on a file system of its own."""

    outages: tuple[str, ...] = ("is full", "is read-only")

    def __init__(self, root: Path) -> None:
        self._root, self._ballast = root, root / "ballast"

    def location(self, name: str) -> str:
        return str(self._root / name)

    def fail(self, outage: str) -> None:
        if outage == "is full":
            self._fill()
        else:
            self._remount("ro")

    def _fill(self) -> None:
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**16))

    def _remount(self, how: str) -> None:
        """Also where files are open for writing at that moment: then a little later."""
        for _ in range(200):
            command = ["mount", "-o", f"remount,{how}", str(self._root)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.01)

    def heal(self) -> None:
        self._remount("rw")
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Within this context a folder is a file system of its own, of a size."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def copied(location: str, to: Path) -> Path:
    """Return a local copy of a study folder."""
    folder = open_folder(location)
    for name in folder.sizes():
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(folder.read(name))
    return to

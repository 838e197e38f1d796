"""Stores that fail when they are told to: a disk of its own, and an S3 server behind a gate."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.ailing_s3 import FlakyGate
from trainables.files.storage import open_folder


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

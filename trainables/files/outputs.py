"""What a reader of studies writes for its user: files written whole, where the user wants them.

A path may be `-` for standard output, begin with `~`, be a link to a file, which is written
through, or name a pipe or a device, which is written into and never replaced. A file that is
replaced keeps its mode. Several are all written under other names before the first takes its place.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from trainables.files.storage import (
    is_remote,
    open_folder,
    temporary_beside,
    write_through,
)

STDOUT = "-"


class OutputError(OSError):
    """A file could not be written; the text says which and why."""


def deliver(files: Mapping[str, bytes] | Mapping[Path, bytes]) -> None:
    """Write files, each whole or not at all.

    Raises OutputError for a folder in a file's place and for whatever the system refuses; files
    that would have been replaced are then as they were.
    """
    targets = [(str(path), data) for path, data in files.items()]
    plain = [(at, target_of(at), data) for at, data in targets if _is_plain(at)]
    for at, path, _ in plain:
        if path.is_dir():
            raise OutputError(f"must be a file that can be written, got {at}, which is a folder")
    _replace(plain)
    for at, data in targets:
        if not _is_plain(at):
            _pour(at, data)


def target_of(path: str) -> Path:
    """Return where a path leads: home folders written out, links followed to what they name."""
    expanded = Path(path).expanduser()
    return expanded.resolve() if expanded.is_symlink() else expanded


def _is_plain(path: str) -> bool:
    """Whether a path is that of a file to be made or replaced."""
    if path == STDOUT or is_remote(path):
        return False
    target = target_of(path)
    return not target.exists() or target.is_file() or target.is_dir()


def _replace(plain: list[tuple[str, Path, bytes]]) -> None:
    temporary = [temporary_beside(path) for _, path, _ in plain]
    pairs = list(zip(plain, temporary, strict=True))
    try:
        for (at, path, data), beside in pairs:
            with _failing(at):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_through(beside, data)
                if path.exists():
                    shutil.copymode(path, beside)
        for (at, path, _), beside in pairs:
            with _failing(at):
                os.replace(beside, path)
    finally:
        for beside in temporary:
            with suppress(OSError):
                beside.unlink()


def _pour(at: str, data: bytes) -> None:
    """Write into what cannot be replaced: standard output, a pipe, a device, an object store."""
    if at == STDOUT:
        _print(data)
        return
    with _failing(at):
        if is_remote(at):
            parent, _, name = at.rpartition("/")
            open_folder(parent).write(name, data)
        else:
            with target_of(at).open("wb") as stream:
                stream.write(data)


def _print(data: bytes) -> None:
    try:
        with _failing("standard output"):
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except OutputError:  # else Python says the same again, with a traceback, at its end
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


@contextmanager
def _failing(at: str) -> Iterator[None]:
    """Name a file in what the system says of it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"must be a file that can be written, got {at} ({reason})") from error

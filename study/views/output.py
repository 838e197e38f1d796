"""What a verb writes for its user: files written whole, or a clear refusal and none."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from trainables.vocabulary.refusal import Refusal


def write(path: Path, data: bytes) -> None:
    """Write a file whole, replacing it; Refusal when it cannot be written, or is no plain file."""
    write_all({path: data})


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write several files, each whole: all of them under other names before the first is renamed.

    Refusal when one cannot be written, or when what stands in its place is a link, a folder or a
    device: these are not replaced. Nothing is then written.
    """
    for path in files:
        require_replaceable(path)
    temporary = {path: path.parent / f".tmp-{uuid.uuid4().hex}" for path in files}
    at = next(iter(files), Path())
    try:
        for at, data in files.items():
            at.parent.mkdir(parents=True, exist_ok=True)
            _write_through(temporary[at], data)
        for at in files:
            os.replace(temporary[at], at)
    except OSError as error:
        raise Refusal(f"-o must be a file that can be written, got {at} ({error})") from error
    finally:
        for path in temporary.values():
            with suppress(OSError):
                path.unlink()


def require_replaceable(path: Path) -> None:
    """Refuse a path where something stands that is no regular file, or a link to one."""
    if path.is_symlink():
        kind = "a link"
    elif path.is_dir():
        kind = "a folder"
    elif path.exists() and not path.is_file():
        kind = "no regular file"
    else:
        return
    raise Refusal(f"-o must be a new file or a regular one, got {path}, which is {kind}")


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

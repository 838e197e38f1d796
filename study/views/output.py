"""What a verb writes for its user, or a clear refusal that names its option."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trainables.files.outputs import OutputError, Target, deliver, target_of
from trainables.vocabulary.refusal import Refusal


def write(path: Path | str, data: bytes) -> None:
    """Write a file whole, as `files.outputs` does; Refusal when it cannot be written."""
    write_all({str(path): data})


def write_all(files: Mapping[str, bytes] | Mapping[Path, bytes]) -> None:
    """Write several files, all or none replaced; Refusal when one of them cannot be written."""
    try:
        deliver({str(path): data for path, data in files.items()})
    except OutputError as error:
        raise Refusal(f"-o {error}") from error


def require_file(path: Path | str) -> Target:
    """Return what a path names, looked at before what takes minutes is begun.

    Refusal where no file can be written there.
    """
    try:
        return target_of(str(path))
    except OutputError as error:
        raise Refusal(f"-o {error}") from error

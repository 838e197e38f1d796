"""What a verb writes for its user: a file written whole, or a clear refusal."""

from __future__ import annotations

from pathlib import Path

from trainables.files.storage import LocalFolder
from trainables.vocabulary.refusal import Refusal


def write(path: Path, data: bytes) -> None:
    """Write a file whole, replacing it; Refusal when it cannot be written."""
    try:
        LocalFolder(path.parent).write(path.name, data)
    except OSError as error:
        raise Refusal(f"-o must be a file that can be written, got {path} ({error})") from error

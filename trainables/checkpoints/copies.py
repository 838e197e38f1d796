"""Trained weights in a study folder, so that workers need not see where a file lay.

A copy is `weights/<digest>` with the ending that says how it is read, written whole, its content
as it was hashed. Where a study folder has none, the file itself is read.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Protocol

from trainables.checkpoints.files import digest_of, is_own
from trainables.vocabulary.refusal import Refusal

FOLDER = "weights"


class Files(Protocol):
    """The files of a study folder, by relative name."""

    @property
    def location(self) -> str: ...

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, data: bytes) -> None: ...

    def exists(self, name: str) -> bool: ...


def copy_name(digest: str, path: str) -> str:
    """Return the name of a copy below the study folder; `path` is where the file lay."""
    tensors_alone = is_own(path) or PurePath(path).suffix == ".safetensors"
    return f"{FOLDER}/{digest}{'.safetensors' if tensors_alone else '.pt'}"


def keep(file: Path, digest: str, path: str, folder: Files) -> bool:
    """Write the copy of a file; False where it stands there already.

    `path` is what the study knows the file by. Refusal when its content has changed meanwhile.
    """
    name = copy_name(digest, path)
    if folder.exists(name):
        return False
    content = file.read_bytes()
    if digest_of(hashlib.sha256(content)) != digest:
        raise Refusal(f"{path} must not change while the study starts, but it has; run it again")
    folder.write(name, content)
    return True


@contextmanager
def opened(folder: Files, digest: str, path: str) -> Iterator[Path]:
    """Within this context there is a local file with the copy, or the file itself without one.

    Whoever reads it checks the digest.
    """
    name = copy_name(digest, path)
    local = Path(folder.location) / name
    if local.is_file():
        yield local
        return
    try:
        content = folder.read(name)
    except FileNotFoundError:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="bimp-weights-") as scratch:
        fetched = Path(scratch) / PurePath(name).name
        fetched.write_bytes(content)
        yield fetched

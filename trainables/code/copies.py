"""Copies of the user's code: kept in the study folder, restored on whatever machine runs it.

A copy is `code/<digest>/`, every file at its position and `code.json` last, so that the folder can
be put on `sys.path` as it is. The manifest vouches for itself: its checksums give the digest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from trainables.code.digest import MANIFEST, CodeFile, UserCode, content_digest
from trainables.vocabulary.refusal import Refusal

Read = Callable[[str], bytes]
"""Returns a file of the study folder by relative name; FileNotFoundError when it is absent."""

Write = Callable[[str, bytes], None]
"""Writes a file of the study folder whole, by relative name."""

_verified_folders: dict[tuple[str, Path], Path] = {}
"""Folders that this process has verified, by digest and the folder that they lie in."""


def copy_name(digest: str) -> str:
    """Return the name of a copy below the study folder."""
    return f"code/{digest}"


def keep(code: UserCode, read: Read, write: Write) -> bool:
    """Write the copy of some code into a study folder; False where it stands there already.

    The manifest comes last, so that a copy with one is whole. It names the references that the copy
    was first kept for. Refusal when a file has changed since the code was read.
    """
    folder = copy_name(code.digest)
    if _is_there(f"{folder}/{MANIFEST}", read):
        return False
    entries = {}
    for position, file in code.files.items():
        content = _unchanged(file)
        write(f"{folder}/{position}", content)
        entries[position] = {"sha256": file.sha256, "bytes": len(content)}
    references = [str(reference) for reference in code.references]
    manifest = {"digest": code.digest, "references": references, "files": entries}
    write(f"{folder}/{MANIFEST}", json.dumps(manifest, indent=1).encode())
    return True


def restore(read: Read, digest: str, under: Path | None = None) -> Path:
    """Return a local folder with the copy of that digest, each file verified.

    Made once for all processes of a user, in a folder of theirs for temporary files (`under` is
    another), and verified once in each process. The last part of the path is the digest. Refusal
    when the study folder has no such copy or a damaged one.
    """
    parent = under or _temporary_folder()
    place = _verified_folders.get((digest, parent))
    if place is not None and (place / MANIFEST).is_file():
        return place
    folder = parent / digest
    if not _is_whole(folder, digest):
        _make(folder, read, digest)
    _verified_folders[digest, parent] = folder
    return folder


def shipped_copy(digest: str, path: Sequence[str] | None = None) -> Path | None:
    """Return the copy of that digest that lies in a folder of `sys.path`, verified, or None.

    Where a restored folder is given to Ray as one of its `py_modules`, workers find it so.
    """
    for entry in sys.path if path is None else path:
        folder = Path(entry) / digest
        if _is_whole(folder, digest):
            return folder
    return None


def manifest_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 by position of the copy in a folder; Refusal where it holds none."""
    digest = folder.name
    try:
        return _checksums((folder / MANIFEST).read_bytes(), digest)
    except OSError as error:
        raise Refusal(f"{folder} must hold a copy of code with {MANIFEST}, got none") from error


def _unchanged(file: CodeFile) -> bytes:
    """The bytes that were hashed; Refusal when the file holds others by now."""
    with suppress(OSError):
        content = file.path.read_bytes()
        if hashlib.sha256(content).hexdigest() == file.sha256:
            return content
    raise Refusal(f"{file.path} must not change while the study starts, but it has; run it again")


def _is_there(name: str, read: Read) -> bool:
    try:
        read(name)
    except FileNotFoundError:
        return False
    return True


def _make(folder: Path, read: Read, digest: str) -> None:
    """Read a copy under a temporary name, then rename: others see all of it or nothing."""
    temporary = folder.parent / f".{digest}-{uuid.uuid4().hex}"
    try:
        _fill(temporary, read, digest)
        _put(temporary, folder, digest)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _fill(folder: Path, read: Read, digest: str) -> None:
    manifest = _part(read, digest, MANIFEST)
    for position, sha256 in _checksums(manifest, digest).items():
        content = _part(read, digest, position)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _damaged(digest, position)
        target = folder / position
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_bytes(manifest)


def _part(read: Read, digest: str, position: str) -> bytes:
    name = f"{copy_name(digest)}/{position}"
    try:
        return read(name)
    except FileNotFoundError as error:
        raise Refusal(
            f"{name} must be in the study folder, but it is missing{_remedy(digest)}"
        ) from error


def _damaged(digest: str, position: str) -> Refusal:
    name = f"{copy_name(digest)}/{position}"
    return Refusal(f"{name} must be as it was written, but it has changed{_remedy(digest)}")


def _remedy(digest: str) -> str:
    return f"; delete {copy_name(digest)} and run the study again, which writes it anew"


def _put(temporary: Path, folder: Path, digest: str) -> None:
    """Rename into place; another process may have been faster, or what lies there be damaged."""
    for _ in range(2):
        try:
            temporary.rename(folder)
        except OSError:
            if _is_whole(folder, digest):
                return
            aside = folder.parent / f".{digest}-{uuid.uuid4().hex}"
            with suppress(OSError):  # another process may do the same
                folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            return
    raise Refusal(f"{folder} must be free for a copy of the code, but others write to it")


def _is_whole(folder: Path, digest: str) -> bool:
    """Whether a folder holds the copy of that digest with every byte of it."""
    try:
        checksums = _checksums((folder / MANIFEST).read_bytes(), digest)
        return all(_sha256(folder / position) == sha for position, sha in checksums.items())
    except (OSError, Refusal):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksums(manifest: bytes, digest: str) -> dict[str, str]:
    """The checksums by position that a manifest lists; Refusal unless they give the digest."""
    try:
        files: Mapping[str, Any] = json.loads(manifest)["files"]
        checksums = {position: str(entry["sha256"]) for position, entry in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(digest, MANIFEST) from error
    if content_digest(checksums) != digest or not all(map(_stays_within, checksums)):
        raise _damaged(digest, MANIFEST)
    return checksums


def _stays_within(position: str) -> bool:
    path = PurePosixPath(position)
    return not path.is_absolute() and ".." not in path.parts


@cache
def _temporary_folder() -> Path:
    """A folder for this user alone below the machine's temporary folder."""
    shared = Path(tempfile.gettempdir()) / f"bimp-code-{os.getuid()}"
    shared.mkdir(mode=0o700, exist_ok=True)
    status = shared.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
        return shared
    return Path(tempfile.mkdtemp(prefix="bimp-code-"))

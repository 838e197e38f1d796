"""What a reader of somebody's study folder may be led to: a folder can name any store or service.

A request to an object store is signed with the reader's own key, and goes to whatever endpoint the
location names. So a folder that was received may have local paths read, and objects of the bucket
that the reader opened it from, at the same endpoint; any other store takes the reader's word. So
does a link that leads out of the folder: what it leads to is not part of the study, and would stand
in tables and reports as if it were.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trainables.files.storage import Folder, LocalFolder, is_remote, open_folder
from trainables.vocabulary.homes import without_scheme

OPTION = "--trust-store"

_trusted = False
"""Of the whole process, whose threads read for one reader."""


def trust_stores() -> None:
    """Let this process go wherever a study folder leads."""
    global _trusted
    _trusted = True


def trusting() -> bool:
    """Whether the reader trusts what study folders name."""
    return _trusted


def distrust(store: str, folder: str) -> str | None:
    """Return in a sentence why a store that the study folder names is not asked; None if it may be.

    `store` and `folder` are locations, `folder` as the reader gave it.
    """
    if _trusted or not is_remote(store):
        return None
    if (place := _place(store)) is not None and place == _place(folder):
        return None
    return (
        f"stage_store must be a local path or lie in the bucket of its study folder {folder},"
        f" got {store}: requests to it would be signed with your key; if you trust it, say"
        f" `bimp {OPTION} ...`"
    )


def _place(location: str) -> tuple[str, str, str] | None:
    """Scheme, bucket and options (the endpoint among them) of a location; None for what is no URI
    of a bucket."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return None
    plain = is_remote(location) and parts.netloc and not parts.fragment
    if ".." in unquote(parts.path).split("/"):
        return None
    # What the parser drops, a store's own parser may read.
    whole = location.startswith(f"{parts.scheme}://{parts.netloc}") and location.isprintable()
    return (parts.scheme, parts.netloc, parts.query) if plain and whole else None


def received(location: str) -> Folder:
    """Return the folder at a location, for somebody who reads it; ValueError as `open_folder`."""
    if is_remote(location) or _trusted:
        return open_folder(location)
    return ReceivedFolder(without_scheme(location))


class ReceivedFolder(LocalFolder):
    """A `LocalFolder` that follows no link out of the outermost folder that was opened."""

    def __init__(self, path: Path | str, home: Path | None = None) -> None:
        super().__init__(path)
        self._home = home or Path(os.path.realpath(self.path))
        self._inside: set[Path] = set()

    def _at(self, name: str) -> Path:
        path = super()._at(name)
        if name and path.parent not in self._inside:
            self._require_inside(path.parent)
            self._inside.add(path.parent)
        if path.is_symlink() or not name:
            self._require_inside(path)
        return path

    def _require_inside(self, path: Path) -> None:
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(self._home) and not _is_endless(target):
            raise OSError(errno.EXDEV, "a link leads out of the study folder", str(path))

    def exists(self, name: str) -> bool:
        try:
            return super().exists(name)
        except OSError:
            return False

    def child(self, name: str) -> ReceivedFolder:
        return ReceivedFolder(super()._at(name), self._home)


def _is_endless(path: Path) -> bool:
    """Whether reading refuses it anyway, in words that say more: a device, a pipe, a socket."""
    return path.exists() and not (path.is_file() or path.is_dir())

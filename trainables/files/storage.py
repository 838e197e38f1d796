"""A folder that may lie on a local disk, NFS or an object store, with whole writes only.

Local files are written under a temporary name, flushed to disk and renamed. Object stores can
neither rename nor create-if-absent, but a finished upload appears whole. Knows no records.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any, Protocol


class Folder(Protocol):
    """Files below one location, by relative path with forward slashes."""

    @property
    def location(self) -> str:
        """Absolute path or URI of this folder."""
        ...

    def read(self, name: str) -> bytes:
        """Return the file's bytes; FileNotFoundError when absent."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write the file whole, replacing it; readers see the old bytes or the new, never less."""
        ...

    def exists(self, name: str) -> bool:
        """Whether a file of that name is there."""
        ...

    def names(self, under: str = "") -> list[str]:
        """Sorted names directly in a folder, temporary files left out; [] when it is absent."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file or folder; nothing happens when it is absent."""
        ...

    def child(self, name: str) -> Folder:
        """The folder below this one."""
        ...


TEMPORARY = ".tmp-"


def temporary_beside(path: Path) -> Path:
    """Return a name of no file yet in a file's folder, which listings leave out."""
    return path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"


def write_through(path: Path, data: bytes) -> None:
    """Write a file and have the system put it on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class LocalFolder:
    """A `Folder` on a file system with atomic rename."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser().absolute()

    @property
    def location(self) -> str:
        return str(self.path)

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except NotADirectoryError as error:  # a file stands where a folder would: nothing is there
            raise FileNotFoundError(*error.args, str(self.path / name)) from error

    def write(self, name: str, data: bytes) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            write_through(temporary, data)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def exists(self, name: str) -> bool:
        return (self.path / name).is_file()

    def names(self, under: str = "") -> list[str]:
        try:
            entries = os.listdir(self.path / under)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in entries if not name.startswith(TEMPORARY))

    def delete(self, name: str) -> None:
        target = self.path / name
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)

    def child(self, name: str) -> LocalFolder:
        return LocalFolder(self.path / name)


class RemoteFolder:
    """A `Folder` on an object store, through one of pyarrow's file systems."""

    def __init__(self, filesystem: Any, path: str, uri: str) -> None:
        self._fs = filesystem
        self._path = path.rstrip("/")
        self._base, self._mark, self._query = uri.partition("?")

    @property
    def location(self) -> str:
        return f"{self._base.rstrip('/')}{self._mark}{self._query}"

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}" if name else self._path

    def read(self, name: str) -> bytes:
        with self._fs.open_input_stream(self._at(name)) as stream:
            return bytes(stream.read())

    def write(self, name: str, data: bytes) -> None:
        with self._fs.open_output_stream(self._at(name)) as stream:
            stream.write(data)

    def exists(self, name: str) -> bool:
        from pyarrow import fs

        return bool(self._fs.get_file_info(self._at(name)).type == fs.FileType.File)

    def names(self, under: str = "") -> list[str]:
        from pyarrow import fs

        selector = fs.FileSelector(self._at(under), allow_not_found=True)
        return sorted(info.base_name for info in self._fs.get_file_info(selector))

    def delete(self, name: str) -> None:
        from pyarrow import fs

        kind = self._fs.get_file_info(self._at(name)).type
        if kind == fs.FileType.Directory:
            self._fs.delete_dir(self._at(name))
        elif kind == fs.FileType.File:
            self._fs.delete_file(self._at(name))

    def child(self, name: str) -> RemoteFolder:
        below = f"{self._base.rstrip('/')}/{name}{self._mark}{self._query}"
        return RemoteFolder(self._fs, self._at(name), below)


def is_remote(location: str) -> bool:
    """Whether a location is a URI of an object store rather than a local path."""
    return "://" in location and not location.startswith("file://")


def open_folder(location: str | Path) -> Folder:
    """Return the folder at a local path, `file://` or an object store's URI (`s3://`, `gs://`).

    Credentials, region and endpoint come from the store's usual environment variables; options may
    stand in the URI as pyarrow reads them (`s3://bucket/path?endpoint_override=...`).
    Raises ValueError, naming the location, when the URI is not understood.
    """
    text = str(location)
    if not is_remote(text):
        return LocalFolder(text.removeprefix("file://"))
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(text)
    except (ValueError, OSError) as error:
        raise ValueError(f"cannot open folder {text!r}: {error}") from error
    return RemoteFolder(filesystem, path, text)

"""A folder that may lie on a local disk, NFS or an object store, with whole writes only.

Local files are written under a temporary name, flushed to disk and renamed. Object stores can
neither rename nor create-if-absent, but a finished upload appears whole. Knows no records.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from trainables.files.bounds import most_bytes, read_bounded, too_long
from trainables.vocabulary.homes import LocationError, expanded, without_scheme
from trainables.vocabulary.wording import in_one_line
from trainables.waiting.patience import Attempts

N = TypeVar("N")
T = TypeVar("T")


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

    def sizes(self, under: str = "") -> dict[str, int]:
        """Bytes of every file in a folder and below it, by name from there; {} when it is absent.

        On an object store this takes a request per thousand files, where looking at each takes one
        per file.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a file or folder; nothing happens when it is absent."""
        ...

    def child(self, name: str) -> Folder:
        """The folder below this one."""
        ...


TEMPORARY = ".tmp-"

REMOTE_READS = 16
"""Reads of an object store under way at once."""

SCHEMES: Final = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
"""What URIs of folders begin with; others reach nothing, least of all another package."""

_BUCKETED: Final = ("s3", "gs", "gcs")
"""Schemes whose URIs begin with a bucket; other stores may have a default one."""

RETRIES: Final = 1
"""How often pyarrow itself makes a request to S3 again, at once: what is uploaded in parts begins
from its first one otherwise."""

TIMEOUT_S: Final = 5.0
"""How long a server may be silent, and how long a connection to it may take."""


def temporary_beside(path: Path) -> Path:
    """Return a name of no file yet in a file's folder, which listings leave out."""
    return path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"


def within(name: str) -> str:
    """Return the name of a file below a folder; FileNotFoundError where it leads out of it.

    Names stand in records and manifests too, and a folder may be somebody else's.
    """
    if not _leads_below(name):
        raise FileNotFoundError(errno.ENOENT, "the name leads out of its folder", name)
    return name


def _leads_below(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")


def reason(error: Exception) -> str:
    """Return in a few words why a file could not be read, its own name left out."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return in_one_line(text)  # Arrow's are of several lines


def write_through(path: Path, data: bytes) -> None:
    """Write a file and have the system put it on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class LocalFolder:
    """A `Folder` on a file system with atomic rename."""

    def __init__(self, path: Path | str) -> None:
        self.path = expanded(path).absolute()

    @property
    def location(self) -> str:
        return str(self.path)

    def _at(self, name: str) -> Path:
        return self.path / within(name)

    def read(self, name: str) -> bytes:
        path = self._at(name)
        try:
            return read_bounded(path)
        except NotADirectoryError as error:  # a file stands where a folder would: nothing is there
            raise FileNotFoundError(*error.args, str(path)) from error

    def write(self, name: str, data: bytes) -> None:
        target = self._at(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            write_through(temporary, data)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):  # the fault that is told is the first one
                temporary.unlink(missing_ok=True)
            raise

    def exists(self, name: str) -> bool:
        return _leads_below(name) and stat.S_ISREG(_mode(self._at(name)))

    def names(self, under: str = "") -> list[str]:
        try:
            entries = os.listdir(self._at(under))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in entries if not name.startswith(TEMPORARY))

    def sizes(self, under: str = "") -> dict[str, int]:
        return dict(_files_below(self._at(under), "")) if _leads_below(under) else {}

    def delete(self, name: str) -> None:
        target = self._at(name)
        if stat.S_ISDIR(_mode(target)):
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)

    def child(self, name: str) -> LocalFolder:
        return LocalFolder(self._at(name))


def _mode(path: Path) -> int:
    """The mode of what is at a path, 0 where nothing is; any other fault is the disk's.

    `Path.is_file` takes some or all of these for an absent file, by the version of Python.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _files_below(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    """Each file below a folder with its bytes.

    What goes meanwhile is left out, and so are folders below it that this user may not read.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        if prefix:
            return
        raise
    for entry in entries:
        if entry.name.startswith(TEMPORARY):
            continue
        with suppress(FileNotFoundError):
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(folder / entry.name, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat().st_size


def abandoned(folder: Folder, under: str = "", age_s: float = 3600.0) -> dict[str, int]:
    """Return the bytes of temporary files below a local folder that nobody has written to for
    `age_s` seconds, by name from there: their writers were killed. Object stores have none.
    """
    if not isinstance(folder, LocalFolder):
        return {}
    start, oldest = folder.path / within(under), time.time() - age_s
    sizes = {}
    for path in start.rglob(f"{TEMPORARY}*"):
        with suppress(OSError):
            state = path.stat(follow_symlinks=False)
            if stat.S_ISREG(state.st_mode) and state.st_mtime < oldest:
                sizes[path.relative_to(start).as_posix()] = state.st_size
    return sizes


class RemoteFolder:
    """A `Folder` on an object store, through one of pyarrow's file systems.

    A request that fails is made again within moments, and not what came before it.
    """

    def __init__(
        self, filesystem: Any, path: str, uri: str, attempts: Attempts | None = None
    ) -> None:
        self._fs = filesystem
        self._path = path.rstrip("/")
        self._base, self._mark, self._query = uri.partition("?")
        self._attempts = attempts or Attempts()

    @property
    def location(self) -> str:
        return f"{self._base.rstrip('/')}{self._mark}{self._query}"

    def _at(self, name: str) -> str:
        return f"{self._path}/{within(name)}" if name else self._path

    def read(self, name: str) -> bytes:
        path, most = self._at(name), most_bytes(name)
        with self._attempts.of(lambda: self._fs.open_input_file(path)) as file:
            size = file.size()
            if most is not None and size > most:
                raise too_long(name, most)
            return self._attempts.of(lambda: _whole(file.read_at(size, 0), size, path))

    def write(self, name: str, data: bytes) -> None:
        path = self._at(name)

        def put() -> None:
            with self._fs.open_output_stream(path) as stream:
                stream.write(data)

        self._attempts.of(put)

    def exists(self, name: str) -> bool:
        from pyarrow import fs

        return _leads_below(name) and bool(self._kind(name) == fs.FileType.File)

    def _kind(self, name: str) -> Any:
        path = self._at(name)
        return self._attempts.of(lambda: self._fs.get_file_info(path)).type

    def names(self, under: str = "") -> list[str]:
        return sorted(info.base_name for info in self._infos(under))

    def sizes(self, under: str = "") -> dict[str, int]:
        from pyarrow import fs

        start = self._at(under) if _leads_below(under) else ""
        infos = self._infos(under, recursive=True)
        files = (info for info in infos if info.type == fs.FileType.File)
        return {info.path.removeprefix(f"{start}/"): info.size for info in files}

    def _infos(self, under: str, recursive: bool = False) -> list[Any]:
        from pyarrow import fs

        if not _leads_below(under):
            return []
        selector = fs.FileSelector(self._at(under), allow_not_found=True, recursive=recursive)
        return list(self._attempts.of(lambda: self._fs.get_file_info(selector)))

    def delete(self, name: str) -> None:
        from pyarrow import fs

        path = self._at(name)
        try:
            self._attempts.of(lambda: self._fs.delete_file(path))
        except FileNotFoundError:
            if self._kind(name) == fs.FileType.Directory:
                self._attempts.of(lambda: self._fs.delete_dir(path))

    def child(self, name: str) -> RemoteFolder:
        below = f"{self._base.rstrip('/')}/{name}{self._mark}{self._query}"
        return RemoteFolder(self._fs, self._at(name), below, self._attempts)


def _whole(data: bytes, size: int, path: str) -> bytes:
    """The bytes of a file; OSError where less came than it has."""
    if len(data) != size:
        raise OSError(errno.EIO, f"{len(data)} bytes came instead of {size}", path)
    return data


def in_order(read: Callable[[N], T], names: Sequence[N], folder: Folder) -> Iterable[T]:
    """Read each name, or what has one, in turn; several at once where each waits for a network."""
    if not is_remote(folder.location):
        return map(read, names)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(REMOTE_READS) as pool:
        return list(pool.map(read, names))


def is_remote(location: str) -> bool:
    """Whether a location is a URI of an object store rather than a local path."""
    return "://" in location and not location.startswith("file://")


def open_folder(location: str | Path) -> Folder:
    """Return the folder at a local path, `file://` or an object store's URI (`s3://`, `gs://`).

    Credentials, region and endpoint come from the store's usual environment variables; options may
    stand in the URI as pyarrow reads them (`s3://bucket/path?endpoint_override=...`).
    Raises LocationError, naming the location, when the URI is not understood.
    """
    text = str(location)
    if not is_remote(text):
        return LocalFolder(without_scheme(text))
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES:  # pyarrow would take any of fsspec's
        rule = f"its scheme must be one of {', '.join(SCHEMES)}"
        raise LocationError(f"cannot open folder {text!r}: {rule}, got {scheme!r}")
    if scheme in _BUCKETED and rest[:1] in ("", "/", "?"):  # all buckets would be listed
        raise LocationError(f"cannot open folder {text!r}: it must name a bucket")
    try:
        filesystem, path = _filesystem_at(text)
    except (ValueError, OSError) as error:
        fault = str(error).replace(_in_single_requests(text), text)
        raise LocationError(f"cannot open folder {text!r}: {fault}") from error
    return RemoteFolder(filesystem, path, text)


def _filesystem_at(uri: str) -> tuple[Any, str]:
    """pyarrow's file system for a URI, and the path in it; a request that fails ends soon.

    By URI alone it makes thirty attempts of each: six seconds where a server refuses, and five
    minutes, in which not even Ctrl-C is heard, where it does not answer.
    """
    from pyarrow import fs

    filesystem, path = fs.FileSystem.from_uri(_in_single_requests(uri))
    if uri.startswith("s3://"):
        # What a copy of it is made of: a URI has no place for these.
        _, (options,) = filesystem.__reduce__()
        filesystem = fs.S3FileSystem(
            **{
                **options,
                "retry_strategy": fs.AwsDefaultS3RetryStrategy(max_attempts=RETRIES),
                "request_timeout": TIMEOUT_S,
                "connect_timeout": TIMEOUT_S,
            }
        )
    return filesystem, path


def _in_single_requests(uri: str) -> str:
    """The URI with which small files are written in one request where the store is S3.

    Without it pyarrow begins, fills and completes a multipart upload: three requests that wait for
    one another.
    """
    if not uri.startswith("s3://") or "allow_delayed_open=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}allow_delayed_open=true"

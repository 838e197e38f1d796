"""What a reader of studies writes for its user: files written whole, where the user wants them.

A path may be `-` for standard output, begin with `~`, lead through links, or name what is no file:
a pipe or a device, which is written into and never replaced. A link is written through, a hard one
too. A file that is replaced keeps its mode, owner and group. Several are all written under other
names before the first takes its place. Where nothing can be written is known before that.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from trainables.files.storage import is_remote, open_folder, temporary_beside
from trainables.vocabulary import standard
from trainables.vocabulary.homes import expanded, is_unknown, without_scheme

STDOUT: Final = "-"
READER_PATIENCE_S: Final = 20.0
"""Seconds that the reader of a pipe is waited for."""

RULE: Final = "must be a file that can be written"

Kind = Literal["descriptor", "store", "special", "file"]

_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/(\d+)")
_STANDARD: Final = {STDOUT: 1, "/dev/stdout": 1, "/dev/stderr": 2}
_MOST_LINKS: Final = 40
_LONGEST: Final = 160

_STUDY: Final = frozenset(
    {"study.yaml", "progress.json", "optuna.journal", "records", "curves", "tables", "latency",
     "stages", "code", "weights", "deployed", "asked", "notes", "run", "wandb"}
)  # fmt: skip
"""What a study folder holds; anything else in it is its user's."""


class OutputError(OSError):
    """A file could not be written; the text says which and why."""


@dataclass(frozen=True)
class Target:
    """What a path names.

    `path` is where it leads, links followed, for what lies on a file system; `descriptor` the
    number of an open file that it stands for.
    """

    given: str
    kind: Kind
    path: Path = Path()
    descriptor: int = -1

    @property
    def is_stdout(self) -> bool:
        """Whether it is the standard output of this process, whatever it is called."""
        return self.descriptor == 1


def target_of(given: str) -> Target:
    """Return what a path names; OutputError where nothing can be written there."""
    try:
        return _checked(_named(given))
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise refusal(given, _reason(error)) from error


def folder_of(given: str) -> str:
    """Return a path of a folder to write files into, `~` written out; OutputError for a file."""
    if is_remote(given):
        return given
    rule = "must be a folder that can be written"
    if given == STDOUT:
        raise OutputError(f"{rule}, got {STDOUT}, which is standard output")
    try:
        path = _expanded(given)
        _require_folder_above(path / "file")
    except (OSError, ValueError) as error:
        raise OutputError(f"{rule}, got {short(given)} ({_reason(error)})") from error
    return str(path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error.__cause__ or error)


def refusal(given: str, reason: str) -> OutputError:
    """Return the error of a file that cannot be written, with the reason."""
    return OutputError(f"{RULE}, got {short(given)} ({reason})")


def short(given: str) -> str:
    """Return a path for a message: quotes where there is nothing to see, its middle left out."""
    if not given.strip():
        return repr(given)
    half = _LONGEST // 2
    return given if len(given) <= _LONGEST else f"{given[:half]}...{given[-half:]}"


def _named(given: str) -> Target:
    if given in _STANDARD:
        return Target(given, "descriptor", descriptor=_STANDARD[given])
    if is_remote(given):
        return Target(given, "store")
    path = _expanded(given)
    for _ in range(_MOST_LINKS):
        if (match := _DESCRIPTOR.fullmatch(str(path))) or str(path) in _STANDARD:
            number = int(match[1]) if match else _STANDARD[str(path)]
            return Target(given, "descriptor", descriptor=number)
        if not path.is_symlink():
            break
        path = path.parent / os.readlink(path)
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return Target(given, "special" if _is_special(path) else "file", path)


def _expanded(given: str) -> Path:
    if not given:
        raise OSError(errno.ENOENT, "an empty name")
    path = without_scheme(given)
    if is_unknown(path):
        raise OSError(errno.ENOENT, "no home folder is known")
    return expanded(path).absolute()


def _is_special(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _checked(target: Target) -> Target:
    if target.kind == "descriptor":
        if fcntl.fcntl(target.descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "not open for writing")
    elif target.kind == "store":
        folder, _, name = target.given.rpartition("/")
        if not name:
            raise refusal(target.given, "a folder")
        open_folder(folder)
    elif target.kind == "special":
        if target.path.is_socket():
            raise refusal(target.given, "a socket")
        _require(os.access(target.path, os.W_OK))
    else:
        _check_file(target)
    return target


def _check_file(target: Target) -> None:
    given, path = target.given, target.path
    if path.is_dir() or given.endswith(("/", "/.", "/..")):
        raise OutputError(f"{RULE}, got {short(given)}, which is a folder")
    if path.exists():
        _require(os.access(path, os.W_OK))
    _require_folder_above(path)
    if (whole := _study_of(path)) is not None:
        raise OutputError(
            f"must be no file that a study is kept in, got {short(given)}, which is one of {whole}"
        )


def _require_folder_above(path: Path) -> None:
    """Refuse a path below which no file can be made: its folder's, or the first that is there."""
    above = next(parent for parent in path.parents if os.path.lexists(parent))
    if not above.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{short(str(above))} is no folder")
    _require(os.access(above, os.W_OK | os.X_OK), f"Permission denied in {short(str(above))}")
    most = os.statvfs(above).f_namemax
    if any(len(os.fsencode(part)) > most for part in path.relative_to(above).parts):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def _require(allowed: bool, reason: str = "Permission denied") -> None:
    if not allowed:
        raise PermissionError(errno.EACCES, reason)


def _study_of(path: Path) -> str | None:
    """The study folder or the stage that a file is one of those of; None where it is of none."""
    real = path.parent.resolve() / path.name
    if (real.name == "study.yaml" and real.exists()) or (real.parent / "stage.json").is_file():
        return str(real.parent)
    for above in real.parents:
        first = real.relative_to(above).parts[0]
        if first in _STUDY and _is_study(above):
            return str(above)
    return None


def _is_study(folder: Path) -> bool:
    return (folder / "study.yaml").is_file() and (folder / "records").is_dir()


def deliver(files: Mapping[str, bytes] | Mapping[Path, bytes]) -> None:
    """Write files, each whole or not at all.

    Raises OutputError for a folder in a file's place and for whatever the system refuses; files
    that would have been replaced are then as they were.
    """
    targets = [(target_of(str(path)), data) for path, data in files.items()]
    _replace([(target, data) for target, data in targets if target.kind == "file"])
    for target, data in targets:
        if target.kind != "file":
            _pour(target, data)


@dataclass(frozen=True)
class _Ready:
    """What is written of a file before it takes its place: a whole one, or None to write over."""

    target: Target
    data: bytes
    beside: Path | None


def _replace(files: Sequence[tuple[Target, bytes]]) -> None:
    temporary: list[Path] = []
    try:
        ready = []
        for target, data in files:
            temporary.append(beside := temporary_beside(target.path))
            with _failing(target.given):
                target.path.parent.mkdir(parents=True, exist_ok=True)
                ready.append(
                    _Ready(target, data, beside if _prepare(target.path, beside, data) else None)
                )
        for one in ready:
            with _failing(one.target.given):
                if one.beside is None:
                    _write_over(one.target.path, one.data)
                else:
                    os.replace(one.beside, one.target.path)
    finally:
        for beside in temporary:
            with suppress(OSError):
                beside.unlink()


def _prepare(path: Path, beside: Path, data: bytes) -> bool:
    """Write a file beside the one that it replaces, as readable as that; whether it may do so.

    It may not where the other has further names, which would keep what was there, or an owner or
    group that only the system's administrator can give.
    """
    before = path.stat() if path.exists() else None
    if before is not None and before.st_nlink > 1:
        return False
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(beside, flags, 0o666 if before is None else 0o600), "wb") as file:
        if before is not None and not _made_alike(file.fileno(), before):
            return False
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return True


def _made_alike(descriptor: int, before: os.stat_result) -> bool:
    """Give an open file the owner, group and mode of another; whether it could be done."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.fchown(descriptor, before.st_uid, before.st_gid)
        except PermissionError:
            return False
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))  # after its owner, whose change clears bits
    return True


def _write_over(path: Path, data: bytes) -> None:
    """Write into a file that is there; where the disk is full it stays as it was."""
    with path.open("r+b") as file:
        before = os.fstat(file.fileno()).st_size
        if len(data) > before and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), 0, len(data))
            except OSError:
                file.truncate(before)
                raise
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _pour(target: Target, data: bytes) -> None:
    """Write into what cannot be replaced: standard output, a pipe, a device, an object store."""
    if target.is_stdout:
        _print(data)
        return
    with _failing(target.given):
        if target.kind == "store":
            parent, _, name = target.given.rpartition("/")
            open_folder(parent).write(name, data)
        elif target.kind == "descriptor":
            with os.fdopen(os.dup(target.descriptor), "wb") as stream:
                stream.write(data)
        else:
            with os.fdopen(_opened(target.path), "wb") as stream:
                stream.write(data)


def _opened(path: Path) -> int:
    """Open a device, or a pipe once somebody reads it; nobody is waited for without end."""
    until = time.monotonic() + READER_PATIENCE_S
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > until:
                raise OSError(errno.ENXIO, "a pipe that nobody reads") from error
            time.sleep(0.05)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


def _print(data: bytes) -> None:
    try:
        with _failing("standard output"):
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except OutputError:
        standard.silence()
        raise


@contextmanager
def _failing(at: str) -> Iterator[None]:
    """Name a file in what the system says of it."""
    try:
        yield
    except OSError as error:
        raise refusal(at, error.strerror or str(error)) from error

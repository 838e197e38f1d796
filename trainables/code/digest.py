"""The user's code as one piece of content: sources and files by their positions, and a digest.

A position is where a file lies in a copy of the code: modules at their dotted names, other files
where they lie relative to the modules, so that what is read relative to `__file__` is found. The
digest is taken of positions and bytes alone: the same on every machine, whatever the order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from trainables.code.closure import LocalModule, closure, roots
from trainables.code.import_path import PROJECT_PACKAGES, ImportPath, shown_path
from trainables.code.patterns import matching_files
from trainables.code.reference import Reference
from trainables.vocabulary.refusal import Refusal, shown

MANIFEST: Final = "code.json"
"""Name of a copy's manifest; no file of the user's may stand at that position."""

_DIGITS: Final = 16


@dataclass(frozen=True)
class CodeFile:
    """One file of the user's code: where it lies here, and its content when it was read."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class UserCode:
    """The code behind some references: their modules, all that these import, and further files.

    `files` holds every file by its position, modules included.
    """

    references: tuple[Reference, ...]
    modules: Mapping[str, LocalModule]
    files: Mapping[str, CodeFile]
    version: str | None = None

    @property
    def digest(self) -> str:
        """The hash of all positions and bytes: 16 hexadecimal digits. It names the copy."""
        return content_digest({position: file.sha256 for position, file in self.files.items()})

    @property
    def identity(self) -> str:
        """What fingerprints hash: the digest, or in its stead that of the declared version."""
        return self.digest if self.version is None else _digest({"version": self.version})

    def origin(self, path: Path, folder: Path) -> Path:
        """Return the user's own file behind one in a copy that lies in `folder`."""
        if path.is_relative_to(folder):
            file = self.files.get(path.relative_to(folder).as_posix())
            return file.path if file else path
        return path


@dataclass(frozen=True)
class Declarations:
    """What a study declares about its code beside the references.

    `files` are patterns relative to the study file's folder, `version` stands in fingerprints in
    place of the content, and `leaving_out` are paths that no pattern takes; `key` is the section of
    the study file that both stand in.
    """

    files: Sequence[str] = ()
    version: str | None = None
    leaving_out: Sequence[Path] = field(default=())
    key: str = "task"


def user_code(
    references: Iterable[Reference],
    path: ImportPath,
    declarations: Declarations = Declarations(),
) -> UserCode:
    """Return the code behind the references, read once, with its digest.

    Patterns count from the first folder of the import path. Refusal for whatever `closure` and
    `matching_files` refuse, for an empty version, and for a file that would hide a module.
    """
    unique = tuple(dict.fromkeys(references))
    version = declarations.version
    if version is not None and not version.strip():
        raise Refusal(f"{declarations.key}.version must not be empty, got {shown(version)}")
    modules = closure(unique, path)
    key = f"{declarations.key}.files"
    extra = matching_files(declarations.files, path.folders[0], key, declarations.leaving_out)
    files = {m.position: CodeFile(m.path, m.sha256) for m in modules.values()}
    for file in extra:
        _add(files, file, _position(file, path.folders[0], roots(modules)), path, key)
    return UserCode(unique, modules, dict(sorted(files.items())), version)


def content_digest(checksums: Mapping[str, str]) -> str:
    """Return the digest of a copy with these SHA-256 checksums by position."""
    return _digest({"files": dict(checksums)})


def module_at(position: str) -> str | None:
    """Return the dotted name under which a file of a copy can be imported, or None."""
    path = PurePosixPath(position)
    if path.suffix not in (".py", ".so", ".pyd"):
        return None
    parts = [*path.parts[:-1], path.name.partition(".")[0]]
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(map(str.isidentifier, parts)) else None


def file_sha256(path: Path, key: str = "task.files") -> str:
    """Return a file's SHA-256, read in pieces; Refusal when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refusal(
            f"{key} must match files that can be read, got {shown_path(path)}: {error.strerror}"
        ) from error


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _position(file: Path, folder: Path, module_roots: Iterable[Path]) -> str:
    """Relative to the innermost folder that modules lie below, or else to the study file's."""
    around = [root for root in module_roots if file.is_relative_to(root)]
    root = max(around, key=lambda root: len(root.parts), default=folder)
    return file.relative_to(root).as_posix()


def _add(files: dict[str, CodeFile], file: Path, position: str, path: ImportPath, key: str) -> None:
    """Add a file at its position; Refusal where a copy cannot hold it there."""
    sha256 = file_sha256(file, key)
    hidden = _hidden_by(position, path)
    reason = f"it has the name of {hidden}" if hidden else None
    if position == MANIFEST:
        reason = "a copy's manifest has that name"
    if position in files and files[position].sha256 != sha256:
        reason = f"in a copy {shown_path(files[position].path)} stands at {position}"
    if reason:
        raise Refusal(f"{key} must match no such file, got {shown_path(file)}: {reason}")
    files.setdefault(position, CodeFile(file, sha256))


def _hidden_by(position: str, path: ImportPath) -> str | None:
    """What a file would hide once its copy is imported from: a module of that name.

    Even a folder without modules may come before a package of this project.
    """
    name = module_at(position)
    top = name.partition(".")[0] if name else position.partition("/")[0]
    return path.hidden_by(top) if name or top in PROJECT_PACKAGES else None

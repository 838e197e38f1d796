"""The import closure of the user's modules: all local modules that importing them may import.

Read from syntax trees, so that no user code runs. An import that leads nowhere is passed over: it
is conditional, or it fails when the module is imported, and is told then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainables.code.import_path import ImportPath, ModuleLocation, shown_path
from trainables.code.reference import Reference
from trainables.code.syntax import Imports, imports_of
from trainables.vocabulary.refusal import Refusal

_NO_IMPORTS = Imports(frozenset(), frozenset())


@dataclass(frozen=True)
class LocalModule:
    """A module of the user's: its file, and the content that it had when it was read.

    `position` is the file's place below any folder from which the module can be imported
    (`package/helper.py`), and `root` the folder below which it lies so here; None where an editable
    installation calls the file otherwise.
    """

    name: str
    path: Path
    position: str
    root: Path | None
    sha256: str


def closure(references: Iterable[Reference], path: ImportPath) -> dict[str, LocalModule]:
    """Return the local modules that the references' modules may import, themselves included.

    By dotted name, sorted; empty where all of them are installed libraries. Packages around a
    module count, for Python imports them with it. Refusal, naming the reference, for a module that
    cannot be found, a local one that hides another, and a source that cannot be read or parsed.
    """
    walk = _Walk(path)
    for reference in references:
        require_module(reference, path)
        walk.follow(reference)
    return dict(sorted(walk.modules.items()))


def require_module(reference: Reference, path: ImportPath) -> ModuleLocation:
    """Return where the reference's module lies; Refusal where it has none or is a plain folder."""
    location = path.find(reference.module)
    if location is None:
        raise not_found(reference, path)
    if location.path is None and location.is_package:
        raise Refusal(
            f"{reference.key} must name a module, got {str(reference)!r}:"
            f" {reference.module} is a folder without __init__.py"
        )
    return location


def not_found(reference: Reference, path: ImportPath) -> Refusal:
    """The refusal of a reference whose module is nowhere on the import path."""
    hidden = path.hidden_by(reference.module.partition(".")[0])
    near = path.near(reference.module)
    hint = f"; its first part is the name of {hidden}" if hidden else ""
    if not hint and near:
        hint = f"; did you mean {near}:{reference.attribute}?"
    folders = " or ".join(map(str, path.folders))
    return Refusal(
        f"{reference.key} must name a module that can be found, got {str(reference)!r}:"
        f" {reference.module} is neither in {folders} nor installed{hint}"
    )


class _Walk:
    """The modules met so far, each read once."""

    def __init__(self, path: ImportPath) -> None:
        self._path = path
        self._imports: dict[str, Imports] = {}
        self._seen: set[str] = set()
        self.modules: dict[str, LocalModule] = {}

    def follow(self, reference: Reference) -> None:
        """Add the closure of the reference's module."""
        todo = [reference.module]
        while todo:
            name = todo.pop()
            if name not in self._seen:
                self._seen.add(name)
                todo += self._import(name, reference)

    def _import(self, name: str, reference: Reference) -> Iterable[str]:
        """Import a module as Python does, the packages around it first; return what these name."""
        parts = name.removesuffix(".*").split(".")
        names: set[str] = set()
        for end in range(1, len(parts) + 1):
            location = self._path.find(".".join(parts[:end]))
            if location is None or not self._may_lead_to_local(location):
                break
            names |= self._read(location, reference).modules
        if name.endswith(".*"):
            package = name.removesuffix(".*")
            exports = self._imports.get(package, _NO_IMPORTS).exports
            names |= {f"{package}.{export}" for export in exports}
        return names

    def _may_lead_to_local(self, location: ModuleLocation) -> bool:
        """A namespace package may have some of its parts installed and others local."""
        if location.path is None:
            return location.is_package
        return self._path.is_local(location.path)

    def _read(self, location: ModuleLocation, reference: Reference) -> Imports:
        if location.path is None:
            return _NO_IMPORTS
        if location.name not in self._imports:
            self._refuse_hiding(location, reference)
            content = _content(location.path, reference)
            self._imports[location.name] = _parsed(location, content, reference)
            self.modules[location.name] = LocalModule(
                location.name,
                location.path,
                location.position,
                location.root,
                hashlib.sha256(content).hexdigest(),
            )
        return self._imports[location.name]

    def _refuse_hiding(self, location: ModuleLocation, reference: Reference) -> None:
        top = location.name.partition(".")[0]
        hidden = self._path.hidden_by(top)
        if hidden and location.path is not None:
            raise Refusal(
                f"{reference.key} must not need a module that hides another, got"
                f" {str(reference)!r}: {shown_path(location.path)} has the name of {hidden};"
                " rename it"
            )


def _content(path: Path, reference: Reference) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(
            f"{reference.key} must name code that can be read, got {str(reference)!r}:"
            f" {shown_path(path)}: {error.strerror}"
        ) from error


def _parsed(location: ModuleLocation, content: bytes, reference: Reference) -> Imports:
    """The imports of a source; a compiled extension has none that can be seen."""
    place = shown_path(location.path) if location.path else location.name
    if location.is_extension:
        return _NO_IMPORTS
    if not location.is_source:
        raise Refusal(
            f"{reference.key} must name code whose source is there, got {str(reference)!r}:"
            f" {place} is bytecode"
        )
    try:
        return imports_of(content, location.name, is_package=location.is_package)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{place}, line {line}" if line else place
        raise Refusal(
            f"{reference.key} must name code without syntax errors, got {str(reference)!r}:"
            f" {where}: {getattr(error, 'msg', None) or error}"
        ) from error


def roots(modules: Mapping[str, LocalModule]) -> frozenset[Path]:
    """Return the folders below which the modules lie at their positions."""
    return frozenset(module.root for module in modules.values() if module.root is not None)

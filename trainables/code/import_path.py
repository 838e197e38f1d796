"""Where modules lie, found without importing them, and which of them are the user's own.

A module is local, that is the user's, when its file lies outside the standard library, outside
site-packages and dist-packages, and outside this project. An editable installation lies outside by
its nature. The study file's folder and the working folder come first, then `sys.path`.
"""

from __future__ import annotations

import importlib
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    BuiltinImporter,
    ModuleSpec,
    PathFinder,
)
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

PROJECT_PACKAGES: Final = ("trainables", "study", "analysis")
"""This project's own packages: their names are taken, and no code of theirs is the user's."""

_PROJECT_MARK: Final = Path(__file__).relative_to(Path(__file__).parents[2])
_INSTALLED_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})
_STANDARD: Final = tuple(
    folder
    for name in ("stdlib", "platstdlib")
    for path in [Path(sysconfig.get_paths()[name])]
    for folder in {path, path.resolve()}
)


@dataclass(frozen=True)
class ModuleLocation:
    """Where a module lies.

    `path` is its file, None for a package without `__init__` (a namespace package) and for what
    is built into Python; `folders` are where its submodules are looked for, None where it has none.
    """

    name: str
    path: Path | None
    folders: tuple[str, ...] | None

    @property
    def is_package(self) -> bool:
        return self.folders is not None

    @property
    def is_source(self) -> bool:
        """Whether its file holds Python source, and not a compiled extension or bytecode."""
        return self.path is not None and self.path.suffix in SOURCE_SUFFIXES

    @property
    def is_extension(self) -> bool:
        """Whether its file is a compiled extension module."""
        return self.path is not None and self.path.name.endswith(tuple(EXTENSION_SUFFIXES))

    @property
    def position(self) -> str:
        """The file relative to a folder of the import path, by the dotted name: `a/b/__init__.py`.

        ValueError for a module without a file.
        """
        if self.path is None:
            raise ValueError(f"module {self.name} has no file")
        stem = f"{self.name.replace('.', '/')}{'/__init__' if self.is_package else ''}"
        suffixes = [*EXTENSION_SUFFIXES, self.path.suffix]
        return stem + next(s for s in suffixes if self.path.name.endswith(s))

    @property
    def root(self) -> Path | None:
        """The folder that `position` counts from; None where the file is called otherwise."""
        if self.path is None:
            return None
        depth = self.position.count("/")
        root = self.path.parents[depth]
        return root if root / self.position == self.path else None


class ImportPath:
    """The folders in which modules are looked for, in order.

    `folders` are the study file's folder and the working folder: what lies in them is the user's.
    `entries` come after them, as `sys.path` stands when this object is made.
    """

    def __init__(self, folders: Iterable[Path], entries: Iterable[str] | None = None) -> None:
        self.folders = tuple(dict.fromkeys(folder.absolute() for folder in folders))
        sys_path = sys.path if entries is None else entries
        self.entries = tuple(dict.fromkeys(entry or str(Path.cwd()) for entry in sys_path))
        self._locations: dict[str, ModuleLocation | None] = {}
        self._tops: dict[str, frozenset[str]] = {}
        importlib.invalidate_caches()  # the finders may have listed a folder before it changed

    def find(self, module: str) -> ModuleLocation | None:
        """Return where a module of that dotted name lies, or None where it cannot be found."""
        if module not in self._locations:
            self._locations[module] = self._find(module)
        return self._locations[module]

    def _find(self, module: str) -> ModuleLocation | None:
        package, _, tail = module.rpartition(".")
        if not package:
            return _location(module, self._top_spec(module))
        parent = self.find(package)
        if parent is None or parent.folders is None:
            return None
        # by the last part alone: for the whole name a namespace package must have been imported
        return _location(module, PathFinder.find_spec(tail, list(parent.folders)))

    def _top_spec(self, name: str) -> ModuleSpec | None:
        """A package with `__init__` comes before a plain folder, also where a finder knows it."""
        spec = PathFinder.find_spec(name, [*map(str, self.folders), *self.entries])
        if spec is not None and spec.origin is not None:
            return spec
        if spec is None and name in sys.builtin_module_names:
            return BuiltinImporter.find_spec(name)
        return next((s for s in _editable_specs(name) if s.origin is not None), spec)

    def is_local(self, path: Path) -> bool:
        """Whether a file is the user's own."""
        if _is_project(path) or _is_installed(path):
            return False
        if any(path.is_relative_to(folder) for folder in self.folders):
            return True
        return not any(
            path.relative_to(entry).parts[0].partition(".")[0] in self._installed_tops(entry)
            for entry in self.entries
            if path.is_relative_to(entry)
        )

    def hidden_by(self, name: str) -> str | None:
        """What a module of the user's with that top-level name would hide, in words, or None."""
        if name in PROJECT_PACKAGES:
            return "a package of this project"
        if name in sys.stdlib_module_names:
            return "a module of the standard library"
        for entry in self.entries:
            spec = PathFinder.find_spec(name, [entry])
            if spec and spec.origin and not self.is_local(Path(spec.origin)):
                return f"the installed {name} in {entry}"
        return None

    def near(self, module: str) -> str | None:
        """The module of the first folders whose name is nearest to one that cannot be found."""
        near = get_close_matches(module, sorted(self._names), n=1, cutoff=0.6)
        return near[0] if near else None

    @cached_property
    def _names(self) -> set[str]:
        """Modules directly in the first folders, and those directly in packages there."""
        return {name for folder in self.folders for name in _names_in(folder, 1)}

    def _installed_tops(self, entry: str) -> frozenset[str]:
        """Top-level names that `pip install --target` has put into a folder of the path."""
        if entry not in self._tops:
            self._tops[entry] = frozenset(
                name
                for distribution in distributions(path=[entry])
                if not _is_editable(distribution)
                for name in _recorded_tops(distribution)
            )
        return self._tops[entry]


def shown_path(path: Path) -> str:
    """Return a path as messages show it: relative to the working folder where it lies in it."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _location(name: str, spec: ModuleSpec | None) -> ModuleLocation | None:
    if spec is None:
        return None
    places = spec.submodule_search_locations
    path = Path(spec.origin) if spec.origin and spec.has_location else None
    return ModuleLocation(name, path, None if places is None else tuple(places))


def _editable_specs(name: str) -> Iterator[ModuleSpec]:
    """What the finders of editable installations know of a top-level name.

    Build back ends name their finders' modules so: `__editable___x_finder`, `_x_editable_loader`,
    `editables.redirector`. Other finders are left alone, for asking them may have effects.
    """
    for finder in sys.meta_path:
        module = getattr(finder, "__module__", type(finder).__module__)
        if "editable" in module:
            spec = finder.find_spec(name, None)
            if spec is not None:
                yield spec


def _is_project(path: Path) -> bool:
    """Whether a file belongs to this project's packages, here or in another checkout of them."""
    return any(
        folder.name in PROJECT_PACKAGES and (folder.parent / _PROJECT_MARK).is_file()
        for folder in path.parents
    )


def _is_installed(path: Path) -> bool:
    if not _INSTALLED_FOLDERS.isdisjoint(path.parts):
        return True
    return any(path.is_relative_to(folder) for folder in _STANDARD)


def _is_editable(distribution: Distribution) -> bool:
    text = distribution.read_text("direct_url.json")
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def _recorded_tops(distribution: Distribution) -> Iterator[str]:
    """First parts of what a distribution installed; nothing for a source tree's `egg-info`."""
    for line in (distribution.read_text("RECORD") or "").splitlines():
        top = line.partition(",")[0].partition("/")[0].partition(".")[0]
        if top:
            yield top


def _names_in(folder: Path, depth: int) -> Iterator[str]:
    for path in sorted(folder.glob("*")):
        if path.suffix == ".py" and path.stem.isidentifier():
            yield path.stem
        elif depth and path.name.isidentifier() and path.is_dir():
            yield from (f"{path.name}.{inner}" for inner in _names_in(path, depth - 1))

"""Importing from a copy of the user's code, and from no other place.

A worker runs trials of several versions of the code one after another. What it imported from
another copy, or from the user's own folder, is forgotten before the next is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from trainables.code.copies import manifest_files
from trainables.code.digest import module_at
from trainables.code.import_path import ImportPath


@dataclass
class _Current:
    """The copy that this process imports from, and the names of the modules in it."""

    folder: Path | None = None
    names: frozenset[str] = frozenset()


_current = _Current()


def importing_from(folder: Path) -> None:
    """Let this process import the user's code from a copy, from now on and before all else.

    The copy takes the place of the one before it. Modules with names of either that were imported
    from elsewhere are forgotten, submodules of theirs too: the next import reads this copy.
    """
    names = frozenset(name for name in map(module_at, manifest_files(folder)) if name)
    sys.path[:] = [
        str(folder),
        *(entry for entry in sys.path if Path(entry) not in (folder, _current.folder)),
    ]
    _forget(names | _current.names, folder)
    _current.folder, _current.names = folder, names


def strays(
    path: ImportPath, folder: Path, before: Collection[str] = frozenset()
) -> dict[str, Path]:
    """Return the user's modules that this process has imported from elsewhere than a copy.

    By name, with their files: code that ran and is not part of the digest. `path` says what is the
    user's, and `before` are names in `sys.modules` that do not count.
    """
    loaded = sys.modules.copy()
    files = {name: _file(module) for name, module in loaded.items() if name not in before}
    return {
        name: file
        for name, file in sorted(files.items())
        if file and name != "__main__" and not file.is_relative_to(folder) and path.is_local(file)
    }


def _forget(names: frozenset[str], folder: Path) -> None:
    for name, module in list(sys.modules.items()):
        if _is_below(name, names) and not _lies_in(module, folder):
            del sys.modules[name]
            _detach(name, module)


def _is_below(name: str, names: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in names for end in range(1, len(parts) + 1))


def _lies_in(module: ModuleType, folder: Path) -> bool:
    file = _file(module)
    return file is not None and file.is_relative_to(folder)


def _detach(name: str, module: ModuleType) -> None:
    """A namespace package stays, as others may have modules in it; it must not keep this one."""
    package, _, tail = name.rpartition(".")
    parent = sys.modules.get(package)
    if parent is not None and vars(parent).get(tail) is module:
        delattr(parent, tail)


def _file(module: ModuleType) -> Path | None:
    """A module's file; None for one without, and for the odd objects that libraries put there."""
    file = getattr(module, "__dict__", {}).get("__file__")
    return Path(file) if isinstance(file, str) and file.startswith("/") else None

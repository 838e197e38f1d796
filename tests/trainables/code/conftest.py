"""Trees of files on disk, and a process that forgets what a test imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from trainables.code import copies, importing
from trainables.code.import_path import ImportPath

Tree = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Write files below the test's folder `here` and return that folder."""

    def write(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / "here" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "here"

    return write


@pytest.fixture
def path(tmp_path: Path) -> Callable[..., ImportPath]:
    """An import path of `here` and further folders, made anew at every call."""

    def make(*folders: str) -> ImportPath:
        return ImportPath([tmp_path / folder for folder in folders or ("here",)])

    return make


@pytest.fixture
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give `sys.path`, `sys.modules` and finders back as they were; no copy is in use."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(importing, "_current", importing._Current())
    monkeypatch.setattr(copies, "_verified_folders", {})
    before = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)
    importlib.invalidate_caches()

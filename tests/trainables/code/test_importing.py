"""Two codes after one another in one process, as a reused worker meets them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.code.conftest import Tree
from trainables.code.copies import keep, restore
from trainables.code.digest import Declarations, user_code
from trainables.code.import_path import ImportPath
from trainables.code.importing import importing_from, strays
from trainables.code.loading import load
from trainables.code.reference import parse
from trainables.files.storage import LocalFolder

Paths = Callable[..., ImportPath]
Copy = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("fresh_process")

TASK = {
    "task.py": """
from pathlib import Path
import pack
def late():
    from pack.help import width
    return width
words = (Path(__file__).parent / "words/en.txt").read_text()
""",
    "pack/__init__.py": "from . import deep",
    "pack/deep.py": "value = 'one'",
    "pack/help.py": "width = 1",
    "words/en.txt": "one",
}


@pytest.fixture
def copy(tree: Tree, path: Paths, tmp_path: Path) -> Copy:
    """Write changed files, keep the code behind `task:late`, and restore that copy."""

    def make(files: Mapping[str, str] = TASK, patterns: tuple[str, ...] = ("words/*",)) -> Path:
        tree(files)
        code = user_code([parse("task:late", "task.use")], path(), Declarations(patterns))
        folder = LocalFolder(tmp_path / "kept")
        keep(code, folder.read, folder.write)
        return restore(folder.read, code.digest, tmp_path / "copies")

    return make


def _load(path: Paths, attribute: str = "late") -> Any:
    return load(parse(f"task:{attribute}", "task.use"), path())


def _file(module: str) -> Path:
    return Path(str(importlib.import_module(module).__file__))


def test_code_is_imported_from_the_copy(copy: Copy, path: Paths, tree: Tree) -> None:
    folder = copy()
    tree({"pack/help.py": "raise RuntimeError('not this one')"})
    importing_from(folder)
    assert sys.path[0] == str(folder)
    assert _load(path)() == 1
    assert {_file(name) for name in ("task", "pack", "pack.deep", "pack.help")} == {
        folder / name for name in ("task.py", "pack/__init__.py", "pack/deep.py", "pack/help.py")
    }


def test_files_are_read_relative_to_the_module(copy: Copy, path: Paths, tree: Tree) -> None:
    importing_from(copy())
    tree({"words/en.txt": "other"})
    assert _load(path, "words") == "one"


def test_the_second_code_is_never_the_first(copy: Copy, path: Paths) -> None:
    first = copy()
    second = copy({"pack/help.py": "width = 2", "pack/deep.py": "value = 'two'"})
    third = copy({"task.py": "import pack.deep\ndef late():\n  return pack.deep.value"}, ())
    importing_from(first)
    one = _load(path)
    assert one() == 1
    importing_from(second)
    two = _load(path)
    assert two() == 2
    assert importlib.import_module("pack.deep").value == "two"
    assert [entry for entry in sys.path if Path(entry).parent == first.parent] == [str(second)]
    importing_from(third)
    assert _load(path)() == "two"
    assert _file("pack.deep").is_relative_to(third)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pack.help")
    importing_from(first)
    assert _load(path)() == 1


def test_a_module_that_the_second_code_has_not_got_is_gone(copy: Copy, path: Paths) -> None:
    first = copy({**TASK, "task.py": "import extra\nlate = extra", "extra.py": ""})
    second = copy({"task.py": "late = 2"})
    importing_from(first)
    assert _load(path) is sys.modules["extra"]
    importing_from(second)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("extra")


def test_what_a_function_imports_late_is_of_the_copy_in_use(copy: Copy, path: Paths) -> None:
    first, second = copy(), copy({"pack/help.py": "width = 2"})
    importing_from(first)
    _load(path)
    importing_from(second)
    assert _load(path)() == 2


def test_the_copy_in_use_is_not_imported_again(copy: Copy, path: Paths) -> None:
    folder = copy()
    importing_from(folder)
    first = _load(path)
    importing_from(folder)
    assert _load(path) is first
    assert sys.path.count(str(folder)) == 1


def test_what_was_imported_from_the_users_folder_is_forgotten(
    copy: Copy, path: Paths, tree: Tree
) -> None:
    """Also a submodule that the copy has not got."""
    folder = copy()
    here = tree({"pack/more.py": ""})
    sys.path.insert(0, str(here))
    importlib.import_module("pack.more")
    assert _load(path, "words") == "one"
    importing_from(folder)
    assert _file("task") == folder / "task.py"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pack.more")


def test_other_modules_stay(copy: Copy, path: Paths, tree: Tree) -> None:
    before = {name: sys.modules[name] for name in ("json", "pytest", "trainables.code.copies")}
    here = tree({"unrelated.py": ""})
    sys.path.append(str(here))
    unrelated = importlib.import_module("unrelated")
    importing_from(copy())
    _load(path)
    assert {name: sys.modules[name] for name in before} == before
    assert sys.modules["unrelated"] is unrelated


def test_a_namespace_package_is_shared_with_what_is_installed(
    copy: Copy, path: Paths, tree: Tree
) -> None:
    """Its installed parts stay as they are, the user's are read anew."""
    here = tree({"lib/space/installed.py": "", "space/mine.py": "x = 1"})
    sys.path.append(str(here / "lib"))
    installed = importlib.import_module("space.installed")
    task = "def late():\n  from space import mine\n  return mine.x"
    first = copy({"task.py": task}, ())
    second = copy({"space/mine.py": "x = 2"}, ())
    for folder, value in ((first, 1), (second, 2), (first, 1)):
        importing_from(folder)
        assert _load(path)() == value
        assert _file("space.mine") == folder / "space/mine.py"
    assert importlib.import_module("space.installed") is installed
    assert sys.modules["space"].installed is installed


def test_a_module_that_becomes_a_package(copy: Copy, path: Paths, tree: Tree) -> None:
    task = "import tool\ndef late():\n  return tool.x"
    first = copy({"task.py": task, "tool.py": "x = 1"}, ())
    (tree({}) / "tool.py").unlink()
    second = copy({"tool/__init__.py": "from .inner import x", "tool/inner.py": "x = 2"}, ())
    for folder, value in ((first, 1), (second, 2), (first, 1)):
        importing_from(folder)
        assert _load(path)() == value


def test_a_helper_from_elsewhere_is_imported_from_the_copy(tree: Tree, tmp_path: Path) -> None:
    here = tree({"study/task.py": "import outer\nx = outer.x", "lib/outer.py": "x = 1"})
    lib = str(here / "lib")
    code = user_code([parse("task:x", "task.use")], ImportPath([here / "study"], [lib]))
    folder = LocalFolder(tmp_path / "kept")
    keep(code, folder.read, folder.write)
    sys.path.insert(0, lib)
    tree({"lib/outer.py": "x = 2"})
    importing_from(restore(folder.read, code.digest, tmp_path / "copies"))
    assert importlib.import_module("task").x == 1


def test_code_outside_the_digest_is_named(copy: Copy, path: Paths, tree: Tree) -> None:
    """An import that no syntax tree shows, and that the user's folder on `sys.path` lets pass."""
    late = "import importlib\ndef late(name):\n  return importlib.import_module(name)"
    folder = copy({"task.py": late, "plugin.py": "import json"}, ())
    before = frozenset(sys.modules)
    sys.path.append(str(folder.parents[1] / "here"))
    importing_from(folder)
    _load(path)("html.entities")
    assert strays(path(), folder, before) == {}
    _load(path)("plugin")
    assert strays(path(), folder, before) == {"plugin": tree({}) / "plugin.py"}

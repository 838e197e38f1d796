from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tests.trainables.code.conftest import Tree
from trainables.code.closure import closure, roots
from trainables.code.import_path import ImportPath
from trainables.code.reference import parse
from trainables.vocabulary.refusal import Refusal

Paths = Callable[..., ImportPath]


def _names(path: ImportPath, *references: str) -> set[str]:
    return set(closure([parse(text, "task.use") for text in references], path))


def _refusal(path: ImportPath, reference: str) -> str:
    with pytest.raises(Refusal) as refusal:
        _names(path, reference)
    return str(refusal.value)


CASES: Mapping[str, tuple[Mapping[str, str | bytes], set[str]]] = {
    "a module alone": ({"task.py": "import torch, json", "other.py": ""}, {"task"}),
    "helpers of helpers": (
        {"task.py": "import a", "a.py": "from b import x", "b.py": ""},
        {"task", "a", "b"},
    ),
    "an import in a function of a helper in a package": (
        {
            "task.py": "from pack.help import make",
            "pack/__init__.py": "",
            "pack/help.py": "def make():\n  from .deep import x",
            "pack/deep.py": "",
            "pack/other.py": "",
        },
        {"task", "pack", "pack.help", "pack.deep"},
    ),
    "both branches of a try": (
        {
            "task.py": "try:\n  import fast\nexcept ImportError:\n  import slow",
            "fast.py": "",
            "slow.py": "",
        },
        {"task", "fast", "slow"},
    ),
    "a branch that is missing": (
        {"task.py": "try:\n  import fast\nexcept ImportError:\n  import slow", "slow.py": ""},
        {"task", "slow"},
    ),
    "a circle": (
        {"task.py": "import a", "a.py": "import b", "b.py": "import a, task"},
        {"task", "a", "b"},
    ),
    "packages on the way": (
        {
            "task.py": "import p.q.r",
            "p/__init__.py": "import top",
            "p/q/__init__.py": "from . import s",
            "p/q/r.py": "",
            "p/q/s.py": "",
            "p/q/t.py": "",
            "top.py": "",
        },
        {"task", "p", "p.q", "p.q.r", "p.q.s", "top"},
    ),
    "a package that imports its submodules": (
        {
            "task.py": "import p",
            "p/__init__.py": "from .a import *\nfrom p.b import x",
            "p/a.py": "from .. import nothing",
            "p/b.py": "from . import a, x",
        },
        {"task", "p", "p.a", "p.b"},
    ),
    "a star import of a package with __all__": (
        {
            "task.py": "from p import *",
            "p/__init__.py": "__all__ = ['a', 'name']",
            "p/a.py": "import b",
            "b.py": "",
            "p/c.py": "",
        },
        {"task", "p", "p.a", "b"},
    ),
    "a package with __all__ without a star": (
        {"task.py": "import p", "p/__init__.py": "__all__ = ['a']", "p/a.py": ""},
        {"task", "p"},
    ),
    "a name that is a module": (
        {"task.py": "from p import a, x", "p/__init__.py": "x = 1", "p/a.py": "", "p/b.py": ""},
        {"task", "p", "p.a"},
    ),
    "a module named by a string": (
        {
            "task.py": "import importlib\nimportlib.import_module('p.a')",
            "p/__init__.py": "",
            "p/a.py": "from importlib import import_module\nimport_module('.b', __package__)",
            "p/b.py": "",
        },
        {"task", "p", "p.a", "p.b"},
    ),
    "a namespace package": (
        {"task.py": "from space.part import deep", "space/part/deep.py": "from . import near",
         "space/part/near.py": ""},
        {"task", "space.part.deep", "space.part.near"},
    ),
    "modules named as numpy's": (
        {
            "task.py": "import numpy.linalg\nfrom numpy import testing\nimport linalg",
            "linalg.py": "",
            "testing.py": "",
            "numpy_tools.py": "",
        },
        {"task", "linalg"},
    ),
    "this project": ({"task.py": "from trainables.code import closure\nimport study"}, {"task"}),
    "encodings": (
        {
            "task.py": b"\xef\xbb\xbfimport a",
            "a.py": b"# -*- coding: latin-1 -*-\nx = '\xe9'\nimport b",
            "b.py": "",
        },
        {"task", "a", "b"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_closure_holds_what_importing_may_import(case: str, tree: Tree, path: Paths) -> None:
    files, names = CASES[case]
    tree(files)
    assert _names(path(), "task:Net") == names


def test_modules_carry_where_they_lie_and_their_content(tree: Tree, path: Paths) -> None:
    here = tree({"task.py": "import p.a", "lib/p/__init__.py": "", "lib/p/a.py": "x = 1\r\n"})
    modules = closure([parse("task:Net", "task.use")], path("here", "here/lib"))
    assert list(modules) == ["p", "p.a", "task"]
    inner = modules["p.a"]
    assert (inner.path, inner.position, inner.root) == (
        here / "lib/p/a.py",
        "p/a.py",
        here / "lib",
    )
    assert inner.sha256 == hashlib.sha256(b"x = 1\r\n").hexdigest()
    assert roots(modules) == {here, here / "lib"}


def test_a_reference_into_a_package_takes_what_is_around_it(tree: Tree, path: Paths) -> None:
    tree({"p/__init__.py": "import a", "p/task.py": "", "a.py": ""})
    assert _names(path(), "p.task:Net") == {"p", "p.task", "a"}


def test_several_references_share_a_closure(tree: Tree, path: Paths) -> None:
    tree({"task.py": "import a", "method.py": "import a", "a.py": "", "b.py": ""})
    assert _names(path(), "task:Net", "method:Mine") == {"task", "method", "a"}


def test_a_library_has_no_local_modules(path: Paths) -> None:
    assert _names(path(), "hypothesis.strategies:integers", "sys:path", "json:loads") == set()


def test_links_are_followed_by_content(tree: Tree, path: Paths) -> None:
    here = tree({"task.py": "import a", "elsewhere/real.py": "import b", "b.py": ""})
    (here / "a.py").symlink_to(here / "elsewhere/real.py")
    modules = closure([parse("task:Net", "task.use")], path())
    assert set(modules) == {"task", "a", "b"}
    assert (modules["a"].path, modules["a"].position) == (here / "a.py", "a.py")
    assert modules["a"].sha256 == hashlib.sha256(b"import b").hexdigest()


def test_a_compiled_module_counts_by_its_bytes(tree: Tree, path: Paths) -> None:
    name = f"fast{EXTENSION_SUFFIXES[0]}"
    tree({"task.py": "import fast", name: b"\x7fELF"})
    modules = closure([parse("task:Net", "task.use")], path())
    assert modules["fast"].position == name


def test_a_module_that_is_nowhere_is_refused(tree: Tree, path: Paths) -> None:
    here = tree({"my_task.py": "", "folder/inner.py": ""})
    assert _refusal(path(), "my_taks:Net") == (
        "task.use must name a module that can be found, got 'my_taks:Net': my_taks is neither in"
        f" {here} nor installed; did you mean my_task:Net?"
    )
    assert _refusal(path(), "my_task.py:Net").endswith("; did you mean my_task:Net?")
    assert _refusal(path(), "zzz:Net").endswith(f"zzz is neither in {here} nor installed")
    assert _refusal(path(), "folder:Net") == (
        "task.use must name a module, got 'folder:Net': folder is a folder without __init__.py"
    )
    assert _refusal(path(), "analysis.my_task:Net").endswith(
        "; its first part is the name of a package of this project"
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("random", "a module of the standard library"),
        ("time", "a module of the standard library"),
        ("pytest", "the installed pytest in "),
        ("analysis", "a package of this project"),
    ],
)
def test_a_module_that_hides_another_is_refused(
    tree: Tree, path: Paths, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    here = tree({f"{name}.py": "", "task.py": f"def f():\n  import {name}"})
    monkeypatch.chdir(here)
    for reference in (f"{name}:Net", "task:Net"):
        message = _refusal(path(), reference)
        assert message.startswith(
            f"task.use must not need a module that hides another, got '{reference}':"
            f" {name}.py has the name of {what}"
        )
        assert message.endswith("; rename it")


def test_what_is_called_so_and_not_imported_is_no_fault(tree: Tree, path: Paths) -> None:
    tree({"random.py": "", "study.py": "", "task.py": "import json"})
    assert _names(path(), "task:Net") == {"task"}


@pytest.mark.parametrize(
    ("source", "end"),
    [
        ("x = 1\ndef f(:\n", "helper.py, line 2: invalid syntax"),
        ("if x:\ny = 1\n", "helper.py, line 2: expected an indented block after 'if' statement"
         " on line 1"),
    ],
)  # fmt: skip
def test_a_syntax_error_is_refused_with_its_line(
    tree: Tree, path: Paths, monkeypatch: pytest.MonkeyPatch, source: str, end: str
) -> None:
    monkeypatch.chdir(tree({"task.py": "import helper", "helper.py": source}))
    assert _refusal(path(), "task:Net") == (
        f"task.use must name code without syntax errors, got 'task:Net': {end}"
    )


def test_code_that_cannot_be_read_is_refused(
    tree: Tree, path: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tree({"task.py": "import null", "null.py": b"x = 1\x00", "pack/old.pyc": b""})
    monkeypatch.chdir(here)
    assert "null.py" in _refusal(path(), "task:Net")
    assert _refusal(path(), "pack.old:Net").endswith("'pack.old:Net': pack/old.pyc is bytecode")
    (here / "gone.py").symlink_to(here / "nowhere.py")
    assert "gone is neither in" in _refusal(path(), "gone:Net")
    if os.getuid() == 0:
        return  # for whom nothing is unreadable
    (here / "null.py").chmod(0)
    assert _refusal(path(), "task:Net").endswith("null.py: Permission denied")


def test_a_helper_outside_the_first_folders_is_found_by_sys_path(tree: Tree) -> None:
    here = tree(
        {"study/task.py": "import outer", "lib/outer.py": "import inner", "lib/inner.py": ""}
    )
    path = ImportPath([here / "study"], [str(here / "lib")])
    modules = closure([parse("task:Net", "task.use")], path)
    assert {name: module.position for name, module in modules.items()} == {
        "inner": "inner.py",
        "outer": "outer.py",
        "task": "task.py",
    }
    assert modules["outer"].root == here / "lib"


def test_nothing_of_the_users_code_is_run(tree: Tree, path: Paths, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    source = f"open({str(mark)!r}, 'w')\nimport p.a"
    tree({"task.py": source, "p/__init__.py": source, "p/a.py": source})
    assert _names(path(), "task:Net") == {"task", "p", "p.a"}
    assert not mark.exists()

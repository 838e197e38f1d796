from __future__ import annotations

import pytest

from trainables.code.syntax import imports_of


def _modules(source: str, module: str = "here", is_package: bool = False) -> set[str]:
    return set(imports_of(source.encode(), module, is_package=is_package).modules)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b.c as d, e", {"a.b.c", "e"}),
        ("from a.b import c as d, e", {"a.b", "a.b.c", "a.b.e"}),
        ("from a import *", {"a", "a.*"}),
        ("def f():\n  def g():\n    import a", {"a"}),
        ("class C:\n  import a", {"a"}),
        ("try:\n  import a\nexcept OSError:\n  import b\nfinally:\n  import c", {"a", "b", "c"}),
        ("if x:\n  import a\nelif y:\n  import b\nelse:\n  import c", {"a", "b", "c"}),
        ("async def f():\n  async with x:\n    import a", {"a"}),
        ("match x:\n  case 1:\n    import a", {"a"}),
        ("importlib.import_module('a.b')", {"a.b"}),
        ("import_module(name='a')", {"a"}),
        ("x = [__import__('a') for _ in y]", {"a"}),
        ("from importlib import import_module as load\nload('a')",
         {"importlib", "importlib.import_module", "a"}),
        ("importlib.import_module(name)", set()),
        ("importlib.import_module(f'a.{name}')", set()),
        ("load('a')", set()),
        ("importlib.import_module('')", set()),
        ("'import a'  # import b", set()),
    ],
)  # fmt: skip
def test_imports_are_seen_wherever_they_stand(source: str, names: set[str]) -> None:
    assert _modules(source) == names


@pytest.mark.parametrize(
    ("source", "in_module", "in_package"),
    [
        ("from . import x", {"p.q", "p.q.x"}, {"p.q.m", "p.q.m.x"}),
        ("from .x import y", {"p.q.x", "p.q.x.y"}, {"p.q.m.x", "p.q.m.x.y"}),
        ("from .. import x", {"p", "p.x"}, {"p.q", "p.q.x"}),
        ("from ...x import *", set(), {"p.x", "p.x.*"}),
        ("import_module('.x', __package__)", {"p.q.x"}, {"p.q.m.x"}),
        ("import_module('.x', package=__name__)", {"p.q.m.x"}, {"p.q.m.x"}),
        ("import_module('..x', 'a.b')", {"a.x"}, {"a.x"}),
        ("import_module('.x')", set(), set()),
    ],
)
def test_relative_imports_count_from_the_module(
    source: str, in_module: set[str], in_package: set[str]
) -> None:
    assert _modules(source, "p.q.m") == in_module
    assert _modules(source, "p.q.m", is_package=True) == in_package


def test_a_module_outside_packages_imports_nothing_relatively() -> None:
    assert _modules("from . import x") == set()


def test_exports_are_the_strings_of_all() -> None:
    source = b"""
__all__ = ["a", *b]
__all__ += ("c",)
__all__.extend(["d"])
other = ["e"]
"""
    assert imports_of(source, "p", is_package=True).exports == {"a", "c", "d"}


def test_encodings_are_understood() -> None:
    assert imports_of(b"\xef\xbb\xbfimport a", "m", is_package=False).modules == {"a"}
    latin = "# coding: latin-1\nname = 'é'\nimport b".encode("latin-1")
    assert imports_of(latin, "m", is_package=False).modules == {"b"}


def test_warnings_about_the_source_are_not_raised_here() -> None:
    assert _modules("x = '\\d'\nassert (1, 'x')\nimport a") == {"a"}


@pytest.mark.parametrize("source", [b"def", b"a\x00b", b"name = '\xe9'"])
def test_what_is_no_python_raises(source: bytes) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        imports_of(source, "m", is_package=False)

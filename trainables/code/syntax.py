"""What a module imports, as its syntax tree tells; nothing is imported or looked up here.

Imports count wherever they stand: at the top, in functions, under `if` and `try`. What a program
works out only when it runs (`import_module(name)`) cannot be seen.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Imports:
    """What one module's source names.

    `modules` are absolute dotted names that it imports or may import: `from a import b` gives both
    `a` and `a.b`, for b may be a module; `from a import *` gives `a.*`. `exports` are the strings
    in `__all__`, which a star import of a package takes for modules where there are some.
    """

    modules: frozenset[str]
    exports: frozenset[str]


def imports_of(source: bytes, module: str, *, is_package: bool) -> Imports:
    """Return what the source of a module imports; SyntaxError or ValueError when it is no Python.

    `module` is its dotted name and `is_package` whether it is an `__init__`: relative imports count
    from there. Byte order marks and coding cookies are understood.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the user's code, not ours: told when it is imported
        tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    importers = _import_functions(nodes)
    frame = _Frame(module, is_package)
    modules = {name for node in nodes for name in _names_in(node, frame, importers)}
    return Imports(frozenset(modules), frozenset(_exports(nodes)))


@dataclass(frozen=True)
class _Frame:
    """Where a module stands among packages."""

    module: str
    is_package: bool

    @property
    def package(self) -> str:
        return self.module if self.is_package else self.module.rpartition(".")[0]


def _names_in(node: ast.AST, frame: _Frame, importers: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(node.module or "", node.level, frame.package)
        if base:
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call):
        name = _call_target(node, frame, importers)
        if name:
            yield name


def _absolute(name: str, level: int, package: str) -> str | None:
    """The absolute name of an import of `level` dots; None where it leaves all packages."""
    if not level:
        return name
    parts = package.split(".") if package else []
    if level > len(parts):
        return None
    return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])


def _import_functions(nodes: list[ast.AST]) -> frozenset[str]:
    """The names under which the module knows functions that import what a string names."""
    aliases = {
        alias.asname
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "importlib"
        for alias in node.names
        if alias.name == "import_module" and alias.asname
    }
    return frozenset({"import_module", "__import__", *aliases})


def _call_target(call: ast.Call, frame: _Frame, importers: frozenset[str]) -> str | None:
    """The module that a call like `importlib.import_module("literal")` imports."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    if name not in importers:
        return None
    target = _literal(_argument(call, 0, "name"))
    if not target:
        return None
    plain = target.lstrip(".")
    anchor = _anchor(_argument(call, 1, "package"), frame)
    return _absolute(plain, len(target) - len(plain), anchor)


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    if len(call.args) > position:
        return call.args[position]
    return next((word.value for word in call.keywords if word.arg == name), None)


def _literal(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def _anchor(node: ast.expr | None, frame: _Frame) -> str:
    """The package that a relative name counts from: a literal, `__package__` or `__name__`."""
    if isinstance(node, ast.Name) and node.id in ("__package__", "__name__"):
        return frame.package if node.id == "__package__" else frame.module
    return _literal(node) or ""


def _exports(nodes: list[ast.AST]) -> Iterator[str]:
    """The strings of every statement that assigns, extends or appends to `__all__`."""
    for node in nodes:
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr):
            continue
        inner = list(ast.walk(node))
        if any(isinstance(part, ast.Name) and part.id == "__all__" for part in inner):
            yield from (text for part in inner if (text := _literal_of(part)))


def _literal_of(node: ast.AST) -> str | None:
    return _literal(node) if isinstance(node, ast.expr) else None

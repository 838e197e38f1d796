"""What is built of the project: all its files in the archives, and code for every Python."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("study", "trainables", "analysis")
MADE = ("__pycache__", ".ruff_cache", ".mypy_cache")
"""Folders of caches, which no distribution holds."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Inlined = ast.ListComp | ast.SetComp | ast.DictComp


def files(folder: str) -> Iterator[Path]:
    for path in (ROOT / folder).rglob("*"):
        if path.is_file() and not set(MADE) & set(path.parts):
            yield path


def test_a_wheel_takes_every_file_of_the_packages() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)["tool"]["setuptools"]["package-data"]
    patterns = [f"{package.replace('.', '/')}/{one}" for package in data for one in data[package]]
    others = [
        name
        for package in PACKAGES
        for path in files(package)
        if path.suffix != ".py"
        and not any(fnmatch(name := path.relative_to(ROOT).as_posix(), one) for one in patterns)
    ]
    assert others == []
    typed = [f"{package}/py.typed" for package in PACKAGES]
    assert all(name in patterns and (ROOT / name).exists() for name in typed)
    bare = {
        path.parent.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in files(package)
        if path.suffix == ".py" and not (path.parent / "__init__.py").exists()
    }
    assert bare == set(), "setuptools finds packages by their __init__.py"


def test_a_source_distribution_takes_what_tests_and_installations_read() -> None:
    lines = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    named = {name for command, *names in words if command in ("graft", "include") for name in names}
    assert all((ROOT / name).exists() for name in named)
    read = {"Makefile", "cluster.yaml", "constraints.txt", "deploy", "docs", "examples", "locks"}
    assert read | {".ci", ".dockerignore", "benchmarks", "tests"} <= named


def globals_of(module: ast.Module) -> set[str]:
    """Names that a module defines or imports at its top."""
    names: set[str] = set()
    for node in module.body:
        if isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return names


def targets(node: ast.AST) -> set[str]:
    """The names that a comprehension gives to what it goes over; none of any other node."""
    if not isinstance(node, Inlined | ast.GeneratorExp):
        return set()
    parts = [part for one in node.generators for part in ast.walk(one.target)]
    return {part.id for part in parts if isinstance(part, ast.Name)}


def hidden(module: ast.Module) -> Iterator[str]:
    """Names of a module that a function reads, and that a comprehension in it uses for its own."""
    top = globals_of(module)
    every = list(ast.walk(module))
    if not any(targets(node) & top for node in every):
        return
    for function in (node for node in every if isinstance(node, Function)):
        nodes = list(ast.walk(function))
        hiding = [node for node in nodes if targets(node) & top]
        inside = {id(one) for node in hiding for one in ast.walk(node)}
        own = {name for node in hiding if isinstance(node, Inlined) for name in targets(node)}
        names = [one for one in nodes if isinstance(one, ast.Name) and id(one) not in inside]
        reads = {one.id for one in names if isinstance(one.ctx, ast.Load)}
        yield from (f"{function.name}: {name}" for name in sorted(own & reads & top))


def test_a_comprehension_that_hides_a_name_is_seen() -> None:
    code = """
        def label(x): return x
        def one(rows): return [[label for label in rows], [label(row) for row in rows]]
        def two(rows): return [label for label in rows]
        def three(rows): return [label(row) for row in rows]
    """
    lines = [line.strip() for line in code.splitlines()]
    assert list(hidden(ast.parse("\n".join(lines)))) == ["one: label"]


def test_no_comprehension_hides_a_name_that_its_function_reads() -> None:
    """Python 3.12.1 then takes the name for a local one that was never set."""
    faults = [
        f"{path.relative_to(ROOT)}: {fault}"
        for folder in PACKAGES
        for path in files(folder)
        if path.suffix == ".py"
        for fault in hidden(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert faults == []

"""Imports go down only: what each layer may name, at the top or in a function, by its source.

Low to high: the core of `trainables` (no torch), its files (no torch, no Ray), its torch part, the
Ray Trainable; `analysis` (files and core alone) and `study` stand above; `study.cli` on top.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("trainables", "study", "analysis")

CORE = frozenset(
    f"trainables.{name}"
    for name in (
        "bounds", "schema", "config", "catalog", "chain", "sparsity", "schedules", "refusal",
        "wording", "rules", "job",
    )
)  # fmt: skip
FILES = frozenset(f"trainables.{name}" for name in ("records", "storage", "leases"))
HEAVY = frozenset(
    {"torch", "torchvision", "ray", "optuna", "pandas", "plotly", "scipy", "sklearn", "dash"}
)
TORCH_PARTS = frozenset({"torch", "torchvision", "safetensors", "sklearn", "numpy", "pyarrow"})
READING = frozenset(
    {"pandas", "numpy", "scipy", "plotly", "dash", "dash_ag_grid", "optuna", "pyarrow", "jinja2",
     "markupsafe", "tabulate", "ruamel", "flask", "werkzeug"}
)  # fmt: skip


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    _module(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}


def _within(tree: ast.AST, *, lazy: bool) -> Iterator[ast.AST]:
    """All nodes, or those alone that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not lazy and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if not lazy and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _within(node, lazy=lazy)


@cache
def imports(module: str, lazy: bool = True) -> frozenset[str]:
    """What a module imports: the project's modules by full name, others by their package."""
    found: set[str] = set()
    for node in _within(ast.parse(MODULES[module].read_text(encoding="utf-8")), lazy=lazy):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found |= {_named(str(node.module), alias.name) for alias in node.names}
    return frozenset(name if name in MODULES else name.partition(".")[0] for name in found)


def _named(package: str, name: str) -> str:
    """`from package import name`: the module of that name, or what holds it."""
    return f"{package}.{name}" if f"{package}.{name}" in MODULES else package


def _packages(module: str) -> set[str]:
    """The packages around a module, which Python imports with it."""
    parts = module.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts))} & MODULES.keys()


@cache
def reached(module: str, lazy: bool = True, packages: bool = True) -> frozenset[str]:
    """All that a module imports, directly or through the project's other modules."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        here = todo.pop()
        around = _packages(here) if packages else set()
        for name in (imports(here, lazy) | around) - seen:
            seen.add(name)
            if name in MODULES:
                todo.append(name)
    return frozenset(seen)


def foreign(names: frozenset[str]) -> frozenset[str]:
    """The packages that are neither the project's nor Python's."""
    return frozenset(n for n in names if n not in MODULES and n not in sys.stdlib_module_names)


def below(package: str) -> list[str]:
    return [m for m in MODULES if m == package or m.startswith(f"{package}.")]


def test_the_source_is_read_as_it_should_be() -> None:
    """The reader finds what is known to be there, at the top and in functions."""
    assert {"torch", "trainables.stages", "trainables.worker"} <= reached(
        "trainables.tune_trainable"
    )
    assert "pyarrow" in imports("trainables.storage")
    assert "pyarrow" not in imports("trainables.storage", lazy=False)
    assert "trainables.catalog" in imports("trainables.config")
    assert len(MODULES) > 60


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_needs_pydantic_alone(module: str) -> None:
    assert foreign(reached(module)) <= {"pydantic"}
    assert reached(module) & MODULES.keys() <= CORE | {"trainables"}


@pytest.mark.parametrize("module", ["bounds", "schema", "sparsity", "schedules", "job", "wording"])
def test_schema_and_arithmetic_need_nothing(module: str) -> None:
    assert foreign(reached(f"trainables.{module}")) == frozenset()


@pytest.mark.parametrize("module", sorted(FILES))
def test_files_need_neither_torch_nor_ray(module: str) -> None:
    assert foreign(reached(module)) <= {"pyarrow", "pydantic"}
    assert reached(module) & MODULES.keys() <= CORE | FILES | {"trainables"}


@pytest.mark.parametrize("module", below("trainables"))
def test_trainables_know_nothing_above_them(module: str) -> None:
    assert not [n for n in imports(module) if n.partition(".")[0] in ("study", "analysis")]
    ray = {"ray"} if module == "trainables.tune_trainable" else set()
    assert foreign(imports(module)) <= TORCH_PARTS | {"pydantic"} | ray


def test_only_the_trainable_knows_ray_and_nothing_below_knows_it() -> None:
    knowing = [m for m in below("trainables") if "ray" in reached(m)]
    assert knowing == ["trainables.tune_trainable"]


@pytest.mark.parametrize("module", below("trainables.methods"))
def test_no_method_reaches_into_the_runner(module: str) -> None:
    runner = {"stage_run", "procedure", "worker", "workbench", "stages", "whole_run", "cycle"}
    assert not reached(module) & {f"trainables.{name}" for name in runner}


def test_training_knows_no_ray_no_files_and_no_configuration() -> None:
    known = reached("trainables.training")
    assert not known & {"ray", "pyarrow", "trainables.storage", "trainables.stages"}
    assert "trainables.config" not in known


@pytest.mark.parametrize("module", below("analysis"))
def test_the_analysis_reads_files_and_the_core_alone(module: str) -> None:
    known = reached(module)
    assert not known & {"torch", "torchvision", "ray", "safetensors"}
    assert not [name for name in known if name.partition(".")[0] == "study"]
    assert foreign(imports(module)) <= READING
    assert {n for n in known if n.startswith("trainables.")} <= CORE | FILES


@pytest.mark.parametrize("module", [m for m in below("study") if not m.startswith("study.cli")])
def test_the_study_knows_no_command(module: str) -> None:
    assert not [name for name in imports(module) if name.startswith("study.cli")]
    assert "click" not in imports(module)


LIGHT = [
    *below("study.cli"),
    "study.studyfile", "study.space", "study.domains", "study.plan", "study.status",
    "study.standing", "study.agenda", "study.method_list", "study.rates", "study.doctor",
]  # fmt: skip


@pytest.mark.parametrize("module", LIGHT)
def test_importing_what_checks_a_study_is_cheap(module: str) -> None:
    """What is heavy is imported in functions, when it is used."""
    assert not reached(module, lazy=False) & HEAVY


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_imports_itself_by_way_of_others(module: str) -> None:
    assert module not in reached(module, lazy=False, packages=False)

"""The layout: a folder is a room, imports go one way between rooms, and no file reaches itself.

`ROOMS` lists the rooms from the lowest up. A room may import those that it names, all of them above
it in the list, and of other people's packages those of its `packages`; `waits` are packages that it
may import only inside functions, when they are used.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("trainables", "study", "analysis")
MOST_MODULES = 20
HEAVY = frozenset(
    {"torch", "torchvision", "ray", "optuna", "pandas", "plotly", "scipy", "sklearn", "dash"}
)


@dataclass(frozen=True)
class Room:
    """What a folder may import: rooms by name, and packages at the top or in functions alone."""

    rooms: str = ""
    packages: str = ""
    waits: str = ""


_TORCH = "torch numpy"
_FRAMES = "pandas numpy"

ROOMS: dict[str, Room] = {
    "trainables.vocabulary": Room("", "pydantic"),
    "trainables.code": Room("vocabulary"),
    "trainables.formulas": Room(),
    "trainables.config": Room("vocabulary code formulas", "pydantic"),
    "trainables.waiting": Room(),
    "trainables.files": Room("vocabulary waiting", "pyarrow", "ruamel"),
    "trainables.jobs": Room("vocabulary config files", "", "torch"),
    "trainables.data": Room("vocabulary config", _TORCH, "torchvision"),
    "trainables.datasets": Room("vocabulary config data", _TORCH, "torchvision sklearn"),
    "trainables.folders": Room("vocabulary config data", _TORCH, "torchvision PIL"),
    "trainables.networks": Room("config", _TORCH, "torchvision"),
    "trainables.checkpoints": Room("vocabulary", "torch safetensors", "torchvision"),
    "trainables.pruning": Room("formulas", _TORCH),
    "trainables.methods": Room("formulas pruning", _TORCH),
    "trainables.tasks": Room(
        "vocabulary code formulas config data networks checkpoints pruning methods",
        f"{_TORCH} pydantic",
    ),
    "trainables.removal": Room("pruning tasks", _TORCH),
    "trainables.segmentation": Room(
        "vocabulary data datasets folders pruning tasks",
        f"{_TORCH} pydantic",
        "torchvision sklearn",
    ),
    "trainables.translation": Room(
        "vocabulary data pruning tasks",
        f"{_TORCH} pydantic",
        "sentencepiece sacrebleu babel",
    ),
    "trainables.parallel": Room("", _TORCH),
    "trainables.training": Room("data networks pruning methods tasks parallel", _TORCH),
    "trainables.trials": Room(
        "vocabulary code formulas config files jobs data networks checkpoints pruning methods"
        " tasks parallel training",
        f"{_TORCH} safetensors pyarrow",
        "torchao",
    ),
    "trainables.deploy": Room(
        "vocabulary code formulas config files jobs data networks pruning tasks removal training"
        " trials",
        f"{_TORCH} safetensors pyarrow",
        "onnx onnxruntime openvino torchao executorch",
    ),
    "trainables.workers": Room(
        "vocabulary code config data waiting files jobs networks checkpoints parallel training"
        " trials",
        "ray",
        "torch",
    ),
    "analysis.columns": Room(
        "trainables.vocabulary trainables.formulas trainables.config", _FRAMES
    ),
    "analysis.stats": Room("columns trainables.vocabulary", _FRAMES, "scipy"),
    "analysis.frames": Room(
        "columns stats trainables.vocabulary trainables.formulas trainables.config"
        " trainables.files",
        f"{_FRAMES} pyarrow",
        "ruamel",
    ),
    "analysis.selection": Room("columns stats frames trainables.vocabulary", _FRAMES),
    "analysis.tables": Room(
        "columns stats frames selection trainables.vocabulary trainables.files", _FRAMES, "tabulate"
    ),
    "analysis.drawing": Room("columns trainables.vocabulary", f"{_FRAMES} plotly"),
    "analysis.evidence": Room(
        "columns stats frames selection drawing trainables.vocabulary trainables.config",
        f"{_FRAMES} plotly",
        "optuna",
    ),
    "analysis.fronts": Room(
        "columns stats frames selection drawing trainables.vocabulary", f"{_FRAMES} plotly"
    ),
    "analysis.courses": Room(
        "columns stats selection drawing"
        " trainables.vocabulary trainables.formulas trainables.config",
        f"{_FRAMES} plotly",
    ),
    "analysis.figures": Room(
        "columns stats frames selection drawing evidence fronts courses"
        " trainables.vocabulary trainables.config",
        f"{_FRAMES} plotly",
        "scipy",
    ),
    "analysis.panels": Room(
        "columns selection drawing fronts figures trainables.vocabulary", _FRAMES
    ),
    "analysis.workbench": Room(
        "columns selection tables drawing courses figures trainables.vocabulary",
        f"{_FRAMES} plotly",
    ),
    "analysis.findings": Room(
        "columns stats frames selection figures trainables.vocabulary trainables.config", _FRAMES
    ),
    "analysis.answer": Room(
        "columns stats frames selection fronts figures findings"
        " trainables.vocabulary trainables.formulas trainables.config trainables.files",
        _FRAMES,
    ),
    "analysis.report": Room(
        "columns stats frames selection tables drawing figures panels findings answer"
        " trainables.vocabulary trainables.files",
        f"{_FRAMES} plotly jinja2 markupsafe",
    ),
    "analysis.paper": Room(
        "frames selection drawing fronts figures panels", f"{_FRAMES} plotly", "kaleido"
    ),
    "analysis.dashboard": Room(
        "columns stats frames selection tables drawing figures panels workbench answer"
        " trainables.vocabulary trainables.files",
        f"{_FRAMES} plotly dash dash_ag_grid flask werkzeug",
    ),
    "study.definition": Room(
        "trainables.vocabulary trainables.code trainables.formulas trainables.config"
        " trainables.files",
        "pydantic",
        "ruamel",
    ),
    "study.points": Room(
        "definition trainables.vocabulary trainables.config trainables.files",
        "optuna",
        "tabulate",
    ),
    "study.checks": Room(
        "definition points trainables.vocabulary trainables.code trainables.config"
        " trainables.formulas trainables.waiting trainables.files trainables.data"
        " trainables.networks trainables.checkpoints trainables.pruning",
        "",
        "torch",
    ),
    "study.views": Room(
        "definition points checks trainables.vocabulary trainables.code trainables.formulas"
        " trainables.config trainables.files trainables.jobs trainables.data trainables.trials"
        " trainables.deploy"
        " analysis.columns analysis.stats analysis.frames analysis.selection"
        " analysis.figures analysis.courses analysis.drawing analysis.findings analysis.frames",
        "pydantic annotated_types",
        "pandas tabulate ruamel",
    ),
    "study.machines": Room(
        "definition points trainables.vocabulary trainables.config trainables.files"
        " trainables.jobs trainables.workers",
        "",
        "ray tabulate",
    ),
    "study.exports": Room(
        "definition views trainables.vocabulary trainables.code trainables.config"
        " trainables.files trainables.jobs trainables.trials trainables.deploy"
        " analysis.columns analysis.stats analysis.frames analysis.selection analysis.figures"
        " analysis.fronts",
        "",
        "pandas ruamel",
    ),
    "study.trackers": Room(
        "trainables.vocabulary trainables.files analysis.columns analysis.frames",
        "",
        "mlflow wandb tensorboardX",
    ),
    "study.driver": Room(
        "definition points checks views machines trackers trainables.vocabulary"
        " trainables.config trainables.waiting"
        " trainables.files trainables.jobs trainables.workers"
        " analysis.frames analysis.selection analysis.tables analysis.answer",
        "ray",
        "rich ruamel",
    ),
    "study": Room(
        "definition points checks driver views analysis.frames analysis.tables analysis.figures"
        " analysis.paper analysis.answer",
        "",
        "plotly ruamel",
    ),
    "study.cli": Room(
        "definition points checks views machines exports trackers driver"
        " trainables.vocabulary trainables.formulas trainables.files"
        " analysis.tables analysis.answer analysis.report analysis.dashboard"
        " analysis.figures analysis.paper",
        "click",
    ),
}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    _module(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}


def room_of(module: str) -> str:
    """The room that a module stands in: its folder, or its package for what stands at the top."""
    package, _, rest = module.partition(".")
    first = rest.partition(".")[0]
    return f"{package}.{first}" if (ROOT / package / first).is_dir() and first else package


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


def allowed_rooms(room: str) -> set[str]:
    """The rooms that a room may import, by full name, itself included."""
    package = room.partition(".")[0]
    names = ROOMS[room].rooms.split()
    return {room, package, *(n if "." in n else f"{package}.{n}" for n in names)}


def test_the_source_is_read_as_it_should_be() -> None:
    """The reader finds what is known to be there, at the top and in functions."""
    assert {"torch", "trainables.trials.stage_store", "trainables.workers.worker"} <= reached(
        "trainables.workers.tune_trainable"
    )
    assert "pyarrow" in imports("trainables.files.storage")
    assert "pyarrow" not in imports("trainables.files.storage", lazy=False)
    assert "trainables.config.catalog" in imports("trainables.config.rules")
    assert room_of("study.cli") == "study.cli"
    assert room_of("study.api") == "study"
    assert len(MODULES) > 60


def test_every_folder_is_a_room() -> None:
    assert {room_of(module) for module in MODULES} - set(PACKAGES) <= ROOMS.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_stands_before_them(room: str) -> None:
    before = list(ROOMS)[: list(ROOMS).index(room)]
    assert allowed_rooms(room) <= {room, *before, *PACKAGES}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_what_its_room_allows(module: str) -> None:
    room = room_of(module)
    assert room in ROOMS or "." not in room
    if room not in ROOMS:  # the package itself
        assert not imports(module, lazy=False) & (HEAVY | MODULES.keys())
        return
    names = imports(module)
    rooms = {room_of(name) for name in names if name in MODULES}
    assert rooms <= allowed_rooms(room)
    packages = set(ROOMS[room].packages.split())
    assert foreign(names) <= packages | set(ROOMS[room].waits.split())
    assert foreign(imports(module, lazy=False)) <= packages


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_is_crowded(room: str) -> None:
    assert sum(room_of(module) == room for module in MODULES) <= MOST_MODULES


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_imports_itself_by_way_of_others(module: str) -> None:
    assert module not in reached(module, packages=False)


def test_only_the_trainable_and_its_crew_know_ray_and_nothing_below_knows_it() -> None:
    knowing = [m for m in MODULES if m.startswith("trainables") and "ray" in reached(m)]
    assert knowing == ["trainables.workers.ray_crew", "trainables.workers.tune_trainable"]


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m).startswith("analysis")])
def test_the_analysis_needs_neither_torch_nor_ray(module: str) -> None:
    assert not reached(module) & {"torch", "torchvision", "ray", "safetensors"}


LIGHT = [
    m
    for m in MODULES
    if room_of(m) in ("study.cli", "study.definition", "study.checks")
    or m in ("study.views.plan", "study.views.status", "study.points.resolve")
]


@pytest.mark.parametrize("module", LIGHT)
def test_importing_what_checks_a_study_is_cheap(module: str) -> None:
    """What is heavy is imported in functions, when it is used."""
    assert not reached(module, lazy=False) & HEAVY

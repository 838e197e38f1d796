"""The files that an installation is made of again: every version pinned, every file by its hash."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FORMS = {"reading": (), "run": ("run",), "cluster": ("run", "cluster")}
"""The extras, ours among them, that each lock is made of."""

_PIN = re.compile(r"([a-z0-9-]+)==([^ ;]+)( ; .+)? \\")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lines(form: str) -> list[str]:
    return (ROOT / "locks" / f"{form}.txt").read_text(encoding="utf-8").splitlines()


def locked(form: str) -> dict[str, str]:
    """The versions of a lock by name."""
    pins = [match.groups() for line in lines(form) if (match := _PIN.fullmatch(line))]
    return {str(name): str(version) for name, version, _ in pins}


def constraints() -> dict[str, str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = [line.split("==") for line in text.splitlines() if "==" in line]
    return {canonical(name): version for name, version in pins}


@pytest.mark.parametrize("form", FORMS)
def test_a_lock_names_versions_and_hashes_and_nothing_else(form: str) -> None:
    """No address of an index, no option: pip and uv take it, each with its own index."""
    every = lines(form)
    assert all(_PIN.fullmatch(line) or _HASH.fullmatch(line) for line in every)
    pins = [number for number, line in enumerate(every) if _PIN.fullmatch(line)]
    assert pins[0] == 0
    assert all(_HASH.fullmatch(every[number + 1]) for number in pins)


@pytest.mark.parametrize("form", FORMS)
def test_a_lock_has_what_the_project_needs_in_the_versions_that_were_tested(form: str) -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(name for extra in FORMS[form] for name in extras[extra])]
    names = {canonical(re.split(r"[>=\[]", one)[0]) for one in wanted} - {"bimp-study"}
    versions = locked(form)
    assert names <= versions.keys()
    tested = constraints()
    assert {name: tested.get(name, version) for name, version in versions.items()} == versions


def test_reading_takes_neither_torch_nor_ray() -> None:
    assert not {"torch", "torchvision", "ray", "safetensors", "pillow"} & locked("reading").keys()
    assert locked("reading").items() <= locked("run").items() <= locked("cluster").items()


def test_what_is_said_of_pythons_is_what_ran() -> None:
    minors = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: 3." in c]
    assert PROJECT["requires-python"] == f">={minors[0]}"

"""The files that an installation is made of again: every version pinned, every file by its hash."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = PROJECT["name"]
FORMS = {"reading": (), "run": ("run",), "cluster": ("run", "cluster")}
"""The extras, ours among them, that each lock is made of."""

_PIN = re.compile(r"([a-z0-9-]+)==([^ ;]+)( ; .+)? \\")
_CONSTRAINT = re.compile(r"([a-z0-9-]+)==([^ ;]+)( ; .+)?")
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
    """The versions of constraints.txt by name; no line of it is anything else, nor twice there."""
    head, *every = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert head.startswith("# ")
    pins = [_CONSTRAINT.fullmatch(line) for line in every]
    named = {match[1]: match[2] for match in pins if match is not None}
    assert len(named) == len(every)
    return named


def reached(extra: str | None) -> set[str]:
    """The packages that an extra takes on this machine, as far as what is installed tells."""
    names: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(f"{OWN}[{extra}]" if extra else OWN)]
    while waiting:
        requirement = waiting.pop()
        for one in ("", *requirement.extras):
            if (key := (canonical(requirement.name), one)) not in seen:
                seen.add(key)
                names.add(key[0])
                waiting += list(needed(*key))
    return names - {OWN}


def needed(name: str, extra: str) -> Iterator[Requirement]:
    """What a package requires with one of its extras; nothing of one that is not installed."""
    every = [Requirement(one) for one in declared(extra)] if name == OWN else of_package(name)
    for requirement in every:
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


@cache
def of_package(name: str) -> tuple[Requirement, ...]:
    """What an installed package requires, with all its extras."""
    try:
        return tuple(Requirement(line) for line in requires(name) or ())
    except PackageNotFoundError:
        return ()


def declared(extra: str) -> list[str]:
    """Our own requirements by pyproject.toml, whatever was installed from it."""
    return list(EXTRAS[extra] if extra else PROJECT["dependencies"])


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
    wanted = [*PROJECT["dependencies"], *(name for extra in FORMS[form] for name in EXTRAS[extra])]
    names = {canonical(Requirement(one).name) for one in wanted} - {OWN}
    versions = locked(form)
    assert names <= versions.keys()
    assert versions.items() <= constraints().items()


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_all_that_an_extra_takes_is_pinned(extra: str | None) -> None:
    """What a package that is not installed requires in turn only `make lock` knows."""
    names = reached(extra)
    assert {canonical(Requirement(one).name) for one in declared(extra or "")} - {OWN} <= names
    assert sorted(names - constraints().keys()) == []


def test_a_pinned_version_is_one_that_is_asked_for() -> None:
    pinned = constraints()
    asked = [Requirement(one) for extra in ("", *EXTRAS) for one in declared(extra)]
    refused = [
        str(one)
        for one in asked
        if one.name != OWN and not one.specifier.contains(pinned[canonical(one.name)], True)
    ]
    assert refused == []


def test_extras_of_packages_count() -> None:
    """Ray's dashboard serves over aiohttp, which `ray[tune]` does not take."""
    assert "aiohttp" in reached("cluster")
    assert "aiohttp" not in reached("run")
    assert {"torch", "ray", "botocore"} <= reached("cluster")
    assert "torch" not in reached(None)


def test_reading_takes_neither_torch_nor_ray() -> None:
    assert not {"torch", "torchvision", "ray", "safetensors", "pillow"} & locked("reading").keys()
    assert locked("reading").items() <= locked("run").items() <= locked("cluster").items()


def test_what_is_said_of_pythons_is_what_ran() -> None:
    minors = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if ":: 3." in c]
    assert PROJECT["requires-python"] == f">={minors[0]}"

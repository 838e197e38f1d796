"""The image: what is copied into it, and what it installs; `test_image_lab.py` builds it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def copied() -> list[str]:
    """What the image takes of the project."""
    lines = re.findall(r"^COPY (.+)$", TEXT, flags=re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_the_image_takes_what_an_installation_needs_and_the_context_holds_no_more() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = [name.removesuffix("*") for name in
                project["tool"]["setuptools"]["packages"]["find"]["include"]]  # fmt: skip
    files = ["pyproject.toml", "constraints.txt", "README.md", "LICENSE"]
    assert copied() == [*files, *packages]
    assert all((ROOT / name).exists() for name in copied())
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if not line.startswith("#")]
    assert rules == ["*", *(f"!{name}" for name in copied()), "**/__pycache__"]


def test_the_image_installs_pinned_versions_of_an_extra_that_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = re.search(r"^ARG EXTRAS=(\S+)$", TEXT, flags=re.MULTILINE)
    assert extra is not None and extra[1] in project["optional-dependencies"]
    assert '-c constraints.txt ".${EXTRAS:+[$EXTRAS]}"' in TEXT
    version = re.search(r"^ARG BASE=python:(\d+)\.(\d+)-", TEXT, flags=re.MULTILINE)
    assert version is not None
    assert f"Programming Language :: Python :: {version[1]}.{version[2]}" in project["classifiers"]


def test_a_change_of_the_code_leaves_the_layer_of_its_packages_as_it_was() -> None:
    packages, code = TEXT.index("-c constraints.txt"), TEXT.index("--no-deps --force-reinstall")
    copies = {name: TEXT.index(f"COPY {name} ") for name in ("study", "trainables", "analysis")}
    assert all(packages < copy < code for copy in copies.values())


@pytest.mark.parametrize("word", ["USER 1000", "ENTRYPOINT []"])
def test_containers_run_as_no_root_and_take_kuberay_s_commands(word: str) -> None:
    assert word in TEXT.splitlines()

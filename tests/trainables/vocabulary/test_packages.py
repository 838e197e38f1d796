"""The project's packages have common names: what stands in their place is refused in a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.vocabulary.packages import NAMES, ROOT, fault


def bimp(folder: Path, *first_on_path: str) -> subprocess.CompletedProcess[str]:
    """The command's entry in a process that searches some folders before the project's."""
    code = "from trainables.vocabulary.packages import main; main()"
    path = os.pathsep.join([*first_on_path, str(ROOT)])
    return subprocess.run(
        [sys.executable, "-P", "-c", code, "methods"], cwd=folder, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_all_is_well_here() -> None:
    assert fault() is None


@pytest.mark.parametrize("name", ["study.py", "analysis/__init__.py", "study/__init__.py"])
def test_what_stands_in_a_package_s_place_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise RuntimeError('not to be imported')\n")
    ended = bimp(tmp_path, str(tmp_path))
    assert (ended.returncode, ended.stdout) == (2, "")
    package = name.partition("/")[0].removesuffix(".py")
    assert ended.stderr.startswith(
        f"bimp: the package {package} must be bimp-study's in {ROOT},"
        f" got {tmp_path / name.removesuffix('/__init__.py')}; rename that"
    )
    assert ended.stderr.count("\n") == 1


def test_folders_that_are_no_packages_or_lie_elsewhere_do_no_harm(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()  # without an __init__.py it gives way
    assert bimp(tmp_path, str(tmp_path)).returncode == 0
    (tmp_path / "study" / "__init__.py").write_text("")
    assert bimp(tmp_path).returncode == 0, "the folder it is called in is not searched"

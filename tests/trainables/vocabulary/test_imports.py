"""Which modules can be imported, tried with modules that a test writes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainables.vocabulary import imports
from trainables.vocabulary.imports import import_faults

MODULES = {
    "fine_one": "print('{\"told\": 1}')",
    "other_build": "raise RuntimeError('operator torchvision::nms does not exist\\nand more')",
    "without_words": "raise AssertionError",
    "library_missing": "raise OSError('libcudart.so.13: cannot open shared object file')",
    "ends_python": "import os; os._exit(3)",
    "never_ends": "import time; time.sleep(60)",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("modules")
def test_each_fault_is_one_line_and_the_others_are_tried_all_the_same() -> None:
    names = ["fine_one", "other_build", "ends_python", "library_missing", "without_words", "json"]
    assert import_faults([*names, "not_there"]) == {
        "fine_one": "",
        "other_build": "RuntimeError: operator torchvision::nms does not exist",
        "ends_python": "its import ended Python with status 3",
        "library_missing": "OSError: libcudart.so.13: cannot open shared object file",
        "without_words": "AssertionError",
        "json": "",
        "not_there": "ModuleNotFoundError: No module named 'not_there'",
    }


@pytest.mark.usefixtures("modules")
def test_an_import_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "PATIENCE_S", 0.8)
    assert import_faults(["json", "never_ends", "string"]) == {
        "json": "",
        "never_ends": "its import has not ended within 1 s",
        "string": "",
    }


def test_nothing_is_started_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports.subprocess, "run", None)
    assert import_faults([]) == {}


def test_a_process_that_cannot_start_is_told_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    fault = "no process can start to import it (No such file or directory)"
    assert import_faults(["json", "os"]) == {"json": fault, "os": fault}

"""The check process on code that a test writes, in this process or in one of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trainables.code import importing
from trainables.code.copies import copy_name, keep
from trainables.code.digest import user_code
from trainables.code.import_path import ImportPath
from trainables.code.reference import parse
from trainables.tasks.check_process import main

Ask = Callable[..., dict[str, Any]]
USE = {"use": "my_task:Mine"}


@pytest.fixture
def request_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write `my_task.py`, copy it as a study does, and return the file of a request."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)

    def write(source: str, reference: str = "my_task:Mine", files: Any = None, **look: Any) -> Path:
        for name, content in {"my_task.py": source, **(files or {})}.items():
            (home / name).write_text(content, encoding="utf-8")
        code = user_code([parse(reference, "task.use")], ImportPath([home]))

        def put(name: str, data: bytes) -> None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)

        keep(code, lambda name: (tmp_path / name).read_bytes(), put)
        request = tmp_path / "request.json"
        raw = {
            "copy": str(tmp_path / copy_name(code.digest)),
            "origins": {position: str(file.path) for position, file in code.files.items()},
            "folders": [str(home)],
            "root": str(tmp_path / "data"),
            "weights": str(tmp_path / "weights"),
            "looks": [{key: section for key, section in look.items() if section is not None}],
        }
        request.write_text(json.dumps(raw), encoding="utf-8")
        return request

    return write


@pytest.fixture
def ask(request_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Ask the check process about a task, in this process: `ask(source, keywords={"width": 3})`."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(importing, "_current", importing._Current())

    def answer(source: str, task: Any = USE, keywords: Any = None, **more: Any) -> dict[str, Any]:
        section = task and {**task, **(keywords or {})}
        request = request_of(source, task=section, **more)
        main(request, request.with_name("answer.json"))
        return dict(json.loads(request.with_name("answer.json").read_text()))

    yield answer
    for name in ("my_task", "base"):
        sys.modules.pop(name, None)


def in_its_own_process(request: Path) -> dict[str, Any]:
    """Run the check process as a study does."""
    answer = request.with_name("answer.json")
    command = [sys.executable, "-m", "trainables.tasks.check_process", str(request), str(answer)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return dict(json.loads(answer.read_text()))

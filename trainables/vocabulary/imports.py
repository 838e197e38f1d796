"""Whether packages can be imported, tried in a process of its own.

Versions tell nothing of builds: a torch for CPUs beside a torchvision for CUDA has the right
numbers and ends every run. `python -m trainables.vocabulary.imports NAME ...` imports modules and
prints a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

PATIENCE_S: Final = 120.0
"""How long imports may take together, on a slow disk too."""


def import_faults(modules: Iterable[str]) -> dict[str, str]:
    """Return for each module why it cannot be imported, in one line; "" where it can."""
    faults: dict[str, str] = {}
    left = list(modules)
    while left:
        answers, end = _tried(left)
        faults.update(answers)
        left = [name for name in left if name not in faults]
        if left:  # importing the next one has ended the process
            faults[left.pop(0)] = end
    return faults


def _tried(modules: Sequence[str]) -> tuple[dict[str, str], str]:
    """What a process tells of modules until it ends, and how it has ended."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "trainables.vocabulary.imports", *modules]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    except subprocess.TimeoutExpired as expired:
        text = expired.stdout or b""
        return _answers(text.decode() if isinstance(text, bytes) else text), (
            f"its import has not ended within {PATIENCE_S:.0f} s"
        )
    except OSError as error:
        return {}, f"no process can start to import it ({error.strerror or error})"
    return _answers(ended.stdout), f"its import ended Python with status {ended.returncode}"


def _answers(text: str) -> dict[str, str]:
    """The answers among the lines of a process that imports whatever else may print."""
    answers = {}
    for line in text.splitlines():
        if line.startswith('{"module": '):
            answer = json.loads(line)
            answers[str(answer["module"])] = str(answer["fault"])
    return answers


def _fault(module: str) -> str:
    try:
        import_module(module)
    except Exception as error:  # whatever an import raises is what is to be told
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ""


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps({"module": name, "fault": _fault(name)}), flush=True)

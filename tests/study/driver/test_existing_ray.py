"""A run in a process that has started Ray itself, from a folder whose names clash with ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.files.records import StudyFolder
from trainables.vocabulary.packages import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SCRIPT = """
import sys
import ray
from study import Study
from trainables.vocabulary.refusal import Refusal

TASK = {"dataset": "digits", "model": {"name": "mlp", "hidden": [8]}}
RAW = {"name": "small", "task": TASK, "dense": {"epochs": 1}, "prune": {"sparsity": 0.5},
       "retrain": {"schedule": {"grid": ["ft", "llr"]}, "epochs": 1}}
before = len(sys.argv) > 2
if before:
    ray.init(num_cpus=1, include_dashboard=False)
    try:
        Study.of({**RAW, "resources": {"cpus": 2}}).run(sys.argv[1])
    except Refusal as refusal:
        print(refusal)
assert Study.of(RAW).run(sys.argv[1]).complete
assert ray.is_initialized() is before
if before:
    assert ray.get(ray.remote(lambda: 7).remote()) == 7, "its owner's work goes on"
"""


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, str(folder / "out"), *arguments], cwd=folder,
        capture_output=True, text=True, check=False, timeout=280,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_ray_that_is_up_is_used_within_what_it_offers_and_stays_up(tmp_path: Path) -> None:
    text = run(tmp_path, "up")
    assert "resources.cpus must be <= 1 on this Ray's nodes, got 2" in text
    assert "Ray is up: 1 node, 1 CPUs, 0 GPUs; 1 trials at once" in text
    assert [r.state for r in StudyFolder(str(tmp_path / "out")).records().records] == ["done"] * 2


def test_workers_find_the_project_s_packages_where_the_folder_has_such_names(
    tmp_path: Path,
) -> None:
    for name in ("trainables", "analysis", "study"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('of the user')\n")
    run(tmp_path)
    assert [r.state for r in StudyFolder(str(tmp_path / "out")).records().records] == ["done"] * 2

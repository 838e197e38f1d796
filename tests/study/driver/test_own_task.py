"""A user's task through Ray, with its workers, loader processes and drivers killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.lab
@pytest.mark.timeout(1800)
def test_a_disturbed_study_of_ones_own_ends_in_the_same_bits(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.study.driver.own_task_lab", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["faults"] == []
    assert report["trials"] == 24
    assert all(n > 0 for n in report["kills"].values())

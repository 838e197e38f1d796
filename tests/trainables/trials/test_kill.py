"""SIGKILL at points that write, then a second run: nothing lost, and the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint_s", "stride", "least"), [(60.0, 3, 14), (0.0001, 17, 10)],
    ids=["stages and records", "partial states within an epoch"],
)  # fmt: skip
def test_killed_at_a_write_and_run_again_ends_in_the_same_bits(
    tmp_path: Path, checkpoint_s: float, stride: int, least: int
) -> None:
    told = answer(tmp_path, str(checkpoint_s), str(stride))
    assert told["faults"] == []
    assert told["trials"] == 2
    assert told["kills"] >= least


@pytest.mark.lab
def test_every_method_that_allows_adamw_ends_in_the_same_bits_when_killed_within_an_epoch(
    tmp_path: Path,
) -> None:
    told = answer(tmp_path, "0.0001", "61", "adamw")
    assert told["faults"] == []
    assert told["trials"] == 8
    assert set(told["killed"]) == {
        "imp", "bimp", "gmp", "gmprecover", "dpf", "dnw", "cs", "dst",
    }  # fmt: skip


def answer(folder: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.trainables.trials.kill_lab", str(folder), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))

"""SIGKILL at points that write, then a second run: nothing lost, and the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint_s", "stride", "least"), [(60.0, 3, 14), (0.0001, 17, 10)],
    ids=["stages and records", "partial states within an epoch"],
)  # fmt: skip
def test_killed_at_a_write_and_run_again_ends_in_the_same_bits(
    tmp_path: Path, checkpoint_s: float, stride: int, least: int
) -> None:
    command = [sys.executable, "-m", "tests.trainables.trials.kill_lab"]
    done = subprocess.run(
        [*command, str(tmp_path), str(checkpoint_s), str(stride)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["faults"] == []
    assert told["trials"] == 2
    assert told["kills"] >= least

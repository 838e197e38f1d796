"""Memory that training frees and asks for again stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from trainables.training.heap import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():
    blocks = [torch.ones(2_000_000) for _ in range(3)]  # 8 MB each

if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit("no mallopt")
for _ in range(5):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


def page_faults(how: str) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=False
    )
    if "no mallopt" in ended.stderr:
        pytest.skip("the C library has no mallopt")
    return int(ended.stdout)


@pytest.mark.slow
def test_kept_memory_is_not_made_anew_in_every_step() -> None:
    """24 MB are 5,860 pages of 4 KiB; ten steps that give them back take them ten times."""
    assert page_faults("kept") < 1_000

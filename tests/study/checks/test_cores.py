"""The CPUs that a process may use, of control groups and of Slurm's variables written by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from study.checks.cores import local_cpus

BOUND = len(os.sched_getaffinity(0))


def group(folder: Path, limits: dict[str, str]) -> tuple[Path, Path]:
    """The control groups below a folder with their limits, and the file that names the own one."""
    for name, limit in limits.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "cpu.max").write_text(limit)
    (folder / "own").write_text("12:cpuset:/elsewhere\n0::/slurm/job\n")
    return folder, folder / "own"


def test_without_limits_it_is_what_the_process_is_bound_to(tmp_path: Path) -> None:
    assert local_cpus({}, *group(tmp_path, {"slurm/job": "max 100000\n"})) == BOUND
    assert local_cpus({}, tmp_path, tmp_path / "none") == BOUND


@pytest.mark.parametrize(
    ("limits", "cpus"),
    [
        ({"slurm/job": "100000 100000\n"}, 1),
        ({"slurm/job": "199999 100000\n"}, 1),
        ({"slurm/job": "50000 100000\n"}, 1),
        ({"slurm/job": "max 100000\n", "slurm": "100000 100000\n"}, 1),
        ({"slurm/job": "max 100000\n", ".": "100000 100000\n"}, 1),
        ({"slurm/other": "100000 100000\n"}, BOUND),
        ({"slurm/job": "99900000 100000\n"}, BOUND),
        ({"slurm/job": "unreadable"}, BOUND),
    ],
)
def test_a_quota_of_the_own_group_or_of_one_above_it_counts(
    limits: dict[str, str], cpus: int, tmp_path: Path
) -> None:
    assert local_cpus({}, *group(tmp_path, limits)) == cpus


@pytest.mark.parametrize(
    ("environment", "cpus"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "1"}, 1),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "999"}, BOUND),
        ({"SLURM_JOB_ID": "7"}, BOUND),
        ({"SLURM_CPUS_ON_NODE": "1"}, BOUND),
    ],
)
def test_a_job_of_slurm_has_its_own_number(
    environment: dict[str, str], cpus: int, tmp_path: Path
) -> None:
    assert local_cpus(environment, tmp_path, tmp_path / "none") == cpus

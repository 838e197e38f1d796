"""How many CPUs this process may use: of the machine's, its Slurm job's and its control group's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path


def local_cpus(
    environment: Mapping[str, str] = os.environ,
    groups: Path = Path("/sys/fs/cgroup"),
    own_group: Path = Path("/proc/self/cgroup"),
) -> int:
    """Return the CPUs that this process may use, 1 or more.

    The fewest of those that it is bound to, those that Slurm has given to the job on this node (a
    site may bind nothing), and what the quotas of version 2 control groups allow, as containers
    have them; a quota is rounded down.
    """
    return max(1, min([_bound(), *_of_slurm(environment), *_quotas(groups, own_group)]))


def _bound() -> int:
    """The CPUs that the system would run this process on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _of_slurm(environment: Mapping[str, str]) -> list[int]:
    """The CPUs of a Slurm job on this node; none where this is no job."""
    text = environment.get("SLURM_CPUS_ON_NODE", "")
    return [int(text)] if "SLURM_JOB_ID" in environment and text.isdecimal() else []


def _quotas(groups: Path, own_group: Path) -> Iterator[int]:
    """The whole CPUs that each control group from this process's up to the root may use at once."""
    try:
        lines = own_group.read_text().splitlines()
    except OSError:
        return
    own = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if own is None:
        return
    for group in (groups / own, *(groups / own).parents):
        if not group.is_relative_to(groups):
            return
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota.isdecimal():
            yield int(quota) // int(period)

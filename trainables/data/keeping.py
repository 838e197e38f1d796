"""Where decoded items are kept, and by how many processes items are made: neither changes a bit.

Data that are tensors in memory already stay as they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainables.data.decoded import Kept, Packed, Separated, decoded_in_order, separated
from trainables.data.in_memory import InMemory
from trainables.data.parts import Items, Part, Splits

MOST_PROCESSES = 4
SAMPLED = 8
"""Items of each part that are decoded to tell what all of them would take."""

SHARE = 0.5
"""Of the memory that is free for a trial, what its decoded items may take."""


@dataclass(frozen=True)
class Keeping:
    """What a study says of it. `memory`: whether decoded items are kept; under `auto` where they
    fit. `processes`: those that make items beside the training; None leaves it to the data: none
    where items are kept, else one for each core of the trial, at most four. `cpus` of the trial.
    """

    memory: Literal["auto", "on", "off"] = "auto"
    processes: int | None = None
    cpus: int = 1

    def placed(self, splits: Splits) -> tuple[Splits, int]:
        """Return the parts, decoded items kept where they are to be, and how many processes."""
        keeps = self.memory == "on" or (self.memory == "auto" and self._fits(splits))
        placed = splits.map(self._kept) if keeps else splits
        return placed, self._processes(placed)

    def _kept(self, items: Items) -> Items:
        two_steps = separated(items)
        if two_steps is None:
            return items
        return two_steps.kept(decoded_in_order(two_steps, self._beside))

    @property
    def _beside(self) -> int:
        """Processes for items that are not in memory."""
        return min(MOST_PROCESSES, self.cpus) if self.processes is None else self.processes

    def _processes(self, splits: Splits) -> int:
        if self.processes is None and all(map(_is_in_memory, splits.in_order.values())):
            return 0
        return self._beside

    def _fits(self, splits: Splits) -> bool:
        parts = [two for part in splits.in_order.values() if (two := separated(part)) is not None]
        return sum(map(_bytes_of, parts)) <= SHARE * free_bytes() * self.cpus / _cores()


def undecoded(splits: Splits) -> tuple[str, ...]:
    """Return the parts that cannot be kept: no tensors in memory, and made in one step."""
    return tuple(
        name
        for name, part in splits.in_order.items()
        if not _is_in_memory(part) and separated(part) is None
    )


def _is_in_memory(items: Items) -> bool:
    inner = items.items if isinstance(items, Part) else items
    return isinstance(inner, InMemory | Kept)


def _bytes_of(part: Separated) -> float:
    """What the items of a part take decoded, judged by a few of them."""
    n = len(part)
    places = sorted({n * step // SAMPLED for step in range(SAMPLED)}) if n else []
    sample = Packed.of(part.decode(place) for place in places)
    return n * sample.n_bytes / max(len(sample), 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(root: Path = Path("/")) -> int:
    """Return the memory that can be had: of the machine, or of the container around it.

    Read from /proc and /sys below `root`; where neither is there, all of the machine's.
    """
    known = [n for n in (_machine(root), _container(root)) if n is not None]
    return min(known, default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _machine(root: Path) -> int | None:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        amount = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(amount.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _container(root: Path) -> int | None:
    """The limit of the control group, less what is in use; None without a limit."""
    group = root / "sys/fs/cgroup"
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
    return max(limit - used, 0)

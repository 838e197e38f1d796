"""How many examples each class has in each part, and that in words; knows no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainables.data.raw import RawParts

MOST_LISTED = 12
"""Classes that are listed one by one; of more, the rarest and the most frequent are named."""


@dataclass(frozen=True)
class Balance:
    """Examples of each class by part, in the order of `classes`.

    `left_out` gives by name the reason for each broken file that stays out.
    """

    classes: tuple[str, ...]
    counts: Mapping[str, Sequence[int]]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def in_words(self) -> list[tuple[str, str]]:
        """Return a line for each part, and one for files that stay out: (what, in words)."""
        lines = [(f"{part} examples", self._part(counts)) for part, counts in self.counts.items()]
        if self.left_out:
            n, first = len(self.left_out), min(self.left_out)
            files = "file" if n == 1 else "files"
            lines.append(("left out", f"{n} broken {files}: {first} ({self.left_out[first]})"
                          + (" and others" if n > 1 else "")))  # fmt: skip
        return lines

    def _part(self, counts: Sequence[int]) -> str:
        total, named = f"{sum(counts):,}", list(zip(self.classes, counts, strict=True))
        if len(set(counts)) == 1:
            each = f", {counts[0]:,} of each of {len(counts)} classes"
            return total + (each if len(counts) > 1 else " of one class")
        if len(counts) <= MOST_LISTED:
            return f"{total}: " + ", ".join(f"{name} {n:,}" for name, n in named)
        least, most = min(named, key=_count), max(named, key=_count)
        return (
            f"{total} of {len(counts)} classes, from {least[1]:,} ({least[0]}) to"
            f" {most[1]:,} ({most[0]})"
        )


def _count(named: tuple[str, int]) -> int:
    return named[1]


def of_labels(labels: Mapping[str, NDArray[np.int64]]) -> Balance:
    """Return the balance of parts whose labels are numbers from 0."""
    n = max((int(part.max()) + 1 for part in labels.values() if len(part)), default=0)
    counts = {name: np.bincount(part, minlength=n).tolist() for name, part in labels.items()}
    return Balance(tuple(map(str, range(n))), counts)


def of_arrays(parts: RawParts, n_classes: int) -> Balance:
    """Return the balance of images whose classes are numbers from 0."""
    counts = {
        part: [int((raw.labels == label).sum()) for label in range(n_classes)]
        for part, raw in parts._asdict().items()
    }
    return Balance(tuple(map(str, range(n_classes))), counts)

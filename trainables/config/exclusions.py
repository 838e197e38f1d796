"""Which prunable weights a study keeps dense: `prune.exclude` over names, types and positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase


def excluded(kinds: Mapping[str, str], patterns: Sequence[str], order: Sequence[str]) -> list[str]:
    """Return the names that patterns keep dense, in the order of the patterns.

    Args:
        kinds: by name of each prunable weight the type of the module that holds it.
        patterns: `first` or `last` in `order`; a pattern over names of weights or of their layers
            (`head.*`, `blocks.0`); or one over types (`Embedding`, `Conv*d`).
        order: the names as a forward meets them.

    Raises:
        ValueError: a pattern that fits no prunable weight, with those that there are; or patterns
            that leave none.
    """
    chosen: list[str] = []
    for pattern in patterns:
        names = _first_or_last(pattern, order) or [n for n in kinds if _fits(n, kinds[n], pattern)]
        if not names:
            known = ", ".join(kinds) or "none"
            raise ValueError(f"must fit a prunable weight ({known}), got {pattern!r}")
        chosen += [name for name in names if name not in chosen]
    if patterns and len(chosen) == len(kinds):
        raise ValueError(f"must leave a weight to prune, got all of {', '.join(kinds)}")
    return chosen


def left_trained(
    kinds: Mapping[str, str], order: Sequence[str], freeze: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Return kinds and order without what patterns of `dense.freeze` fit: it is never pruned."""
    trained = {n: kind for n, kind in kinds.items() if not any(_fits(n, kind, p) for p in freeze)}
    return trained, [name for name in order if name in trained]


def _first_or_last(pattern: str, order: Sequence[str]) -> list[str]:
    if pattern == "first":
        return list(order[:1])
    return list(order[-1:]) if pattern == "last" else []


def _fits(name: str, kind: str, pattern: str) -> bool:
    layer = name.rpartition(".")[0]
    return any(fnmatchcase(text, pattern) for text in (name, layer, kind))

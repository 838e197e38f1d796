"""Words that messages, tables and pages have in common."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Return `1 trial` or `3 trials`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"

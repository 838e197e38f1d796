"""Words that messages, tables and pages have in common."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """Return `1 trial` or `3 trials`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def part_counted(n: int, whole: int, noun: str) -> str:
    """Return `1 of 3 trials`, or `the only trial` where there is no other."""
    return f"the only {noun}" if n == whole == 1 else f"{n} of {counted(whole, noun)}"


def in_one_line(text: object) -> str:
    """Return a text of several lines as one, its words a space apart."""
    return " ".join(str(text).split())


def duration(seconds: float | None) -> str:
    """Return a length of time in words: `12 s`, `3 min 5 s`, `2 h 7 min`."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"

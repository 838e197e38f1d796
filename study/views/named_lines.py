"""Lines for a terminal: a name and what there is to say of it, no wider than it is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from textwrap import wrap
from typing import Final

NARROWEST: Final = 30
"""What is said is not wrapped to fewer characters than this."""


def named_lines(pairs: Sequence[tuple[str, str]], width: int | None = None) -> str:
    """Return a line per pair, the second ones below each other, wrapped there beyond `width`."""
    indent = max((len(name) for name, _ in pairs), default=0) + 2
    lines = []
    for name, value in pairs:
        room = max(width - indent, NARROWEST) if width is not None else len(value) or 1
        parts = wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
        if width is None:
            parts = [value]
        lines += [f"{name:<{indent}}{parts[0]}", *(" " * indent + part for part in parts[1:])]
    return "\n".join(lines)


def wrapped(sentence: str, width: int | None) -> str:
    """Return a sentence on lines of at most `width` characters, on one where that is None."""
    if width is None:
        return sentence
    lines = wrap(sentence, max(width, NARROWEST), break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def terminal_width(output: str | None = None) -> int | None:
    """Return the terminal's width, where the content goes to one and not to a file or a pipe."""
    if output is not None or not sys.stdout.isatty():
        return None
    return get_terminal_size().columns

"""What the C library does with memory that training gives back.

On a CPU every step frees its activations and asks for as much again. glibc hands such memory to the
system and has it made anew, page by page: a third of the step's time for a small convolutional
network, and by chance more or less from one build of a program to the next. Told to keep it, it
does neither. No result depends on it.
"""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's numbers, from malloc.h
_KEPT_BYTES = 1 << 30
_LARGEST_IN_HEAP = 32 << 20
"""The largest block that glibc lets the heap hold; larger ones are always mapped."""


@cache
def keep_freed_memory() -> bool:
    """Let this process keep up to 1 GiB that it frees; whether the C library knows how.

    Once per process. Does nothing where there is no `mallopt` (macOS, musl).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    trims = mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    maps = mallopt(_MMAP_THRESHOLD, _LARGEST_IN_HEAP)
    return bool(trims and maps)

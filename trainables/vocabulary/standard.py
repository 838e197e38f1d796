"""Standard input, output and error of this process where they are closed, full or nobody reads."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final

_FAULTS: Final = {
    errno.ENOSPC: "a full device",
    errno.EDQUOT: "a full device",
    errno.EBADF: "a closed one",
    errno.EIO: "a terminal that is gone",
    errno.EPIPE: "a pipe that nobody reads",
}


def open_closed() -> None:
    """Open what was closed before the start, lest a file that is opened later take its number.

    What Ray or torch print would go into that file. Output that was closed refuses what is written.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            _open_null(number, os.O_RDONLY if number == 1 else os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)


def refuses(error: OSError) -> str | None:
    """Return in words why standard output takes nothing; None for an error of something else."""
    return _FAULTS.get(error.errno or 0) if error.filename is None else None


def silence() -> None:
    """Have what is written to standard output go nowhere; else Python complains at its end."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    _open_null(1, os.O_WRONLY)


def _open_null(number: int, flags: int) -> None:
    with suppress(OSError):
        opened = os.open(os.devnull, flags)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)

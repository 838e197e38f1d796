"""How large a file of a study folder may be, by what its name ends in, and reading up to there.

Text takes some 25 times its bytes once it is data, and a file can be far longer than its disk.
Files of weights have no bound: who reads them has asked for them.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

MOST_BYTES: Final = {".json": 8 * 2**20, ".yaml": 2**20, ".parquet": 2**30}
"""A record has some 20 KB; the table of 20,000 records takes 50 MB."""

_LONG: Final = 64 * 2**20
"""Shorter files are read without a look at whether they hold anything."""

_STRIDE: Final = 4 * 2**20
_SAMPLE: Final = 64 * 2**10


def most_bytes(name: str) -> int | None:
    """Return how many bytes a file of that name may have; None without a bound."""
    return MOST_BYTES.get(os.path.splitext(name)[1])


def too_long(name: str, most: int) -> OSError:
    """Return the fault of a file that is longer than its bound."""
    return OSError(errno.EFBIG, f"must have at most {most / 2**20:g} MiB, got more", name)


def read_bounded(path: Path) -> bytes:
    """Return the bytes of a regular file, of at most as many as its name allows.

    Raises OSError for what has no end to be read to (a device, a pipe, a socket, also behind a
    link), for a file that is longer, and for one of holes.
    """
    # A pipe that nobody writes to would otherwise wait here for ever.
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _no_regular_file(path)
        most = most_bytes(path.name)
        if most is None:
            return file.read()
        if status.st_size > most:
            raise too_long(str(path), most)
        if status.st_size > _LONG and _is_hollow(file.fileno(), status.st_size):
            raise OSError(errno.EINVAL, "holds next to nothing but zeros", str(path))
        data = file.read(most + 1)  # it may grow meanwhile
    if len(data) > most:
        raise too_long(str(path), most)
    return data


def _without_waiting(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a device that is not there
            raise _no_regular_file(Path(path)) from error
        raise


def _no_regular_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "no regular file", str(path))


def _is_hollow(descriptor: int, size: int) -> bool:
    """Whether most of a file are zeros, as holes are read; compressed columns have none."""
    samples = [os.pread(descriptor, _SAMPLE, at) for at in range(0, size, _STRIDE)]
    return 2 * sum(not any(sample) for sample in samples) > len(samples)

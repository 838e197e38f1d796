"""Home folders at the beginning of a path, also where nobody knows them.

A container may run as a user of no name and without HOME.
"""

from __future__ import annotations

import os.path
from pathlib import Path


def expanded(path: Path | str) -> Path:
    """Return a path with `~` or `~user` written out, and as it is where that home is unknown."""
    return Path(os.path.expanduser(path))


def is_unknown(path: Path | str) -> bool:
    """Whether a path begins with the home folder of somebody who is not known here."""
    return str(expanded(path)).startswith("~")

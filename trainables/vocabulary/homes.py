"""How a path begins: with a home folder, also one that nobody knows, or with `file://`.

A container may run as a user of no name and without HOME.
"""

from __future__ import annotations

import os.path
from pathlib import Path
from typing import Final

_FILE: Final = "file://"


class LocationError(ValueError):
    """A location that is no path and no URI of a store; the text says which and why."""


def without_scheme(location: str) -> str:
    """Return a path without `file://`; LocationError where a host or a relative path follows it.

    `file://results/a` is the folder /a of the host `results`, and not results/a.
    """
    path = location.removeprefix(_FILE)
    if path != location and not path.startswith(("/", "~")):
        rule = "file:// must be followed by a path from the root"
        raise LocationError(f"{rule}, got {location!r}")
    return path


def expanded(path: Path | str) -> Path:
    """Return a path with `~` or `~user` written out, and as it is where that home is unknown."""
    return Path(os.path.expanduser(path))


def is_unknown(path: Path | str) -> bool:
    """Whether a path begins with the home folder of somebody who is not known here."""
    return str(expanded(path)).startswith("~")

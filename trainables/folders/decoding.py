"""Which files of a folder cannot be decoded: found out by decoding each once, and kept beside them.

A decoder may fail in the middle of a file whose header and last bytes are as they should be, and
only decoding shows that. What was found is kept in a hidden file of the folder, where one may
write: so it is asked again of the folders alone in which a file has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from trainables.folders.image_files import silent

KEPT: Final = ".bimp-decoded.json"
"""By folder below: what its files were, and what is wrong with which. torchvision, which would take
a hidden folder for a class, passes a file over."""

KEEP_EVERY_S: Final = 30.0
_DIGITS: Final = 16

Names = tuple[str, ...]
"""Names of files that are used together."""


def decoding_faults(
    root: Path, files: Iterable[Names], look: Callable[[Names], str | None], what: str
) -> dict[str, str]:
    """Return the reason by first name for all files below `root` that `look` finds at fault.

    `look` must be a function of what is in the files; `what` says of it what else may change its
    answers, and Pillow's version is added to that.
    """
    groups: dict[str, list[Names]] = {}
    for names in files:
        groups.setdefault(os.path.dirname(names[0]), []).append(names)
    what = f"{what}, Pillow {version('pillow')}"
    states = {folder: _state(root, members, what) for folder, members in groups.items()}
    known = _read(root)
    left = [f for f, state in states.items() if known.get(f, {}).get("state") != state]
    fresh: dict[str, Any] = {}
    kept_at = time.monotonic()
    with silent(), ThreadPoolExecutor() as pool:
        for folder in left:
            reasons = zip(groups[folder], pool.map(look, groups[folder]), strict=True)
            faults = {names[0]: reason for names, reason in reasons if reason is not None}
            fresh[folder] = {"state": states[folder], "faults": faults}
            if time.monotonic() - kept_at > KEEP_EVERY_S:
                _keep(root, fresh)
                kept_at = time.monotonic()
    if fresh:
        _keep(root, fresh)
    return {n: r for f in groups for n, r in {**known, **fresh}[f]["faults"].items()}


def _state(root: Path, members: Iterable[Names], what: str) -> str:
    """Equal for equal names, sizes and times of change, and the same look."""
    digest = hashlib.sha256(what.encode())
    for name in (name for names in members for name in names):
        try:
            status = os.stat(root / name)
            line = f"{name}\0{status.st_size} {status.st_mtime_ns}\n"
        except OSError:
            line = f"{name}\0\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:_DIGITS]


def _read(root: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((root / KEPT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # it is found out again
        return {}


def _keep(root: Path, fresh: Mapping[str, Any]) -> None:
    """Add what was found to what others may have kept meanwhile."""
    scratch = root / f"{KEPT}.{uuid.uuid4().hex}"
    with suppress(OSError):  # a folder that is only to be read: every process finds it out
        try:
            scratch.write_text(json.dumps({**_read(root), **fresh}), encoding="utf-8")
            scratch.replace(root / KEPT)
        finally:
            scratch.unlink(missing_ok=True)

"""Which files of a folder cannot be decoded: found out by decoding each once, and kept beside them.

A decoder may fail in the middle of a file whose header and last bytes are as they should be, and
only decoding shows that. What was found is kept in a hidden file of the folder, or in this user's
cache where one may not write there: so it is asked again of the folders alone in which a file has
changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
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
from trainables.vocabulary.homes import expanded

KEPT: Final = ".bimp-decoded.json"
"""By folder below: what its files were, and what is wrong with which. torchvision, which would take
a hidden folder for a class, passes a file over."""

KEEP_EVERY_S: Final = 30.0
CACHE: Final = Path("~/.cache/bimp-study/decoded")

_LOG: Final = logging.getLogger(__name__)
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
    done, n = 0, sum(len(groups[folder]) for folder in left)
    with silent(), ThreadPoolExecutor() as pool:
        for folder in left:
            reasons = zip(groups[folder], pool.map(look, groups[folder]), strict=True)
            faults = {names[0]: reason for names, reason in reasons if reason is not None}
            fresh[folder] = {"state": states[folder], "faults": faults}
            done += len(groups[folder])
            if time.monotonic() - kept_at > KEEP_EVERY_S:
                _LOG.warning("%s: %d of %d files decoded, which is done once", root, done, n)
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


def _places(root: Path) -> tuple[Path, Path]:
    """Where it is kept: beside the files, else in the user's cache."""
    digest = hashlib.sha256(str(root.absolute()).encode("utf-8", "surrogateescape")).hexdigest()
    return root / KEPT, expanded(CACHE) / f"{digest[:_DIGITS]}.json"


def _read(root: Path) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for place in sorted(_places(root), key=_changed_at):  # what was kept last counts
        with suppress(OSError, ValueError, TypeError):  # it is found out again
            known |= json.loads(place.read_text(encoding="utf-8"))
    return known


def _changed_at(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0


def _keep(root: Path, fresh: Mapping[str, Any]) -> None:
    """Add what was found to what others may have kept meanwhile."""
    text = json.dumps({**_read(root), **fresh})
    beside, cached = _places(root)
    if _written(beside, text):
        return
    with suppress(OSError):  # without a home that can be written every process finds it out
        cached.parent.mkdir(parents=True, exist_ok=True)
        _written(cached, text)


def _written(place: Path, text: str) -> bool:
    scratch = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(place)
    except OSError:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        return False
    return True

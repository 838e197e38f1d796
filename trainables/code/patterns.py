"""Files beside the user's code that it reads: patterns below the study file's folder."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from trainables.vocabulary.refusal import Refusal, shown


def matching_files(
    patterns: Sequence[str], folder: Path, key: str = "task.files", leaving_out: Sequence[Path] = ()
) -> list[Path]:
    """Return the files below `folder` that the patterns match, sorted, each once.

    `**` stands for any number of folders, wildcards match no hidden files, and links are followed;
    bytecode is left out, and so is what `leaving_out` names: files, or folders with all below them
    (where a study writes, say). Refusal for a pattern that leads out of the folder or matches
    nothing.
    """
    root = folder.absolute()
    outside = [path.absolute() for path in leaving_out]
    paths: set[Path] = set()
    for index, pattern in enumerate(patterns):
        at = f"{key}.{index}"
        _refuse_leaving(pattern, at)
        matches = {root / name for name in _names(pattern, root)}
        matches = {path for path in matches if not any(map(path.is_relative_to, outside))}
        if not matches:
            raise Refusal(
                f"{at} must match a file in {folder}, got {shown(pattern)}{_hint(pattern, root)}"
            )
        paths |= matches
    return sorted(paths)


def _refuse_leaving(pattern: object, at: str) -> None:
    if not isinstance(pattern, str) or not pattern.strip():
        raise Refusal(f"{at} must be a pattern, got {shown(pattern)}")
    if pattern.startswith(("/", "~")) or ".." in PurePosixPath(pattern).parts:
        raise Refusal(f"{at} must stay in the study file's folder, got {pattern!r}")


def _names(pattern: str, root: Path) -> Iterator[str]:
    """Relative names of regular files, without bytecode and without rounds through links."""
    plain = str(PurePosixPath(pattern))  # no `./` in front, no `//` within
    for name in glob.iglob(plain, root_dir=root, recursive=True):
        parts = PurePosixPath(name).parts
        is_bytecode = "__pycache__" in parts or name.endswith((".pyc", ".pyo"))
        if not is_bytecode and (root / name).is_file() and not _goes_round(root, parts):
            yield name


def _goes_round(root: Path, parts: Sequence[str]) -> bool:
    """Whether a path leads through one folder twice, by a link to a folder above it."""
    folders = [os.path.realpath(root.joinpath(*parts[:n])) for n in range(len(parts))]
    return len(set(folders)) < len(folders)


def _hint(pattern: str, root: Path) -> str:
    plain = pattern.rstrip("/")
    return f"; {plain}/** takes the files of that folder" if (root / plain).is_dir() else ""

"""The text of a study: a file, a pipe that holds one, or a preset by its name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from trainables.files.plain_yaml import MOST_CHARACTERS
from trainables.vocabulary.homes import LocationError, expanded, without_scheme
from trainables.vocabulary.refusal import Refusal, hint, shown

_PRESETS = Path(__file__).parents[1] / "presets"

_MOST_BYTES = 4 * MOST_CHARACTERS + 1
"""More than any text that is read takes: a device may have no end."""

_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def presets() -> list[str]:
    """Return the names of the studies that come with the project."""
    return sorted(path.stem for path in _PRESETS.glob("*.yaml"))


def file_of(study: str) -> Path:
    """Return the path that a study would have if it is a file, `~` written out.

    Refusal where `file://` stands before what is no path.
    """
    try:
        return expanded(without_scheme(study))
    except LocationError as error:
        raise Refusal(f"STUDY: {error}") from None


def study_text(study: str) -> str:
    """Return the text of a study by its path or preset's name; Refusal where there is none.

    A file stands before a preset of the same name, a folder behind it.
    """
    path = file_of(study)
    try:
        if study and not path.is_dir():
            return _beginning(path).decode()
    except UnicodeDecodeError as error:
        raise Refusal(f"STUDY must be readable UTF-8 text, got {study} ({error})") from None
    except OSError as error:
        if error.errno not in _ABSENT or _is_link(path):
            reason = error.strerror or str(error)
            given = shown(study) if error.errno == errno.ENAMETOOLONG else repr(study)
            raise Refusal(f"STUDY must be a file to read, got {given} ({reason})") from None
    if study in presets():
        return (_PRESETS / f"{study}.yaml").read_text(encoding="utf-8")
    raise _absent(study, path)


def _beginning(path: Path) -> bytes:
    """A file as far as it may be read; nothing of a pipe that nobody writes into."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        os.set_blocking(file.fileno(), True)
        return file.read(_MOST_BYTES)


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        return False


def _absent(study: str, path: Path) -> Refusal:
    if study and path.is_dir():
        inside = path / "study.yaml"
        near = f"; did you mean {inside}?" if inside.is_file() else ""
        return Refusal(f"STUDY must be a YAML file or a preset, got {study} (a folder){near}")
    if path.suffix in (".yaml", ".yml") or os.sep in study:
        return Refusal(f"STUDY must be a file that is there, got {study} (no such file)")
    known = presets()
    near = hint(study.strip().lower(), known)
    return Refusal(
        f"STUDY must be a YAML file or a preset ({', '.join(known)}), got {study!r}{near}"
    )

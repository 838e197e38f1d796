"""Importing what a reference names, and the user's line in whatever goes wrong in their code."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from trainables.code.closure import not_found
from trainables.code.import_path import ImportPath, shown_path
from trainables.code.reference import Reference
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import in_one_line

Origin = Callable[[Path], Path]
"""Returns the file to name to the user for one that ran: their own for one of a copy."""

_LONGEST: Final = 300


@dataclass(frozen=True)
class Line:
    """A line of a file, counted from 1; None where the file alone is known."""

    path: Path
    number: int | None

    def __str__(self) -> str:
        place = shown_path(self.path)
        return f"{place}, line {self.number}" if self.number else place


def load(reference: Reference, path: ImportPath, origin: Origin = lambda path: path) -> Any:
    """Import the module and return the attribute that a reference names.

    Refusal, in one sentence with the user's file and line, when there is no such module, when
    importing it fails (also by `sys.exit`), and when it has no such attribute.
    """
    module = _imported(reference, path, origin)
    target: Any = module
    for name in reference.attribute.split("."):
        try:
            target = getattr(target, name)
        except AttributeError:
            raise _no_attribute(reference, module, target, name, origin) from None
        except Exception as error:  # a module may work its attributes out
            raise _not_importable(reference, error, path, origin) from error
    return target


def fault(error: BaseException, path: ImportPath, origin: Origin = lambda path: path) -> str:
    """Return a fault in the user's code in words: type, message, and their innermost line.

    `ValueError: width must be even (my_task.py, line 12)`. Of a file that is not in the copy of
    the code, but beside the original, it says how it gets there.
    """
    text = in_one_line(error.msg if isinstance(error, SyntaxError) else error)
    kind = type(error).__name__
    words = f"{kind}: {text}" if text else kind
    words = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."
    line = user_line(error, path, origin)
    return f"{words} ({line}){_unlisted(error, path, origin)}" if line else words


def _unlisted(error: BaseException, path: ImportPath, origin: Origin) -> str:
    """What to do about a file that was not found, where it lies beside the user's own code."""
    frame = _innermost(error, path)
    if frame is None or not isinstance(error, FileNotFoundError) or error.filename is None:
        return ""
    ran, sought = Path(frame.filename), Path(os.fsdecode(error.filename))
    if sought.is_absolute() and not sought.is_relative_to(ran.parent):
        return ""
    name = sought.relative_to(ran.parent) if sought.is_absolute() else sought
    if not (origin(ran).parent / name).is_file():
        return ""
    return (
        f"; {name} lies beside it: name it in task.files, and open it from Path(__file__).parent,"
        " since what runs is a copy"
    )


def user_line(
    error: BaseException, path: ImportPath, origin: Origin = lambda path: path
) -> Line | None:
    """Return the innermost line of the user's own code that an error came through, or None."""
    if isinstance(error, SyntaxError) and error.filename:
        return Line(origin(Path(error.filename)), error.lineno)
    frame = _innermost(error, path)
    return Line(origin(Path(frame.filename)), frame.lineno) if frame else None


def _innermost(error: BaseException, path: ImportPath) -> traceback.FrameSummary | None:
    """The innermost frame of the user's own code."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_absolute() and path.is_local(file):
            return frame
    return None


def _imported(reference: Reference, path: ImportPath, origin: Origin) -> ModuleType:
    try:
        return import_module(reference.module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and _is_itself(error.name, reference.module):
            raise not_found(reference, path) from error
        raise _not_importable(reference, error, path, origin) from error


def _not_importable(
    reference: Reference, error: BaseException, path: ImportPath, origin: Origin
) -> Refusal:
    return Refusal(
        f"{reference.key} must be importable, got {str(reference)!r}: {fault(error, path, origin)}"
    )


def _is_itself(missing: str | None, module: str) -> bool:
    """Whether the missing module is the one asked for, or a package around it."""
    return missing is not None and f"{module}.".startswith(f"{missing}.")


def _no_attribute(
    reference: Reference, module: ModuleType, holder: object, name: str, origin: Origin
) -> Refusal:
    names = [n for n in dir(holder) if not n.startswith("_")]
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else _defined(module, holder)
    file = getattr(module, "__file__", None)
    place = shown_path(origin(Path(file))) if file else reference.module
    return Refusal(
        f"{reference.key} must name what its module defines, got {str(reference)!r}:"
        f" {place} has no {name}{hint}"
    )


def _defined(module: ModuleType, holder: object) -> str:
    """The classes and functions that the module defines itself, the first eight of them."""
    names = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    ]
    if holder is not module or not names:
        return ""
    return f"; it defines {', '.join(names[:8])}{' and others' if len(names) > 8 else ''}"

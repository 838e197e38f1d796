"""Refusals of a user's task: one sentence each, with the file and line that is at fault."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from trainables.tasks.built_in import CatalogTask
from trainables.tasks.task import Task
from trainables.vocabulary.refusal import Refusal

Place = tuple[Path, int]
"""A file, and a line of it counted from 1."""


class UserCode(Protocol):
    """Knows which files are the user's, and puts faults of theirs into words."""

    def line(self, place: Place) -> str | None:
        """The user's own file and a line of it; None for a file that is not theirs."""
        ...

    def words(self, error: BaseException, otherwise: str | None = None) -> str:
        """Type, message and innermost line of theirs; `otherwise` stands in for a missing line."""
        ...


@dataclass(frozen=True)
class Sentences:
    """Words for what is wrong with one task."""

    code: UserCode
    task: Task

    def key(self, method: str) -> str:
        """Return where the study file names the code behind a method."""
        return next(iter(_functions(self.task, method)))

    def refusal(self, method: str, rule: str, got: object) -> Refusal:
        """Return the refusal of what a method of the task gave."""
        return Refusal(f"{self.key(method)}: {method} must {rule}, got {got}{self.at(method)}")

    @contextmanager
    def naming(self, method: str, rule: str, what: str = "") -> Iterator[None]:
        """Within this context a fault of the user's code becomes one sentence."""
        try:
            yield
        except Refusal:
            raise
        except (Exception, SystemExit) as error:
            subject = f"{self.key(method)}: {what or method}"
            words = self.code.words(error, self._line(method))
            raise Refusal(f"{subject} must {rule}, got {words}") from error

    def at(self, method: str) -> str:
        """Return the place of a method as the end of a sentence."""
        line = self._line(method)
        return f" ({line})" if line else ""

    def _line(self, method: str) -> str | None:
        """The line of the user's method, or of their class where they have not written it."""
        lines = (self.code.line(place) for place in _places(self.task, method))
        return next((line for line in lines if line), None)


def definition(target: Any) -> Place | None:
    """Return where a class or function is defined; None where it has no source."""
    try:
        path, (_, first) = inspect.getsourcefile(target), inspect.getsourcelines(target)
    except (TypeError, OSError):
        return None
    return (Path(path), first) if path else None


def _places(task: Task, method: str) -> list[Place]:
    """Where the user may have written a method, the likeliest place first."""
    functions = [*_functions(task, method).values(), type(task)]
    return [place for place in map(definition, functions) if place]


def _functions(task: Task, method: str) -> Mapping[str, Any]:
    """What the user has written of a method, by key of the study file."""
    if isinstance(task, CatalogTask):
        return task.own_functions(method)
    return {"task.use": _written(task, method)}


def _written(task: Task, method: str) -> Any:
    """The function behind a method of a class, whatever it is wrapped in."""
    held = inspect.getattr_static(type(task), method, None)
    if isinstance(held, property):
        return held.fget
    if isinstance(held, cached_property):
        return held.func
    return held.__func__ if isinstance(held, classmethod | staticmethod) else held

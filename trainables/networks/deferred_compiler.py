"""torch's compiler, imported only where something is compiled.

An optimiser's first step imports `torch._dynamo`, to be told that nothing is compiled: a third of
what a worker imports, sympy included, and half of what a look at a user's task takes. A stand-in
says the same. Whatever else is asked of it has the real module imported and put in its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"
_MARK = "__dynamo_disable"
"""Where torch keeps, on a function, what its first call was told."""


def defer_compiler() -> None:
    """Let the compiler wait until it is used; nothing happens where it has been imported."""
    if NAME not in sys.modules:
        sys.modules[NAME] = _StandIn(NAME)


class _StandIn(ModuleType):
    """What optimisers ask of `torch._dynamo` when nothing is compiled."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._told: list[Callable[..., Any]] = []

    def graph_break(self, *_: Any, **__: Any) -> None:
        """Nothing is compiled, so nothing is broken off."""

    def disable(self, function: Callable[..., Any], *_: Any, **__: Any) -> Callable[..., Any]:
        """Return the function, which is not compiled anyway."""
        self._told.append(function)
        return function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        return getattr(self._real(), name)

    def _real(self) -> ModuleType:
        """Import the compiler, and forget what was said in its place."""
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
        for function in self._told:
            function.__dict__.pop(_MARK, None)
        self._told.clear()
        return import_module(NAME)

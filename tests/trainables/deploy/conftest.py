"""The process as it was: what a test imported from a copy of code is forgotten after it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from trainables.code import importing


@pytest.fixture(autouse=True)
def own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave `sys.path` and the modules of users' code as they were."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(importing, "_current", importing._Current())
    yield
    sys.modules.pop("my_task", None)

"""What tests of exports share: imports of their own, and the card beside a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainables.code import importing


@pytest.fixture(autouse=True)
def own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no user's code imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(importing, "_current", importing._Current())
    yield
    sys.modules.pop("my_task", None)


def card_of(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.with_name(f"{file.name}.card.json").read_text()))

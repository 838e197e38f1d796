"""Files inside scikit-learn, found without importing it, which takes every worker seconds."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def shipped(*parts: str) -> Path | None:
    """Return a file below scikit-learn's `datasets`; None where this version has it elsewhere."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent.joinpath("datasets", *parts)
    return path if path.is_file() else None

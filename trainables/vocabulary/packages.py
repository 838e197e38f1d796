"""Whether `study`, `trainables` and `analysis` are this project's: their names are common ones.

A user's folder or file of the same name that stands earlier on Python's path would be imported
instead, and fail in ways that tell nothing. Standard library alone, and nothing of the project when
it is imported: what stands beside it may be the wrong one.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

NAMES = ("study", "trainables", "analysis")
ROOT = Path(__file__).resolve().parents[2]


def fault() -> str | None:
    """Return in a sentence which name is not this project's package; None when all are."""
    for name in NAMES:
        place = _place(name)
        if place is None or place.resolve() != ROOT / name:
            return (
                f"the package {name} must be bimp-study's in {ROOT}, got {place or 'none'};"
                " rename that, or take its folder off Python's path (PYTHONPATH, the script's own)"
            )
    return None


def _place(name: str) -> Path | None:
    """The folder or file that Python imports under a name."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin or name)


def main() -> None:
    """Run the command `bimp`: of the three names this one is the least likely to be taken."""
    if (sentence := fault()) is not None:
        print(f"bimp: {sentence}", file=sys.stderr)
        sys.exit(2)
    import_module("study.cli").main()

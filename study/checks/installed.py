"""Whether what a verb needs is installed: reading takes neither torch nor Ray, running does."""

from __future__ import annotations

from importlib.util import find_spec

from study.definition.studyfile import StudyFile
from trainables.vocabulary.refusal import Refusal

EXTRA = "bimp-study[run]"


def require_quantiser(study: StudyFile) -> None:
    """Refuse a study whose trials round their weights where what rounds them is not installed."""
    if study.quantises and find_spec("torchao") is None:
        install = "pip install 'bimp-study[int8]'"
        raise Refusal(f"quantise.weights needs torchao, which is not installed: {install}")


def require(verb: str, *packages: str) -> None:
    """Refuse a verb whose packages are not installed, naming them and the extra that brings them.

    Looks for the packages without importing them.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        rule = f"must have {' and '.join(missing)} installed (pip install '{EXTRA}')"
        raise Refusal(f"bimp {verb} {rule}, got a Python without")

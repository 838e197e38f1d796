"""Whether what a verb needs is installed: reading takes neither torch nor Ray, running does."""

from __future__ import annotations

from importlib.util import find_spec

from study.definition.studyfile import StudyFile
from trainables.vocabulary.refusal import Refusal

PACKAGES = ("PIL", "ray", "safetensors", "torch", "torchvision")
"""What only running a study imports, by the name that it is imported by."""
INSTALL = "pip install 'bimp-study[run]'"


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
        rule = f"must have {' and '.join(missing)} installed ({INSTALL})"
        raise Refusal(f"bimp {verb} {rule}, got a Python without")


def without_extra(error: ModuleNotFoundError) -> Refusal | None:
    """Return the refusal that names the extra where a package of a run was found missing on the
    way; None for any other module."""
    package = (error.name or "").partition(".")[0]
    if package not in PACKAGES or find_spec(package) is not None:
        return None
    return Refusal(f"this must have {package} installed ({INSTALL}), got a Python without")


def require_torch(rule: str) -> None:
    """Refuse what takes torch, such as trying a task's code, where it is not installed."""
    if not has_torch():
        raise Refusal(f"{rule} where torch is installed ({INSTALL}), got a Python without")


def has_torch() -> bool:
    """Return whether torch is installed, without importing it."""
    return find_spec("torch") is not None

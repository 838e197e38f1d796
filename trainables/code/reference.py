"""References to the user's code: "module:attribute", as a study file writes them."""

from __future__ import annotations

from dataclasses import dataclass
from keyword import iskeyword
from pathlib import PurePosixPath

from trainables.vocabulary.refusal import Refusal, shown


@dataclass(frozen=True)
class Reference:
    """An attribute of a module, both dotted names; `key` is where the study file names it."""

    key: str
    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def parse(text: object, key: str) -> Reference:
    """Return the reference that a study file gives under `key`; Refusal when it is none."""
    if not isinstance(text, str):
        raise Refusal(f"{key} must be text of the form module:attribute, got {shown(text)}")
    module, _, attribute = text.partition(":")
    if not (_is_dotted(module) and _is_dotted(attribute)):
        raise Refusal(f"{key} must be of the form module:attribute, got {text!r}{_hint(text)}")
    if "__main__" in module.split("."):
        raise Refusal(f"{key} must name a module by its own name, got {text!r}")
    return Reference(key, module, attribute)


def is_reference(text: object) -> bool:
    """Whether a value of the study file means the user's code rather than a known name."""
    return isinstance(text, str) and ":" in text


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() and not iskeyword(part) for part in name.split("."))


def _hint(text: str) -> str:
    """The reference that is probably meant by `folder/task.py:Net` or `task.Net`."""
    place, colon, attribute = text.strip().partition(":")
    if not colon and not place.endswith(".py"):
        place, _, attribute = place.rpartition(".")
    parts = PurePosixPath(place.removesuffix(".py").replace("\\", "/")).parts
    likely = f"{'.'.join(part for part in parts if part != '.')}:{attribute.strip()}"
    module, _, name = likely.partition(":")
    return f"; did you mean {likely}?" if _is_dotted(module) and _is_dotted(name) else ""

"""Bad input in one plain sentence: the key's path, the rule, and the value given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError


class Refusal(ValueError):
    """A study that breaks a rule; its text is the one message that the user sees."""


_RULES: Mapping[str, str] = {
    "greater_than": "must be > {gt}",
    "greater_than_equal": "must be >= {ge}",
    "less_than": "must be < {lt}",
    "less_than_equal": "must be <= {le}",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number below 2^63",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "too_short": "must hold {min_length} or more entries",
    "string_too_short": "must not be empty",
    "finite_number": "must be a finite number",
}


def first_refusal(error: ValidationError, at: str = "") -> Refusal:
    """Return the first fault of a pydantic error as a `Refusal`; `at` is the path of its root."""
    fault = min(error.errors(include_url=False), key=_rank)
    inner = fault.get("ctx", {}).get("error")
    if isinstance(inner, Refusal):
        return inner
    return Refusal(_sentence(fault, at))


def _rank(fault: Any) -> int:
    """Unknown keys come first: they often explain a missing one."""
    return 0 if fault["type"] == "extra_forbidden" else 1


def _sentence(fault: Any, at: str) -> str:
    key = _path(fault["loc"], at)
    kind = fault["type"]
    value = fault["input"]
    if kind == "missing":
        return f"{key} must be given, got nothing"
    if kind == "extra_forbidden":
        return f"{key} must be a known key, got {shown(value)}"
    if kind == "value_error":
        return f"{key} {fault['ctx']['error']}, got {shown(value)}"
    if kind == "literal_error":
        return f"{key} must be {fault['ctx']['expected']}, got {shown(value)}{_near(fault, value)}"
    rule = _RULES.get(kind)
    if rule is None:
        return f"{key} must be valid ({fault['msg']}), got {shown(value)}"
    return f"{key} {rule.format(**fault.get('ctx', {}))}, got {shown(value)}"


def _near(fault: Any, value: object) -> str:
    """The hint for a word that is none of the expected ones, where one of these is near."""
    return hint(value, re.findall("'([^']*)'", fault["ctx"]["expected"]))


def hint(value: object, names: Iterable[str]) -> str:
    """Return "; did you mean ...?" for a word that is near one of some names, else nothing."""
    near = get_close_matches(value, names, n=1) if isinstance(value, str) else []
    return f"; did you mean {near[0]}?" if near else ""


def hint_or_all(value: object, names: Sequence[str]) -> str:
    """Return `hint`, or all the names where none is near."""
    return hint(value, names) or f"; offered are {', '.join(names)}"


def _path(location: Iterable[str | int], at: str) -> str:
    parts = [at] if at else []
    parts += [str(p) for p in location if not (isinstance(p, str) and _is_tag(p))]
    return ".".join(parts) or "the study"


def _is_tag(part: str) -> bool:
    """Whether pydantic put the part in for a branch of a union, not for a key."""
    return "[" in part or part in ("float", "int", "str")


def shown(value: object) -> str:
    """Return a value as a message shows it, at most 80 characters."""
    try:
        text = repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # Python writes out no number of thousands of digits
        text = "a number of thousands of digits"
    except RecursionError:
        text = "a value of many levels"
    return shortened(text)


def shortened(text: str) -> str:
    """Return the first of a text, at most 80 characters."""
    return text if len(text) <= 80 else text[:77] + "..."


def refuse_unknown(model: type[BaseModel], raw: object, at: str = "") -> None:
    """Raise `Refusal` for the first key that the model or a section below it does not know."""
    if not isinstance(raw, Mapping):
        return
    known = model.model_fields
    for key, value in raw.items():
        path = f"{at}.{key}" if at else str(key)
        if key not in known:
            raise unknown_key(path, str(key), known, value)
        section = _section(known[key].annotation)
        if section is not None and get_origin(known[key].annotation) is dict:
            for name, own in (value if isinstance(value, Mapping) else {}).items():
                refuse_unknown(section, own, f"{path}.{name}")
        elif section is not None:
            refuse_unknown(section, value, path)


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section behind a field, its mapping or `Section | None`; None for anything else.

    A section that turns other forms into its own (a plain name, say) judges its keys itself.
    """
    for choice in get_args(annotation) or (annotation,):
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            return None if getattr(choice, "judges_its_keys", False) else choice
    return None


def unknown_key(path: str, key: str, known: Iterable[str], value: object) -> Refusal:
    """Return the refusal of a key that is not known, with the nearest one or all."""
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
    return Refusal(f"{path} must be a known key, got {shown(value)}; {hint}")

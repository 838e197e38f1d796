"""Keywords of the user's code, as its signature types them: judged, converted, filled in."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from trainables.vocabulary.homes import expanded
from trainables.vocabulary.refusal import Refusal, first_refusal, shown, unknown_key

GIVEN = ("root", "in_shape", "n_classes")
"""Parameters that the engine fills in where a signature has them; never keys of a study file."""

_STRICT = ConfigDict(strict=False, allow_inf_nan=False)
_ANY = ConfigDict(strict=False, allow_inf_nan=False, arbitrary_types_allowed=True)


def resolved(
    target: Callable[..., Any],
    given: Mapping[str, Any],
    key: str,
    filled: Sequence[str] = GIVEN,
    taken: Collection[str] = (),
) -> dict[str, Any]:
    """Return every keyword of a class or function with its value, as plain data.

    Each is converted to the type of its annotation; those left out take their defaults. `filled`
    are parameters that the engine gives, `taken` names that mean something else in the same section
    of the study file.

    Raises:
        Refusal: an unknown keyword, one without a value or an annotation, one whose name is taken,
            a value of another type, or a value that a study's files cannot hold; each names the
            key, the rule and the value.
    """
    keywords = _keywords(target, key, filled)
    if clash := [name for name in keywords if name in taken]:
        rule = "must not be a parameter, for every such section has a key of that name"
        raise Refusal(f"{key}.{clash[0]} {rule}, got one of {_name(target)}")
    for name, value in given.items():
        if name in filled and name in _signature(target, key):
            rule = "must be left out, as it is filled in"
            raise Refusal(f"{key}.{name} {rule}, got {shown(value)}")
        if name not in keywords:
            raise unknown_key(f"{key}.{name}", name, keywords, value)
    hints = _hints(target, key)
    return {
        name: _value(
            f"{key}.{name}", parameter, given.get(name, _default(target, parameter)), hints
        )
        for name, parameter in keywords.items()
    }


def defaults(target: Callable[..., Any], key: str, filled: Sequence[str] = GIVEN) -> dict[str, Any]:
    """Return the keywords of a class or function that have a default, with it, as plain data."""
    hints = _hints(target, key)
    given = {
        name: (parameter, _default(target, parameter))
        for name, parameter in _keywords(target, key, filled).items()
    }
    return {
        name: _value(f"{key}.{name}", parameter, value, hints)
        for name, (parameter, value) in given.items()
        if value is not inspect.Parameter.empty
    }


def arguments(
    target: Callable[..., Any], keywords: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what to call a class or function with: its keywords, and what it takes of `given`."""
    hints = _hints(target, "task")
    typed = {name: _converted(value, hints.get(name, Any)) for name, value in keywords.items()}
    filled = {name: value for name, value in given.items() if name in _signature(target, "task")}
    return {**typed, **filled}


def filled_in(target: Callable[..., Any]) -> set[str]:
    """Return the names of `GIVEN` that a class or function takes."""
    return set(GIVEN).intersection(_signature(target, "task"))


def _signature(target: Callable[..., Any], key: str) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError) as error:
        raise Refusal(f"{key} must be a class or function, got {shown(target)} ({error})") from None


def _keywords(
    target: Callable[..., Any], key: str, filled: Sequence[str]
) -> dict[str, inspect.Parameter]:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    keywords = {
        name: parameter
        for name, parameter in _signature(target, key).items()
        if name not in filled and parameter.kind not in variadic
    }
    for name, parameter in keywords.items():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            rule = "must be a parameter that is given by its name"
            raise Refusal(f"{key}.{name} {rule}, got one before the / of {_name(target)}")
    return keywords


def _name(target: Callable[..., Any]) -> str:
    return str(getattr(target, "__qualname__", target))


def _default(target: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """A parameter's default; of a dataclass's field also one that is made anew every time."""
    declared = getattr(target, "__dataclass_fields__", {}).get(parameter.name)
    if declared is not None and declared.default_factory is not MISSING:
        return declared.default_factory()
    return parameter.default


def _hints(target: Callable[..., Any], key: str) -> dict[str, Any]:
    function = inspect.unwrap(target.__init__) if isinstance(target, type) else target  # type: ignore[misc]
    try:
        return get_type_hints(function, include_extras=True)
    except Exception as error:
        rule = "must have annotations that can be read"
        raise Refusal(f"{key} {rule}, got {type(error).__name__}: {error}") from None


def _value(key: str, parameter: inspect.Parameter, value: Any, hints: Mapping[str, Any]) -> Any:
    if value is inspect.Parameter.empty:
        raise Refusal(f"{key} must be given, got nothing")
    if parameter.name not in hints:
        raise Refusal(f"{key} must have a type in its signature, such as {parameter.name}: int")
    hint = hints[parameter.name]
    try:
        converted = _adapter(hint, key).validate_python(value)
    except ValidationError as error:
        raise first_refusal(error, at=key) from None
    _refuse_silent_change(key, value, converted)
    return _plain(key, hint, converted)


def _refuse_silent_change(key: str, given: Any, converted: Any) -> None:
    """Refuse what the conversion or JSON would change without a word.

    A truth value that became a number, a number beyond all, a set, whose order is none.
    """
    if isinstance(given, bool) and not isinstance(converted, bool):
        raise Refusal(f"{key} must be a number, got {shown(given)}")
    if isinstance(converted, float) and not math.isfinite(converted):
        raise Refusal(f"{key} must be a finite number, got {shown(converted)}")
    if isinstance(converted, set | frozenset):
        raise Refusal(f"{key} must be typed as a list or tuple, which has an order, got a set")
    for name, before, after in _inner(given, converted):
        _refuse_silent_change(f"{key}.{name}", before, after)


def _inner(given: Any, converted: Any) -> list[tuple[Any, Any, Any]]:
    """The entries of a mapping or list, each with its name, as given and as converted."""
    if isinstance(given, Mapping) and isinstance(converted, Mapping):
        return [(name, given.get(name), value) for name, value in converted.items()]
    if isinstance(given, list | tuple) and isinstance(converted, list | tuple):
        pairs = zip(given, converted, strict=True)
        return [(place, before, after) for place, (before, after) in enumerate(pairs)]
    return []


def _adapter(hint: Any, key: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=_STRICT)
    except PydanticUserError as error:
        if error.code == "type-adapter-config-unused":  # a dataclass, say, has one of its own
            return TypeAdapter(hint)
        if get_args(hint):  # some of its types may be plain, as in torch's float | Tensor
            return TypeAdapter(hint, config=_ANY)
        rule = "must have a type that a study file can hold"
        why = "" if error.code is None else f" ({str(error).splitlines()[0]})"
        raise Refusal(f"{key} {rule}, got {shown(hint)}{why}") from None


def _plain(key: str, hint: Any, value: Any) -> Any:
    """A value as JSON gives it back, which is what is hashed and sent."""
    if isinstance(value, Path):
        return str(value)
    try:
        return json.loads(json.dumps(_adapter(hint, key).dump_python(value, mode="json")))
    except (TypeError, ValueError) as error:
        raise Refusal(f"{key} must be plain data, got {shown(value)} ({error})") from None


def _converted(value: Any, hint: Any) -> Any:
    converted = _adapter(hint, "task").validate_python(value)
    return expanded(converted) if isinstance(converted, Path) else converted

"""Keywords of the user's code, as its signature types them: judged, converted, filled in."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter, ValidationError

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
) -> dict[str, Any]:
    """Return every keyword of a class or function with its value, as plain data.

    Each is converted to the type of its annotation; those left out take their defaults. `filled`
    are parameters that the engine gives.

    Raises:
        Refusal: an unknown keyword, one without a value or an annotation, a value of another type,
            or a value that a study's files cannot hold; each names the key, the rule and the value.
    """
    keywords = _keywords(target, key, filled)
    for name, value in given.items():
        if name not in keywords:
            raise unknown_key(f"{key}.{name}", name, keywords, value)
    hints = _hints(target, key)
    return {
        name: _value(f"{key}.{name}", parameter, given.get(name, parameter.default), hints)
        for name, parameter in keywords.items()
    }


def arguments(
    target: Callable[..., Any], keywords: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what to call a class or function with: its keywords, and what it takes of `given`."""
    hints = _hints(target, "task")
    typed = {name: _converted(value, hints.get(name, Any)) for name, value in keywords.items()}
    taken = {name: value for name, value in given.items() if name in _signature(target, "task")}
    return {**typed, **taken}


def _signature(target: Callable[..., Any], key: str) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError) as error:
        raise Refusal(f"{key} must be a class or function, got {shown(target)} ({error})") from None


def _keywords(
    target: Callable[..., Any], key: str, filled: Sequence[str]
) -> dict[str, inspect.Parameter]:
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name: parameter
        for name, parameter in _signature(target, key).items()
        if name not in filled and parameter.kind not in variadic
    }


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
    if isinstance(value, bool) and hint in (int, float):
        raise Refusal(f"{key} must be a number, got {shown(value)}")
    try:
        converted = _adapter(hint, key).validate_python(value)
    except ValidationError as error:
        raise first_refusal(error, at=key) from None
    return _plain(key, hint, converted)


def _adapter(hint: Any, key: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=_STRICT)
    except PydanticSchemaGenerationError:
        if get_args(hint):  # some of its types may be plain, as in torch's float | Tensor
            return TypeAdapter(hint, config=_ANY)
        rule = "must have a type that a study file can hold"
        raise Refusal(f"{key} {rule}, got {shown(hint)}") from None
    except Exception:  # a type with a configuration of its own
        return TypeAdapter(hint)


def _plain(key: str, hint: Any, value: Any) -> Any:
    """A value as JSON gives it back, which is what is hashed and sent."""
    if isinstance(value, Path):
        return str(value)
    try:
        return json.loads(json.dumps(_adapter(hint, key).dump_python(value, mode="json")))
    except (TypeError, ValueError) as error:
        raise Refusal(f"{key} must be plain data, got {shown(value)} ({error})") from None


def _converted(value: Any, hint: Any) -> Any:
    return _adapter(hint, "task").validate_python(value)

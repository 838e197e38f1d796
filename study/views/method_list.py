"""The pruning methods of the catalog in words: what each is, its parameters, its source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from trainables.config.catalog import METHODS, Method

_KINDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}
_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (Ge, "ge", ">="),
    (Gt, "gt", ">"),
    (Le, "le", "<="),
    (Lt, "lt", "<"),
)


def ranged(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """Return in words what values a field's type and its constraints allow."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return ranged(parts[0], (*metadata, *_flat(parts[1:])))
    if origin is Literal:
        return " or ".join(json.dumps(value) for value in parts)
    if origin in (Union, UnionType):
        return " or ".join(ranged(part, metadata) for part in parts)
    if origin in (tuple, list):
        return f"a list, each {ranged(parts[0])}"
    words = _KINDS.get(annotation, str(annotation))
    bounds = [f"{sign} {getattr(m, name)}" for m in metadata for kind, name, sign in _BOUNDS
              if isinstance(m, kind)]  # fmt: skip
    return f"{words} {' and '.join(bounds)}" if bounds and annotation in (int, float) else words


def _flat(metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    """Constraints that stand inside a pydantic `Field` beside those that stand alone."""
    inner = [part for m in metadata if isinstance(m, FieldInfo) for part in m.metadata]
    return (*metadata, *inner)


def described(method: Method) -> dict[str, Any]:
    """Return a method as plain data: name, title, kind, parameters with range and default, ..."""
    return {
        "name": method.name,
        "title": method.title,
        "kind": method.kind,
        "controls_sparsity": method.controls_sparsity,
        "structures": list(method.structures),
        "parameters": {
            name: {
                "range": ranged(field.annotation, tuple(field.metadata)),
                "default": field.get_default(call_default_factory=True),
            }
            for name, field in method.parameters.model_fields.items()
        },
        "domains": dict(method.domains),
        "source": method.source,
    }


def methods() -> list[dict[str, Any]]:
    """Return every method of the catalog as `described`."""
    return [described(method) for method in METHODS.values()]


def table() -> str:
    """Return the methods as paragraphs of labelled lines."""
    return "\n\n".join(_paragraph(method) for method in methods())


def _paragraph(method: Mapping[str, Any]) -> str:
    kind = {"retraining": "prunes a dense run and retrains"}.get(method["kind"], method["kind"])
    sparsity = "ends at the goal" if method["controls_sparsity"] else "found by its parameters"
    lines = [
        ("kind", kind),
        ("sparsity", sparsity),
        ("structures", ", ".join(method["structures"])),
        *_rows("parameters", [_parameter(name, p) for name, p in method["parameters"].items()]),
        *_rows(
            "to search", [f"{key}: {_yaml(domain)}" for key, domain in method["domains"].items()]
        ),
        ("source", method["source"]),
    ]
    text = [f"  {label:<10}  {value}" for label, value in lines]
    return "\n".join([f"{method['name']}: {method['title']}", *text])


def _rows(label: str, values: list[str]) -> list[tuple[str, str]]:
    """The values under each other, the label beside the first."""
    return [(label if at == 0 else "", value) for at, value in enumerate(values or ["none"])]


def _parameter(name: str, parameter: Mapping[str, Any]) -> str:
    return f"{name}: {parameter['range']}, default {json.dumps(parameter['default'])}"


def _yaml(domain: Any) -> str:
    """A domain as it stands in a study file."""
    if isinstance(domain, Mapping):
        return "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in domain.items()) + "}"
    return json.dumps(domain)

"""Domains: what a leaf of the study file may be instead of one value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from trainables.formulas.levels import levelled
from trainables.vocabulary.refusal import Refusal, shown

Kind = Literal["grid", "choice", "uniform", "loguniform", "int"]
KINDS: tuple[Kind, ...] = ("grid", "choice", "uniform", "loguniform", "int")


@dataclass(frozen=True)
class Domain:
    """A set of values for one key.

    `grid` and `choice` list their values; `uniform`, `loguniform` and `int` hold (low, high), both
    included. Every value of a `grid` is tried; the others are sampled by a search.
    """

    kind: Kind
    values: tuple[Any, ...]

    @property
    def sampled(self) -> bool:
        """Whether a search draws from it (a grid's values are all tried instead)."""
        return self.kind != "grid"

    def holds(self, value: object) -> bool:
        """Whether the value is one of the domain's."""
        if self.kind in ("grid", "choice"):
            return value in self.values
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low, high = self.values
        return bool(low <= value <= high and (self.kind != "int" or value == int(value)))


def is_domain(value: object) -> bool:
    """Whether a value of a study file is a domain: a mapping with one key that names a kind."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in KINDS


def refuse_near_domain(key: str, value: Mapping[str, Any]) -> None:
    """Refuse a mapping that is meant as a domain and is none: a misspelt kind, or several."""
    if any(kind in value for kind in KINDS):
        kinds = ", ".join(KINDS)
        raise Refusal(f"{key} must have only one of {kinds}, got {shown(dict(value))}")
    if "." not in key or len(value) != 1:
        return
    ((name, values),) = value.items()
    near = get_close_matches(str(name), KINDS, n=1, cutoff=0.7)
    if near and isinstance(values, list):
        known = f"a kind of domain ({', '.join(KINDS)})"
        raise Refusal(f"{key} must be a value or {known}, got {name!r}; did you mean {near[0]}?")


def parse(key: str, raw: Mapping[str, Any]) -> Domain:
    """Return the domain at a key of the study file; Refusal when it is empty or reversed."""
    ((name, values),) = raw.items()
    kind = next(known for known in KINDS if known == name)
    if not isinstance(values, list | tuple):
        raise Refusal(f"{key}.{kind} must be a list, got {shown(values)}")
    if kind in ("grid", "choice"):
        return Domain(kind, _listed(key, kind, values))
    return Domain(kind, _bounds(key, kind, values))


def _listed(key: str, kind: str, values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise Refusal(f"{key}.{kind} must have at least one value, got []")
    levels = [levelled(value) for value in values]
    if _repeats(levels):
        raise Refusal(f"{key}.{kind} must not repeat a value, got {shown(values)}")
    if any(is_domain(value) for value in values):
        raise Refusal(f"{key}.{kind} must hold values, not domains, got {shown(values)}")
    return tuple(levels)


_PLAIN = (str, int, float)


def _repeats(values: Sequence[Any]) -> bool:
    """Whether two of some values are equal; in many, mappings and lists are compared by pairs."""
    plain = [value for value in values if value is None or isinstance(value, _PLAIN)]
    others = [value for value in values if value is not None and not isinstance(value, _PLAIN)]
    apart = any(value in others[:at] for at, value in enumerate(others))
    return len(set(plain)) < len(plain) or apart


def _bounds(key: str, kind: str, values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    path = f"{key}.{kind}"
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(values) != 2 or len(numbers) != 2 or not all(math.isfinite(v) for v in numbers):
        raise Refusal(f"{path} must be two numbers [low, high], got {shown(values)}")
    low, high = numbers
    if kind == "int" and any(v != int(v) for v in numbers):
        raise Refusal(f"{path} must be two whole numbers, got {shown(values)}")
    if not math.isfinite(float(high) - float(low)):
        raise Refusal(f"{path} must be two numbers of a finite distance, got {shown(values)}")
    if low >= high:
        raise Refusal(f"{path} must have low < high, got {shown(values)}")
    if kind == "loguniform" and low <= 0:
        raise Refusal(f"{path} must have low > 0, got {shown(values)}")
    return (int(low), int(high)) if kind == "int" else (float(low), float(high))

"""The bounds of a search, worked out for one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.definition.search import Bound
from trainables.vocabulary.refusal import Refusal, shown


def bounds_of(
    constraints: Mapping[str, Bound], settings: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Return by metric the least (`min`) and greatest (`max`) value allowed, as numbers.

    `settings` is the resolved configuration, as records keep it. Refusal where a bound names a key
    of it that is no number or is not there.
    """
    return {
        name: {
            side: _number(f"search.constraints.{name}.{side}", limit, settings)
            for side, limit in (("min", bound.min), ("max", bound.max))
            if limit is not None
        }
        for name, bound in constraints.items()
    }


def _number(key: str, limit: float | str, settings: Mapping[str, Any]) -> float:
    """A limit itself, or the number that stands under its dotted key."""
    if not isinstance(limit, str):
        return limit
    value: Any = settings
    for part in limit.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        rule = "must be a number or the key of one, such as prune.sparsity"
        raise Refusal(f"{key} {rule}, got {shown(limit)}")
    return float(value)

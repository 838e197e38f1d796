"""YAML as plain data, of a bounded size: a few lines of aliases can stand for gigabytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

MOST_VALUES: Final = 1_000_000
"""Values that a text may hold, what an alias stands for counted each time."""


def plain(text: str) -> Any:
    """Return the data of a YAML 1.2 text: mappings, lists, texts and numbers.

    Raises ruamel.yaml.error.YAMLError for what is no YAML, ValueError for an alias to its own
    parent and for more than `MOST_VALUES` values.
    """
    from ruamel.yaml import YAML

    loaded = YAML(typ="safe", pure=True).load(text)
    _count(loaded)
    return loaded


def _count(loaded: Any) -> None:
    """Walk over all values as if aliases were written out, and give up in time."""
    values = 0
    above: list[int] = []
    waiting: list[tuple[int, Any]] = [(0, loaded)]
    while waiting:
        depth, value = waiting.pop()
        del above[depth:]
        values += 1
        if values > MOST_VALUES:
            rule = "must hold at most"
            raise ValueError(
                f"{rule} {MOST_VALUES:,} values with its aliases written out, got more"
            )
        if id(value) in above:
            raise ValueError("must be a finite text, got an alias to its own parent")
        if below := list(_below(value)):
            above.append(id(value))
            waiting += [(depth + 1, one) for one in below]


def _below(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple | set) else ()

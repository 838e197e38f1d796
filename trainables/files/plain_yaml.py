"""YAML as plain data, of a bounded size: a few lines of aliases can stand for gigabytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

MOST_VALUES: Final = 1_000_000
"""Values that a text may hold, what an alias stands for counted each time."""


MOST_CHARACTERS: Final = 200_000
"""Of a text: reading so many takes seconds."""


DEEPEST: Final = 100
"""Levels of lists and mappings; a study has some ten."""


def plain(text: str) -> Any:
    """Return the data of a YAML 1.2 text: mappings, lists, texts and numbers.

    Raises ruamel.yaml.error.YAMLError for what is no YAML, ValueError for an alias to its own
    parent, and for more than `MOST_CHARACTERS`, `MOST_VALUES` or `DEEPEST` allow.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor

    if len(text) > MOST_CHARACTERS:
        rule = f"must have at most {MOST_CHARACTERS:,} characters"
        raise ValueError(f"{rule}, got {len(text):,}")

    class Constructor(SafeConstructor):
        """As JSON has it, a character beyond the first 65,536 may be written as two halves."""

        def construct_yaml_str(self, node: Any) -> str:
            return _whole_characters(super().construct_yaml_str(node))

    Constructor.add_constructor("tag:yaml.org,2002:str", Constructor.construct_yaml_str)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    root = yaml.compose(text)
    if root is None:
        return None
    _extent(root, {}, [])  # first: what merges (`<<`) stand for is made while data are
    return yaml.constructor.construct_document(root)


def _whole_characters(text: str) -> str:
    """The text with halves of one character put together; a half by itself stays."""
    if not any("\ud800" <= sign <= "\udfff" for sign in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _extent(node: Any, known: dict[int, tuple[int, int]], above: list[int]) -> tuple[int, int]:
    """Return how many values a node stands for with its aliases written out, and how deep."""
    if id(node) in above:
        raise ValueError("must be a finite text, got an alias to its own parent")
    if id(node) not in known:
        above.append(id(node))
        parts = [_extent(one, known, above) for one in _below(node)]
        above.pop()
        size = 1 + sum(size for size, _ in parts)
        depth = 1 + max((depth for _, depth in parts), default=0)
        if size > MOST_VALUES:
            rule = "must hold at most"
            raise ValueError(
                f"{rule} {MOST_VALUES:,} values with its aliases written out, got more"
            )
        if depth > DEEPEST:
            raise ValueError(f"must be nested at most {DEEPEST} deep, got more")
        known[id(node)] = size, depth
    return known[id(node)]


def _below(node: Any) -> Iterable[Any]:
    """The nodes directly in a list or mapping, keys included."""
    if isinstance(node.value, str):
        return ()
    parts = [part if isinstance(part, tuple) else (part,) for part in node.value]
    return [one for part in parts for one in part]

"""What a study may hold so that every file it goes to can store it: YAML, JSON and Parquet.

YAML knows more: dates, sets, binary data, numbers without end. They would fail where a record is
written, hours after the start.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from trainables.vocabulary.refusal import Refusal, shown

MOST: Final = 2**63 - 1
"""The largest whole number of a table's column."""


def refuse_unstorable(raw: Mapping[Any, Any], at: str = "") -> None:
    """Refuse the first value below a mapping that some file of a study cannot hold."""
    for key, value in raw.items():
        path = f"{at}.{key}" if at else str(key)
        if not isinstance(key, str):
            raise Refusal(f"{at or 'the study'} must have text as keys, got {shown(key)}")
        _refuse_text(f"a key of {at or 'the study'}", key)
        for place, one in _leaves(path, value):
            if isinstance(one, Mapping):
                refuse_unstorable(one, place)
            elif (rule := _rule(one)) is not None:
                raise Refusal(f"{place} {rule}, got {shown(one)}")


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The value, or those of a list, with their paths."""
    if not isinstance(value, list | tuple):
        yield path, value
        return
    for place, one in enumerate(value):
        yield from _leaves(f"{path}.{place}", one)


def _rule(value: Any) -> str | None:
    """What a value breaks, None where it can be stored."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if abs(value) <= MOST else f"must be a number of at most {MOST}"
    if isinstance(value, float):
        return None if math.isfinite(value) else "must be a finite number"
    if isinstance(value, str):
        return None if _is_text(value) else "must be text that UTF-8 can hold"
    return "must be text, a number, true, false, a list or a mapping (dates need quotes)"


def _refuse_text(what: str, text: str) -> None:
    if not _is_text(text):
        raise Refusal(f"{what} must be text that UTF-8 can hold, got {shown(text)}")


def _is_text(value: str) -> bool:
    """Whether a text has neither halves of characters nor the mark that ends a file's name."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value

"""The answer for a terminal, wrapped, and as JSON: statements beside their sentences."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from textwrap import wrap
from typing import Any, Final

import numpy as np

from analysis.answer.sentences import topics
from analysis.answer.statements import Answer
from analysis.columns.labels import unbroken

WIDTH: Final = 100


def to_text(answer: Answer, width: int = WIDTH) -> str:
    """Return the answer as lines of at most `width` characters, a heading before each topic."""
    blocks = []
    for topic in topics(answer):
        lines = [line for one in topic.sentences for line in _wrapped(one, max(width, 30))]
        blocks.append("\n".join([topic.title, *lines]))
    return "\n\n".join(blocks).replace("\u00a0", " ")


def _wrapped(sentence: str, width: int) -> list[str]:
    return wrap(
        unbroken(sentence),
        width,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def to_json(answer: Answer) -> str:
    """Return the answer as one JSON object: `topics` are the sentences, the rest the statements.

    A missing number is null.
    """
    said = {topic.title: list(topic.sentences) for topic in topics(answer)}
    return json.dumps({"topics": said, **plain(answer)}, allow_nan=False, indent=2) + "\n"


def plain(value: Any) -> Any:
    """Return a statement as plain data: mappings, lists, text, numbers, None for a missing one."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""What a user says of a figure in text, checked against what the figure offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import pandas as pd

from analysis.figures import FIGURES, Figure
from analysis.panels.drawings import one_row_per_trial
from analysis.panels.picks import offers

AT = "at"


def figure_named(name: str) -> Figure:
    """Return the figure of that name; ValueError names the nearest known ones."""
    if name in FIGURES:
        return FIGURES[name]
    near = get_close_matches(name, FIGURES, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(FIGURES)}"
    raise ValueError(f"the figure must be a known one, got {name!r}; {hint}")


def controls(
    figure: Figure,
    frame: pd.DataFrame,
    texts: Mapping[str, str],
    at: Sequence[str] = (),
    objectives: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the keywords of a figure's table for wishes in text.

    `texts` maps a control to one of the values that the figure offers for the frame, as text, under
    the `objectives` of the study's search;
    `at` holds `column=value`, one per column of a block. Raises ValueError for what the figure does
    not offer, naming what it does.
    """
    if foreign := [name for name in texts if name not in figure.controls]:
        choices = ", ".join(f"--{name}" for name in figure.controls) or "none"
        raise ValueError(
            f"--{foreign[0]} must be a choice of the figure {figure.name}, which has {choices},"
            f" got {texts[foreign[0]]!r}"
        )
    offered = offers(figure, one_row_per_trial(figure, frame), objectives=objectives)
    chosen = {name: _value(f"--{name}", text, offered[name]) for name, text in texts.items()}
    if at:
        chosen[AT] = _block(figure, at, offered.get(AT, {}))
    return chosen


def _block(figure: Figure, at: Sequence[str], columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for text in at:
        column, equals, value = text.partition("=")
        column = column.strip()
        if not equals or column not in columns:
            rule = f"be column=value with a column that {figure.name} can be held at"
            raise ValueError(
                f"--at must {rule} ({', '.join(columns) or 'none here'}), got {text!r}"
            )
        block[column] = _value(f"--at {column}=", value.strip(), columns[column])
    return block


def _value(option: str, text: str, offered: Sequence[Any]) -> Any:
    """The offered value that a text means: the same text, or the same number."""
    for value in offered:
        if text == str(value) or _number(text) == value:
            return value
    listed = ", ".join(map(str, offered)) or "nothing here"
    raise ValueError(f"{option} must be one of {listed}, got {text!r}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

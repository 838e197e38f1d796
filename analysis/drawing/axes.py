"""Axes and colour bars under titles with units, ticked where a reader wants ticks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from analysis.columns.labels import axis_title, number
from analysis.drawing.canvas import markup

NEAR: Final = 0.06
"""Ticks closer than this share of the axis would have labels that overlap."""

WIDE: Final = 20
"""Ratios of which the largest is this many times the smallest have a logarithmic axis."""


def axis(title: str, **options: Any) -> dict[str, Any]:
    """Return an axis under its title."""
    return {"title": {"text": markup(title)}, **options}


def column_axis(column: str, **options: Any) -> dict[str, Any]:
    """Return an axis under a column's words and unit."""
    return axis(axis_title(column), **options)


def sparsity_axis(sparsities: Sequence[float]) -> dict[str, Any]:
    """Return an axis for `compression(sparsity)`, ticked at the sparsities, in per cent.

    Sparsities crowd towards 1; the logarithm of 1 / (1 - S) sets 90 and 95 % as far apart as 95 and
    97.5 %. Of sparsities that are too close for a tick each, the commonest have one.
    """
    ticks = _apart(Counter(map(float, sparsities)))
    return {
        "type": "log",
        "tickmode": "array",
        "tickvals": [compression(s) for s in ticks],
        "ticktext": [number(100 * s) for s in ticks],
        "minor": {"ticks": ""},
    }


def _apart(counts: Mapping[float, int]) -> list[float]:
    """Levels that keep their distance on the axis: the commonest, of equals the first and last."""
    levels = sorted(counts)
    spots = {level: float(np.log(compression(level))) for level in levels}
    gap = NEAR * (spots[levels[-1]] - spots[levels[0]])
    kept: list[float] = []
    for level in sorted(
        levels, key=lambda one: (-counts[one], one not in (levels[0], levels[-1]), one)
    ):
        if all(abs(spots[level] - spots[other]) >= gap for other in kept):
            kept.append(level)
    return sorted(kept)


def compression(sparsity: float) -> float:
    """Return 1 / (1 - S), the place of a sparsity on its axis."""
    return 1.0 / (1.0 - float(sparsity))


def ratio_axis(values: ArrayLike) -> dict[str, Any]:
    """Return an axis for positive ratios: logarithmic, with plain numbers, where they span much."""
    known = np.asarray(values, dtype=float)
    low, high = known.min(), known.max()
    if low <= 0 or high < WIDE * low:
        return {}
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    return {"type": "log", "tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}


def dense_and_retraining(first: float, last: float) -> dict[str, Any]:
    """Return x axes for the dense run, narrow on the left, and for retraining on its right.

    `first` and `last` are the epochs between which the right panel lies: after a long dense run
    a short retraining would be a sliver on one axis. Traces of the right panel name `x2`.
    """
    room = 0.03 * (last - first)
    return {
        "xaxis": {"domain": [0, 0.27], "title": "dense (epochs)", "nticks": 3},
        "xaxis2": {
            "domain": [0.36, 1],
            "title": "retraining (epochs)",
            "range": [first - room, last + room],
        },
    }


def flat_bar(title: str) -> dict[str, Any]:
    """Return a colour bar that lies above the plot, so that a narrow page keeps its width."""
    return {
        "orientation": "h",
        "x": 0.5,
        "y": 1.0,
        "yanchor": "bottom",
        "thickness": 10,
        "title": {"text": markup(title), "side": "top"},
    }

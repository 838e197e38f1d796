"""What was left right after each prune: rows of a course, and their mark in a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import scale
from analysis.drawing import canvas, theme

EPOCH: Final = "epoch"
DROP: Final = "pruned"
"""What a row was measured after: an epoch of training, or a prune and nothing since."""

RING: Final = "circle-open"
"""The marker of what was measured right after a prune, whatever the series."""

KEY: Final = "right after a prune"


def with_drops(epochs: pd.DataFrame, measured: Mapping[str, str]) -> pd.DataFrame:
    """Return a course with a row before each cycle whose prune was measured.

    `epochs` are those of `course.with_places`. `measured` names each column of numbers and the
    column that has, in the first epoch of a cycle, what it was right after the prune; a cycle that
    lacks the first of these has no such row. Columns: trained, cycle, event (`EPOCH` or `DROP`) and
    those numbers, in the order in which they were measured.
    """
    columns = ["trained", "cycle", "event", *measured]
    kept = epochs.assign(event=EPOCH)[columns]
    if not set(measured.values()) <= set(epochs):
        return kept
    hit = epochs[epochs[next(iter(measured.values()))].notna()]
    if hit.empty:
        return kept
    numbers = {name: hit[after] for name, after in measured.items()}
    drops = pd.DataFrame(
        {"trained": hit["start"], "cycle": hit["cycle"], "event": DROP, **numbers}
    )[columns]
    both = pd.concat([drops, kept])
    return both.sort_values(["cycle", "trained"], kind="stable", ignore_index=True)


def rings(
    part: pd.DataFrame, column: str, metric: str, style: theme.Style, axis: str, group: str
) -> go.Scatter | go.Scattergl:
    """Return rings around the drops of one curve, whose numbers stand in `column`."""
    drops = part[part["event"] == DROP]
    return canvas.scatter(
        len(part),
        group=group,
        x=drops["trained"],
        y=drops[column] * scale(metric),
        xaxis=f"x{axis}",
        yaxis=f"y{axis}",
        mode="markers",
        marker={"color": style.color, "symbol": RING, "size": 11},
        showlegend=False,
    )


def first_trained(cycles: pd.DataFrame) -> float:
    """Return where the first of some cycles begins, in epochs trained."""
    ends = cycles[cycles["event"] == EPOCH]["trained"]
    return float(min([ends.min() - 1, *cycles[cycles["event"] == DROP]["trained"]]))

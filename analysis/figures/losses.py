"""What is lost from the dense model, on a logarithmic scale: a view of results.

Where six schedules keep nearly all accuracy they are one blob on the scale of accuracy; their
losses, .2 and .8 points, lie as far apart as 5 and 20 do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import difference_unit, number, scale, titled
from analysis.drawing import axes, theme
from analysis.selection.dense import dense_settings
from analysis.selection.tabulation import Tabulation
from analysis.stats.candidates import sign_of

VALUE: Final = "value"
LOSS: Final = "loss"
VIEWS: Final[dict[str, str]] = {VALUE: "as measured", LOSS: "loss from dense, log scale"}
"""The views of a result, in words; the first is the default."""

LOST: Final = "lost"
"""The column of losses: as a ratio, where the metric is one."""

NOTHING_LOST: Final = (
    "Open triangles on the lower edge lost nothing on average, or gained: a logarithm has no place"
    " for them. The hover text has their numbers."
)
OF_OTHERS: Final = (
    "Trials without a dense run of their own are set against that of the others with their seed."
)

ROOM: Final = 1.6
"""The axis reaches beyond the least and the largest loss by this factor."""


def require_view(view: str) -> None:
    """Raise ValueError unless a view is one of `VIEWS`."""
    if view not in VIEWS:
        raise ValueError(f"view must be one of {', '.join(VIEWS)}, got {view!r}")


def with_losses(entries: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, str]:
    """Return trials with `LOST`, dense metric minus the trial's, and a note on whose dense run.

    Positive is worse than dense, whichever way the metric is better. A trial without a dense run of
    its own takes the mean over those with its seed, where all dense runs are of one setting.
    """
    column = f"dense_{metric}"
    if column not in entries:
        return entries.assign(**{LOST: math.nan}), ""
    dense = entries[column].astype(float)
    others = pd.Series(math.nan, index=entries.index)
    if dense.isna().any() and not dense_settings(entries, metric):
        others = entries["seed"].map(dense.groupby(entries["seed"]).mean())
    borrowed = bool((dense.isna() & others.notna()).any())
    lost = sign_of(metric) * (dense.fillna(others) - entries[metric])
    return entries.assign(**{LOST: lost}), OF_OTHERS if borrowed else ""


def set_on_loss_axis(figure: go.Figure, table: Tabulation) -> None:
    """Set a figure's losses on a logarithmic axis, in place; means of none stand on its lower edge.

    Such points are open triangles: their height says only that there is no loss.
    """
    metric = table.metric
    means = table.frame["mean"] * scale(metric)
    floor = floor_of(means, scale(metric))
    traces: list[Any] = []
    for trace in figure.data:
        gone = [not value > floor for value in trace.y]
        if any(gone):
            # A legend's entry has the mark of its trace's first point, which may be a triangle.
            look = {"mode": trace.mode, "line": trace.line, "marker": trace.marker}
            traces.append(go.Scatter(x=[None], y=[None], name=trace.name, **look))
            trace.update(_on_edge(trace, gone, floor))
        traces.append(trace)
    if len(traces) > len(figure.data):
        mark = {"color": theme.DENSE.color, "symbol": EDGE, "size": 9}
        traces.append(
            go.Scatter(x=[None], y=[None], name=KEY, mode="markers", marker=mark, showlegend=True)
        )
    figure.data, layout = (), figure.layout
    figure.add_traces(traces)
    figure.layout = layout
    figure.update_yaxes(loss_axis(metric, floor / ROOM, max(float(means.max()), floor)))


EDGE: Final = "triangle-down-open"
KEY: Final = "no loss"


def _on_edge(trace: Any, gone: Sequence[bool], floor: float) -> dict[str, Any]:
    """What a trace is with some of its points on the lower edge, without whiskers."""
    bars = trace.error_y

    def kept(lengths: Sequence[float | None] | None) -> list[float | None] | None:
        if lengths is None:
            return None
        return [None if out else bar for bar, out in zip(lengths, gone, strict=True)]

    return {
        "y": [floor if out else y for y, out in zip(trace.y, gone, strict=True)],
        "marker": {"symbol": [EDGE if out else trace.marker.symbol for out in gone]},
        "error_y": {"array": kept(bars.array), "arrayminus": kept(bars.arrayminus)},
        "showlegend": False,
    }


def floor_of(means: pd.Series[float], factor: float = 1.0) -> float:
    """Return where points without a loss stand: below the least loss above zero.

    `factor` is that of the unit shown; where nothing was lost at all, a hundredth of a point.
    """
    above = means[means > 0]
    return float(above.min()) / ROOM if len(above) else 1e-4 * factor


def loss_axis(metric: str, floor: float, top: float) -> dict[str, Any]:
    """Return the axis of losses between two of them, in the shown unit, with plain numbers."""
    low, high = math.log10(floor), math.log10(top * ROOM)
    ticks, unit = _ticks(low, high), [difference_unit(metric)] if difference_unit(metric) else []
    return axes.axis(
        titled("loss from dense", ", ".join([*unit, "log"])),
        type="log",
        range=[low, high],
        minor={"ticks": ""},
        tickvals=ticks,
        ticktext=[number(tick) for tick in ticks],
    )


def _ticks(low: float, high: float) -> list[float]:
    steps = (1, 2, 5) if high - low < 2 else (1,)
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]

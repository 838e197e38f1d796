"""A front drawn: points over two axes, one line of steps per level, chosen points named."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    brief,
    in_percent,
    label,
    number,
    scale,
    shown,
    titled,
    unit,
    words,
)
from analysis.columns.names import is_missing
from analysis.columns.rows import records
from analysis.drawing import axes, canvas, theme
from analysis.fronts.axes import SPEEDUP, FrontAxes, level_words
from analysis.selection.blocks import inside
from analysis.selection.tabulation import Tabulation
from analysis.stats import FEWEST_SEEDS

TITLE: Final = "Pareto front"
FAINT: Final = 0.4
SIZES: Final = {True: 11, False: 6}
"""Markers of what is on the front, and of what is not."""


def front_figure(table: Tabulation) -> go.Figure:
    """Return a scatter over two axes, with the front of each level as steps.

    With levels, colours are theirs and marks the series'; without, colours and marks are the
    series'. Whiskers stand where there are seeds enough, words at the ends and at the knee.
    """
    frame = table.frame
    if frame.empty:
        return canvas.blank(TITLE, table.notes or ["No configuration has every objective."])
    if len(frame) == 1:
        return canvas.blank(TITLE, ["There is one configuration alone: nothing to choose among."])
    view: FrontAxes = table.facts.axes
    apart = f", one front per level of {words(view.level)}" if view.level else ""
    figure = canvas.canvas(TITLE, subtitle=f"{words(view.y)} over {words(view.x)}{apart}")
    bounds = theme.styles(table.facts.bounds, view.level)
    series = theme.styles(frame["series"], table.by)
    for name, style in series.items():
        part = inside(frame, {"series": name})  # some trials may lack what tells them apart
        figure.add_trace(_points(part, table, style, bounds))
    for bound, rows in table.facts.steps.groupby("bound", sort=False, dropna=False):
        figure.add_trace(_steps(rows, view, bounds.get(bound)))
    _add_keys(figure, table, series, bounds)
    _add_names(figure, frame, view)
    for update, column in ((figure.update_xaxes, view.x), (figure.update_yaxes, view.y)):
        update(_axis(column, frame, view))
    return figure


def _points(
    part: pd.DataFrame,
    table: Tabulation,
    style: theme.Style,
    bounds: Mapping[float, theme.Style],
) -> go.Scatter | go.Scattergl:
    view: FrontAxes = table.facts.axes
    colors = [bounds[b].color if b in bounds else style.color for b in part["bound"]]
    return canvas.scatter(
        len(table.frame),
        label(part["series"].iloc[0]),
        _texts(part, table),
        x=[_place(view.x, value) for value in part[view.x]],
        y=part[view.y] * scale(view.y),
        error_y=_whiskers(part, view.y, "y") if _spoken(part) else None,
        mode="markers",
        marker={
            "symbol": style.symbol,
            "size": [SIZES[bool(front)] for front in part["front"]],
            "opacity": [1.0 if front else FAINT for front in part["front"]],
            "color": colors if bounds else style.color,
            "line": {"width": 0},
        },
        showlegend=False,
    )


def _spoken(part: pd.DataFrame) -> bool:
    """Whether intervals are narrow enough to be drawn."""
    return bool((part[part["front"]]["n"] >= FEWEST_SEEDS).any())


def _whiskers(part: pd.DataFrame, column: str, axis: str) -> dict[str, Any]:
    known = part.assign(mean=part[column], lo=part[f"{axis}_lo"], hi=part[f"{axis}_hi"])
    known.loc[known["n"] < FEWEST_SEEDS, ["lo", "hi"]] = np.nan
    return canvas.error_bars(known, scale(column), theme.DENSE.color)


def _place(column: str, value: float) -> float:
    """Where a value lies on the axis across: sparsities by what they leave."""
    return axes.compression(value) if column == "sparsity" else value * scale(column)


def _steps(
    rows: pd.DataFrame, view: FrontAxes, style: theme.Style | None
) -> go.Scatter | go.Scattergl:
    """The front of one level: what is reached, in steps, towards what is worse."""
    look = {"color": theme.DENSE.color, "dash": "dot"} if style is None else canvas.line(style)
    shape = "vh" if view.ways[view.x] == "max" else "hv"
    name = "front" if style is None else level_words(view, float(rows["bound"].iloc[0]))
    return canvas.scatter(
        len(rows),
        name,
        x=[_place(view.x, value) for value in rows["x"]],
        y=rows["y"] * scale(view.y),
        mode="lines",
        line={**look, "width": 1.8, "shape": shape},
        showlegend=True,
    )


def _add_keys(
    figure: go.Figure,
    table: Tabulation,
    series: Mapping[Any, theme.Style],
    bounds: Mapping[float, theme.Style],
) -> None:
    """What colours, marks and sizes mean, in the legend."""
    if len(series) > 1 or not bounds:
        for name, style in series.items():
            color = theme.DENSE.color if bounds else style.color
            text = f"{words(table.by)} {label(name)}" if isinstance(name, Real) else label(name)
            canvas.add_key(figure, text, style.symbol, color=color)
        canvas.brief_legend(figure)
    mark = next(iter(series.values())).symbol if len(series) == 1 else "circle"
    if table.frame["front"].any():
        canvas.add_key(figure, "on the front", mark, SIZES[True])
    if not table.frame["front"].all():
        canvas.add_key(figure, "beaten by another", mark, SIZES[False])


def _add_names(figure: go.Figure, frame: pd.DataFrame, view: FrontAxes) -> None:
    """The settings of chosen points, on the side of the front where no point can be.

    Names that are near each other across are stacked, and the axis upwards leaves room for them.
    """
    named = frame[frame["label"] != ""]
    if named.empty:
        return
    by_power = view.x == "sparsity" or (_is_ratio(view.x) and bool(axes.ratio_axis(frame[view.x])))
    places = [_place(view.x, value) for value in frame[view.x]]
    spots = pd.Series(np.log10(places) if by_power else places, index=frame.index, dtype=float)
    heights = (frame[view.y] * scale(view.y)).astype(float)
    up = -1 if view.ways.get(view.y) == "min" else 1
    share = (spots - spots.min()) / (np.ptp(spots) or 1.0)
    worst, need = (heights.max() if up < 0 else heights.min()), np.ptp(heights) or 1.0
    above = (heights - worst).abs() / need * PIXELS
    lines = named["label"].map(lambda text: max(2, text.count("\n") + 1))
    sizes = (LINE * lines).astype(float)
    lifts = _stacked(share[named.index], above[named.index], sizes)
    for place, lift in lifts.items():
        right = share[place] > OUTER
        figure.add_annotation(
            name=canvas.NAME,
            x=float(spots[place]),
            y=float(heights[place]),
            text=canvas.markup(str(frame.at[place, "label"])),
            ax=0,
            ay=-up * lift,
            xanchor="right" if right else "left",
            yanchor="bottom" if up > 0 else "top",
            align="right" if right else "left",
            arrowwidth=1,
            arrowcolor=theme.DENSE.color,
            arrowhead=0,
            standoff=5,
            font={"size": 11},
        )
    pad = 0.06 * need
    top = max(above[place] + lift + sizes[place] for place, lift in lifts.items()) - PIXELS
    room = max(pad, need * top / PIXELS)
    ends = (worst - pad, heights.max() + room) if up > 0 else (heights.min() - room, worst + pad)
    ceiling = 100.0 if in_percent(view.y) else np.inf
    ticks = _nice(heights.min() - pad, min(heights.max() + pad, ceiling))
    figure.update_yaxes(range=ends, tickvals=ticks, ticktext=[number(tick) for tick in ticks])
    figure.update_layout(meta={"min_width": NARROWEST})


NARROWEST: Final = 560
"""With fewer pixels across, names would lie over each other: a page then scrolls the figure."""

NEAREST: Final = 12
LINE: Final = 16
"""Pixels from a point to the nearest name, and that a line of a name takes."""

PIXELS: Final = 200.0
"""What the points take upwards, in pixels, more or less."""

NEAR: Final = 0.42
"""Names of points nearer than this share of the width would overlap."""

OUTER: Final = 0.62
"""Names of points beyond this share of the width stand to their left."""


def _stacked(
    spots: pd.Series[float], heights: pd.Series[float], sizes: pd.Series[float]
) -> dict[Any, float]:
    """How many pixels above its point each name stands: the least at which it meets no other.

    `sizes` are the names' own heights.
    """

    def meets(place: Any, lift: float, other: Any) -> bool:
        start, there = heights[place] + lift, heights[other] + lifts[other]
        return bool(start < there + sizes[other] and there < start + sizes[place])

    lifts: dict[Any, float] = {}
    order = spots.sort_values(kind="stable").index.tolist()
    for place in order:
        near = [o for o in lifts if abs(spots[o] - spots[place]) < NEAR]
        lift = NEAREST
        while any(meets(place, lift, other) for other in near):
            lift += 4
        lifts[place] = lift
    return lifts


def _nice(low: float, high: float) -> list[float]:
    """Round ticks between two values, about six."""
    rough = (high - low) / 5 or abs(high) or 1.0
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(step * i) for i in np.arange(first, last + 1)]


def _is_ratio(column: str) -> bool:
    return unit(column) == unit(SPEEDUP)


def _axis(column: str, frame: pd.DataFrame, view: FrontAxes) -> dict[str, Any]:
    way = view.ways.get(column)
    better = {"max": ", more is better", "min": ", less is better", None: ""}[way]
    title = titled(words(column), f"{unit(column)}{better}")
    if column == "sparsity" and column == view.x:
        return axes.axis(title, **axes.sparsity_axis(_few(frame[column])))
    return axes.axis(title, **(axes.ratio_axis(frame[column]) if _is_ratio(column) else {}))


def _few(levels: pd.Series[float]) -> list[float]:
    """Sparsities to be ticked: those that there are, or round ones where they are many."""
    known = sorted(set(levels))
    if len(known) <= MANY_TICKS:
        return known
    round_ones = [r for r in ROUND if known[0] <= r <= known[-1]]
    return round_ones or known


MANY_TICKS: Final = 8
ROUND: Final = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


def _texts(part: pd.DataFrame, table: Tabulation) -> list[str]:
    """What each point says under the pointer."""
    view: FrontAxes = table.facts.axes
    fixed = {*view.columns, "series", "n", "front", "bound", "label", table.by}
    fixed |= {f"{axis}_{side}" for axis in "xy" for side in ("lo", "hi")}
    names = {str(c): words(str(c)) for c in part if c not in fixed}
    measures = {name: words(name) for name in view.columns}
    head = f"{words(table.by)} {brief(label(part['series'].iloc[0]))}"
    texts = []
    for row in records(part):
        lines = [head + (", on the front" if row["front"] else "")]
        lines += [_value(row, view, name, called) for name, called in measures.items()]
        settings = [
            f"{called} {shown(name, row[name])}"
            for name, called in names.items()
            if not is_missing(row[name])
        ]
        texts.append("\n".join([*lines, f"n = {row['n']}", *settings[:8]]))
    return texts


def _value(row: Mapping[str, Any], view: FrontAxes, name: str, called: str) -> str:
    text = f"{called} {shown(name, row[name])}"
    axis = {view.x: "x", view.y: "y"}.get(name)
    low = row[f"{axis}_lo"] if axis else np.nan
    if not np.isfinite(low):
        return text
    return f"{text} [{shown(name, low)}, {shown(name, row[f'{axis}_hi'])}]"

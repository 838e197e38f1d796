"""Contestants compared where they are equally sparse, or equally fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, in_percent, label, number, scale, shown, words
from analysis.columns.names import config_columns, differing, joined
from analysis.columns.roles import REPORTED, choice, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.selection.blocks import Block
from analysis.selection.contest import contest, fallen_note
from analysis.selection.series import SPARSITY, comparable, values
from analysis.selection.stand_ins import candidates_of
from analysis.selection.tabulation import Tabulation, nothing
from analysis.stats import FEWEST_SEEDS, Matched, matched
from analysis.stats.matched import AXES, SLACK

REACHED: Final = "sparsity"
SPEEDUP: Final = "theoretical_speedup"
STEPS: Final = 6
"""At most so many speedups are compared at."""

DODGE: Final = 1.008
"""By what factor series are moved apart on a logarithmic axis."""


def matched_table(
    frame: pd.DataFrame,
    *,
    metric: str = REPORTED,
    by: str | None = None,
    along: str | None = None,
    at: Block | None = None,
) -> Tabulation:
    """Return a metric of each contestant at equal sparsity or speedup, in one task and budget.

    `along` is one of `stats.matched.AXES`: the sparsity reached, at the study's goals, where some
    contestant does not end at its goal; else the theoretical speedup, at some of 1, 1.5, 2, 3, 4,
    6, ... A value is read off the front of the contestant's own settings, which the other seeds
    make. Columns: series, at, mean, lo, hi, kind, n; the mean is missing where the front does not
    reach. The table's fact is what it is matched along. Raises ValueError for an unknown `along`.
    """
    if along is not None and along not in AXES:
        raise ValueError(f"along must be one of {', '.join(AXES)}, got {along!r}")
    metric = named(metric, frame)
    meet = contest(comparable(frame), by, at, free=[SPARSITY])
    axis = along or (REACHED if _off_goal(meet.trials) else SPEEDUP)
    known = meet.trials.dropna(subset=[meet.by])
    if axis not in known or known[known["state"] == "done"][axis].isna().all():
        return nothing(f"No trial here has a {words(axis)}.")
    standing = candidates_of(known, meet.by, [SPARSITY], unseen=False)
    seeds = set(candidates_of(known, meet.by, [SPARSITY])["seed"])
    among = [c for c in differing(standing, config_columns(standing)) if c != meet.by]
    levels = _levels(standing, axis)
    found = matched(standing, meet.by, among or [SPARSITY], levels, choice(known), metric, axis)
    found = _unseen(found, seeds)
    table = found.table().rename(columns={"entrant": "series"})
    if in_percent(metric):
        table[["lo", "hi"]] = table[["lo", "hi"]].clip(0.0, 1.0)
    return replace(
        meet.tabulation(table, *_notes(found, axis, meet.by), fallen_note(known), metric=metric),
        x=axis, facts=axis, chosen={"along": axis},
    )  # fmt: skip


def _off_goal(trials: pd.DataFrame) -> bool:
    """Whether some trial ends away from its goal, by more than a goal is met to."""
    if REACHED not in trials or SPARSITY not in trials:
        return False
    kept = 1 - trials[SPARSITY].astype(float)
    return bool(((trials[REACHED] - trials[SPARSITY]).abs() > SLACK * kept).any())


def _levels(trials: pd.DataFrame, axis: str) -> list[float]:
    """Where contestants are compared: at the goals, or at speedups of 1, 1.5, 2, 3, 4, 6, ..."""
    if axis == REACHED:
        return [float(goal) for goal in values(trials, SPARSITY)]
    reached = trials.loc[trials["state"] == "done", axis].to_numpy(dtype=float)
    places = [step * 2.0**power for power in range(16) for step in (1.0, 1.5)]
    within = [place for place in places if reached.min() <= place <= reached.max()]
    return within[:: max(1, -(-len(within) // STEPS))]


def _unseen(found: Matched, seeds: set[Any]) -> Matched:
    """The comparison without those seeds that chose what a search confirmed."""
    kept = found.values.index.get_level_values("seed").isin(list(seeds))
    return replace(found, values=found.values[kept])


def _notes(found: Matched, axis: str, by: str) -> list[str]:
    notes = [
        f"Each {words(by)} is read off the front of its own settings at equal {words(axis)},"
        " on the line between two of them; nothing is extrapolated. Which settings make the front"
        " the other seeds decide."
    ]
    if found.unknown:
        names = joined([shown(by, name) for name in found.unknown])
        what = f"{words(by)} " if all(isinstance(name, Real) for name in found.unknown) else ""
        notes.append(
            f"Of {what}{names} nothing is known: the front of several settings takes {FEWEST_SEEDS}"
            " seeds."
        )
    settled = [
        f"{shown(axis, level)}: {n} of {n_pairs}"
        for level in found.at
        for n, n_pairs in [_settled(found, level)]
        if n_pairs
    ]
    if settled:
        notes.append(f"Pairs with a settled difference at {', '.join(settled)}.")
    return notes


def _settled(found: Matched, level: float) -> tuple[int, int]:
    known = [one for one in found.verdicts(level) if one.outcome != "unknown"]
    return sum(one.outcome in ("better", "worse") for one in known), len(known)


def matched_figure(table: Tabulation) -> go.Figure:
    """Return one line per contestant over the sparsity or speedup at which they are compared."""
    frame, metric, axis = table.frame, table.metric, table.x
    title = "Compared on an equal footing"
    if frame.empty or frame["mean"].isna().all():
        why = table.notes or ["No schedule or method reaches any of these places."]
        return canvas.blank(title, why)
    if frame["series"].nunique() < 2:
        return canvas.blank(title, [f"Only one {words(table.by)} was tried: there is no rival."])
    subtitle = ", ".join(
        part for part in (f"at equal {words(axis)}", block_words(table.at)) if part
    )
    figure = canvas.canvas(title, subtitle=subtitle)
    styles = theme.styles(frame["series"], table.by)
    for order, (name, style) in enumerate(styles.items()):
        part = frame[frame["series"] == name].dropna(subset=["mean"])
        if part.empty:
            continue
        dodge = order - (len(styles) - 1) / 2
        figure.add_trace(
            canvas.scatter(
                len(frame),
                label(name),
                [_text(row, label(name), table) for row in tuples(part)],
                x=_places(part["at"], axis, dodge),
                y=part["mean"] * scale(metric),
                error_y=canvas.error_bars(part, scale(metric), style.color),
                mode="lines+markers",
                line=canvas.line(style),
                marker=canvas.marker(style),
            )
        )
    levels = sorted(frame["at"].unique())
    if axis == REACHED:
        figure.update_xaxes(axes.column_axis(axis, **axes.sparsity_axis(levels)))
    else:
        ticks = {"type": "log", "tickvals": levels, "ticktext": [number(v) for v in levels]}
        figure.update_xaxes(axes.column_axis(axis, **ticks))
    figure.update_yaxes(axes.column_axis(metric))
    canvas.title_legend(figure, frame["series"], table.by)
    return figure


def _places(levels: Sequence[float] | pd.Series[float], axis: str, dodge: float) -> list[float]:
    """Where levels lie on the axis, moved a little so that bars do not overlap."""
    places = [axes.compression(level) if axis == REACHED else level for level in levels]
    return [place * DODGE**dodge for place in places]


def _text(row: Any, name: str, table: Tabulation) -> str:
    factor, metric = scale(table.metric), table.metric
    sign = " %" if in_percent(metric) else ""
    text = f"{name}, {words(table.x)} {shown(table.x, row.at)}\n{words(metric)} "
    text += f"{number(row.mean * factor)}{sign}"
    if np.isfinite(row.lo):
        text += f" [{number(row.lo * factor)}, {number(row.hi * factor)}], {row.kind}"
    return f"{text}\nn = {int(row.n)}"

"""What a search is worth: the expected best of as many settings as one tries."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, in_percent, label, number, scale, words
from analysis.columns.names import config_columns, differing
from analysis.columns.roles import REPORTED, choice, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.frames.constraints import beyond_bounds
from analysis.selection.blocks import Block
from analysis.selection.contest import Contest, contest, fallen_note
from analysis.selection.series import comparable, of_series, values
from analysis.selection.tabulation import Tabulation, nothing
from analysis.stats import FEWEST_SEEDS, Candidates, best_of_table, candidates, in_hand_table
from trainables.vocabulary.wording import counted, part_counted

SETTING: Final = "setting"
NETWORK: Final = "network"

_WORTH: Final = {
    SETTING: (
        "The best of k settings, chosen by all seeds but one and scored at that one: the exact mean"
        " over which k of all were tried."
    ),
    NETWORK: (
        f"With fewer than {FEWEST_SEEDS} seeds of all settings this is what the network is worth"
        " that k trials at one seed leave in hand, chosen by its own validation: by its luck it is"
        " better than what its setting gives again. Intervals are over other searches and end"
        " where k is a twelfth of the settings."
    ),
}


def best_of_k_table(
    frame: pd.DataFrame, *, metric: str = REPORTED, by: str | None = None, at: Block | None = None
) -> Tabulation:
    """Return the expected result of the best of k settings, per contestant, in one block.

    Settings are chosen on validation. Columns: series, k, mean, lo, hi, kind, n, n_settings, worth
    (of the `setting`, over seeds; or of the `network`, where all settings of the contestant share
    fewer than three seeds, over settings). Only seeds at which as many settings were tried as at
    any count, so a confirmation takes no part. Contestants with one setting have one row.
    """
    metric = named(metric, frame)
    meet = contest(comparable(frame), by, at)
    parts = [
        of_series(table, name)
        for name in values(meet.trials, meet.by)
        if (table := _curve(meet, name, metric)) is not None
    ]
    if not parts or max(part["n_settings"].max() for part in parts) < 2:
        return nothing(f"No {words(meet.by)} was tried in several ways at one sparsity and budget.")
    table = pd.concat(parts, ignore_index=True)
    table = table[["series", *(c for c in table.columns if c != "series")]]
    worth = [_WORTH[kind] for kind in (SETTING, NETWORK) if (table["worth"] == kind).any()]
    return meet.tabulation(table, *worth, fallen_note(meet.trials), metric=metric)


def _curve(meet: Contest, name: Any, metric: str) -> pd.DataFrame | None:
    """One contestant's curve; None where nothing of it is done."""
    found = _candidates(meet.trials[meet.trials[meet.by] == name], metric)
    if found is None:
        return None
    worth = SETTING if len(found.seeds) >= FEWEST_SEEDS else NETWORK
    table = best_of_table(found) if worth == SETTING else in_hand_table(found)
    return table.assign(n_settings=len(found.names), worth=worth)


def _candidates(own: pd.DataFrame, metric: str) -> Candidates | None:
    """The settings of one contestant at the seeds at which most of them were tried."""
    among = differing(own, config_columns(own))
    within = own[~beyond_bounds(own, among, [])]
    done = within[(within["state"] == "done") & within[[choice(own), metric]].notna().all(axis=1)]
    if done.empty:
        return None
    sizes = done.groupby("seed").size()
    whole = done[done["seed"].isin(sizes.index[sizes == sizes.max()])]
    return candidates(whole, among, choice(own), metric)


def best_of_k_figure(table: Tabulation) -> go.Figure:
    """Return one line per contestant over the number of settings tried, with intervals."""
    frame, metric, title = table.frame, table.metric, "Best of as many settings as one tries"
    if frame.empty or frame["mean"].isna().all():
        return canvas.blank(title, table.notes)
    figure = canvas.canvas(title, subtitle=block_words(table.at))
    for name, style in theme.styles(frame["series"], table.by).items():
        part = frame[frame["series"] == name]
        figure.add_trace(
            canvas.scatter(
                len(frame),
                label(name),
                [_text(row, label(name), metric) for row in tuples(part)],
                x=part["k"],
                y=part["mean"] * scale(metric),
                error_y=canvas.error_bars(part, scale(metric), style.color),
                mode="lines+markers",
                line=canvas.line(style),
                marker=canvas.marker(style, 6),
            )
        )
    figure.update_xaxes(axes.axis("settings tried (count)", rangemode="tozero"))
    figure.update_yaxes(axes.column_axis(metric))
    canvas.title_legend(figure, frame["series"], table.by)
    return figure


def _text(row: Any, name: str, metric: str) -> str:
    factor, sign = scale(metric), " %" if in_percent(metric) else ""
    tried = part_counted(int(row.k), int(row.n_settings), "setting")
    text = f"{name}, {tried if row.n_settings == 1 else f'best of {tried}'}\n{words(metric)} "
    text += f"{number(row.mean * factor)}{sign}"
    if np.isfinite(row.lo):
        text += f" [{number(row.lo * factor)}, {number(row.hi * factor)}], {row.kind}"
    over = "seed" if row.worth == SETTING else "setting"
    here = "" if row.worth == SETTING else " at one seed"
    return f"{text}\nn = {counted(int(row.n), over)}{here}"

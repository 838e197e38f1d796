"""Mean ranks over blocks with Nemenyi's critical difference."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, label, number, words
from analysis.columns.roles import CHOICE, named
from analysis.drawing import axes, canvas, theme
from analysis.selection.blocks import Block
from analysis.selection.contest import Contest, contest
from analysis.selection.reached import counted_once, repeats_note
from analysis.selection.series import comparable, goal_columns
from analysis.selection.tabulation import Tabulation
from analysis.stats import CriticalDifferences, blocks, critical_differences, mean_ranks
from trainables.vocabulary.wording import counted, part_counted


def mean_ranks_of(frame: pd.DataFrame, by: str, at: Block) -> tuple[pd.Series[float], int]:
    """Return the mean ranks of `ranks_table` on validation, by contestant, and the blocks' number.

    Without the tests beside them: to import their distributions takes half a second.
    """
    meet = _meeting(comparable(frame), by, at)
    found = blocks(meet.entries, named(CHOICE, frame), meet.by, meet.keys)
    return mean_ranks(found), len(found.values)


def _meeting(trials: pd.DataFrame, by: str | None, at: Block | None) -> Contest:
    """The contestants at every sparsity and budget of one task."""
    return contest(counted_once(trials), by, at, free=goal_columns(trials))


def ranks_table(
    frame: pd.DataFrame, *, metric: str = CHOICE, by: str | None = None, at: Block | None = None
) -> Tabulation:
    """Return the contestants' mean ranks over the sparsities and budgets of one task.

    A block's value is the mean over the seeds that all contestants have done in it; goals that give
    the same masks are one block. Columns:
    entrant, mean_rank (1 is best), group (a number for each set that the critical difference does
    not tell apart, as a tuple). The table's facts are the `CriticalDifferences`. Raises
    TestSelectionError on a test metric.
    """
    metric = named(metric, frame)
    trials = comparable(frame)
    repeated = repeats_note(trials)
    meet = _meeting(trials, by, at)
    ranking = critical_differences(meet.entries, metric, meet.by, meet.keys)
    table = ranking.table.copy()
    table["group"] = [
        tuple(group for group, members in enumerate(ranking.groups) if name in members)
        for name in table["entrant"]
    ]
    fallen, *others = meet.remarks
    fair = "Ranks are by means over the seeds that all have done at a sparsity and budget."
    notes = (*_remarks(ranking), fallen, fair if fallen else "", *others, repeated)
    return meet.tabulation(table, *notes, metric=metric, facts=ranking)


def _remarks(ranking: CriticalDifferences) -> list[str]:
    n, n_dropped = ranking.n_blocks, ranking.n_dropped
    sentences = []
    if n_dropped:
        sentences.append(
            f"Left out: {part_counted(n_dropped, n + n_dropped, 'setting')}, as no seed is done by"
            " all there."
        )
    if not math.isfinite(ranking.difference):
        sentences.append("With fewer than two settings there is no critical difference.")
    if math.isfinite(ranking.p_friedman):
        sentences.append(
            f"Friedman's test over {n} settings: p = {number(ranking.p_friedman, 2)}. Those that"
            " share their dense runs are not independent, so the p is too small."
        )
    return sentences


def ranks_figure(table: Tabulation) -> go.Figure:
    """Return mean ranks, with a bar under each set of contestants that are not told apart."""
    frame, ranking = table.frame, table.facts
    title = "Mean ranks and critical difference"
    if frame.empty or not ranking.n_blocks:
        undone = ["At no sparsity and budget is there a seed that all have done."]
        return canvas.blank(title, table.notes if frame.empty else undone)
    if len(frame) < 2:
        return canvas.blank(title, ["There is only one to rank."])
    n_groups = len(ranking.groups)
    height = 220 + 26 * len(frame) + 12 * n_groups
    figure = canvas.canvas(title, height=height, subtitle=_subtitle(table))
    labels = [label(name) for name in frame["entrant"]]
    styles = theme.styles(frame["entrant"], table.by)
    figure.add_trace(
        canvas.scatter(
            len(frame),
            hover=[
                f"{name}\nmean rank {rank:.2f} over {counted(ranking.n_blocks, 'setting')}"
                for name, rank in zip(labels, frame["mean_rank"], strict=True)
            ],
            x=frame["mean_rank"],
            y=list(range(len(frame))),
            mode="markers+text",
            text=[f"  {rank:.2f}" for rank in frame["mean_rank"]],
            textposition="middle right",
            marker={
                "color": [styles[name].color for name in frame["entrant"]],
                "symbol": [styles[name].symbol for name in frame["entrant"]],
                "size": 12,
            },
            showlegend=False,
        )
    )
    for group in range(n_groups):
        _add_group(figure, frame[[group in groups for groups in frame["group"]]], group, len(frame))
    figure.update_xaxes(axes.axis("mean rank (1 is best)", range=[0.7, len(frame) + 1], dtick=1))
    figure.update_yaxes(
        title={"text": words(table.by)},
        tickmode="array",
        tickvals=list(range(len(frame))),
        ticktext=[canvas.markup(name) for name in labels],
        range=[len(frame) - 0.3 + 0.45 * n_groups, -0.6],
        showgrid=False,
        zeroline=False,
    )
    return figure


def _subtitle(table: Tabulation) -> str:
    ranking = table.facts
    parts = [f"by {words(table.metric)}", block_words(table.at), _n(ranking)]
    if math.isfinite(ranking.difference):
        parts.append(f"critical difference {number(ranking.difference, 3)} ranks")
    return ", ".join(part for part in parts if part)


def _n(ranking: CriticalDifferences) -> str:
    return f"n = {counted(ranking.n_blocks, 'setting')}"


def _add_group(figure: go.Figure, members: pd.DataFrame, group: int, n: int) -> None:
    """A bar under all contestants, from the best to the worst mean rank of one group."""
    names = ", ".join(label(name) for name in members["entrant"])
    figure.add_trace(
        canvas.scatter(
            2,
            "no clear difference",
            [f"no clear difference: {names}"] * 2,
            "groups",
            x=[members["mean_rank"].min(), members["mean_rank"].max()],
            y=[n - 0.4 + 0.45 * group] * 2,
            mode="lines",
            line={"color": theme.DENSE.color, "width": 5},
            showlegend=group == 0,
        )
    )

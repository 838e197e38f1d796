"""Which settings matter: what explains the differences, or what tells the best from the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, number, words
from analysis.columns.names import joined
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.evidence.shares import (
    BEST_TENTH,
    EXACT,
    FEWEST,
    FOREST,
    MOST_POINTS,
    REST,
    TIMES,
    TREES,
    best_tenth,
    explained,
    is_grid,
)
from analysis.selection.blocks import Block
from analysis.selection.contest import Contest, contest, fallen_note
from analysis.selection.series import comparable, goal_columns
from analysis.selection.settings import configurations, varying
from analysis.selection.tabulation import Tabulation
from analysis.stats import require_choosable
from trainables.vocabulary.schema import METRICS

EVALUATORS: Final[dict[str, str]] = {
    "variance": "what explains the differences",
    "best-tenth": "what tells the best tenth apart (PED-ANOVA)",
}
"""The questions that may be asked, in words; the first is the default."""

_HOW: Final = {
    EXACT: (
        "Exact analysis of variance of the cell means of a complete grid, interactions included:"
        " shares add up to 1. What a setting without any effect would have on average stands in the"
        " hover text as noise."
    ),
    FOREST: (
        f"No complete grid, so fANOVA: shares of the variance of {TREES} regression trees, bars one"
        " standard deviation over trees; what settings explain only together stands as one."
    ),
    BEST_TENTH: (
        "PED-ANOVA: which settings tell the best tenth of the configurations from the rest. It is"
        " no share of the variance, and knows no interactions."
    ),
}


def importance_table(
    frame: pd.DataFrame,
    *,
    metric: str = CHOICE,
    at: Block | None = None,
    evaluator: str = "variance",
    objectives: Mapping[str, Any] | Sequence[str] = (),
) -> Tabulation:
    """Return each varying setting's share in what a metric does, in one task.

    Columns: metric, block (in words), then those of `shares.explained`. A complete grid of at most
    four settings is split exactly and whole, sparsity and budget among its settings; else shares
    are those of each sparsity and budget, as far as these have `FEWEST` configurations, and a block
    with fewer has one row without parameter. `evaluator` is one of `EVALUATORS`, the question.
    `objectives` replace the metric by several; those of which neither direction is better are left
    out. The table's fact is the question. Raises ValueError for an unknown evaluator,
    TestSelectionError on a test metric.
    """
    if evaluator not in EVALUATORS:
        raise ValueError(f"evaluator must be one of {', '.join(EVALUATORS)}, got {evaluator!r}")
    metrics = [n for n in objectives if n not in METRICS or METRICS[n].direction is not None]
    metrics = metrics or [named(metric, frame)]
    for name in metrics:
        require_choosable(name)
    trials = comparable(frame)
    meet = contest(trials, "", at, free=goal_columns(trials))
    parts = [
        part.assign(metric=name, block=block_words(block))
        for name in metrics
        for block, part in _shares(meet, name, evaluator)
    ]
    table = pd.concat(parts, ignore_index=True)[["metric", "block", *parts[0].columns[:-2]]]
    n_few = int(table["parameter"].isna().sum())
    n_blocks = len(table[["metric", "block"]].drop_duplicates())
    few = (
        f"{n_few} of {n_blocks} blocks have fewer than {FEWEST} configurations that differ, too few"
        " to say what matters."
    )
    hows = [_HOW[how] for how in dict.fromkeys(table["how"].dropna())]
    notes = (few if n_few else "", *hows, fallen_note(meet.trials), _left_out(meet.trials))
    return meet.tabulation(table, *notes, metric=metrics[0], facts=evaluator)


def _shares(
    meet: Contest, metric: str, evaluator: str
) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """The shares of each block; of a grid that is split exactly all of it is one."""
    if evaluator == "variance" and is_grid(meet.trials, metric):
        return [({}, explained(meet.trials, metric))]
    blocks = _blocks_of(meet.trials, meet.keys)
    most = max(3 * MOST_POINTS // max(len(blocks), 3), 100)
    found = []
    for block, part in blocks:
        variance = evaluator == "variance"
        shares = explained(part, metric, most) if variance else best_tenth(part, metric)
        n = configurations(part[(part["state"] == "done") & part[metric].notna()]).nunique()
        empty = pd.DataFrame([{"n": n}]).reindex(columns=shares.columns)
        found.append((block, shares if len(shares) else empty))
    return found


def _left_out(frame: pd.DataFrame) -> str:
    """A sentence on settings that only some trials have: they are not judged."""
    done = frame[frame["state"] == "done"]
    partly = [c for c in varying(done) if done[c].isna().any()]
    if not partly:
        return ""
    return f"Not judged, since only some trials have them: {joined([words(c) for c in partly])}."


def _blocks_of(
    frame: pd.DataFrame, keys: Sequence[str]
) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Blocks by as many keys, in turn, as leave each `FEWEST` configurations on average."""
    n = configurations(frame).nunique()
    kept: list[str] = []
    for key in keys:
        if n / len(frame[[*kept, key]].drop_duplicates()) >= FEWEST:
            kept.append(key)
    if not kept:
        return [({}, frame)]
    grouped = frame.groupby(kept, sort=True, dropna=False)
    return [(dict(zip(kept, key, strict=True)), part) for key, part in grouped]


def importance_figure(table: Tabulation) -> go.Figure:
    """Return bars of importance, one group per setting or interaction, one colour per block."""
    frame, title = table.frame, "Which settings matter"
    known = frame.dropna(subset=["parameter"]) if len(frame) else frame
    if known.empty:
        return canvas.blank(title, table.notes)
    order = _order(known)
    names = {term: canvas.markup(term_words(term)) for term in order}
    groups = list(known[["metric", "block"]].drop_duplicates().itertuples(index=False, name=None))
    several = known["metric"].nunique() > 1
    figure = canvas.canvas(
        title,
        height=180 + 26 * max(1, len(order) * min(len(groups), 4)),
        subtitle=f"{EVALUATORS[table.facts]}, for {joined(_metrics(known))}",
    )
    for index, (metric, block) in enumerate(groups):
        part = known[(known["metric"] == metric) & (known["block"] == block)]
        what = [words(metric)] * several + [block] * bool(block)
        name = f"{', '.join(what) or 'all trials'} (n = {int(part['n'].max())})"
        figure.add_bar(
            y=[names[term] for term in part["parameter"]],
            x=part["importance"],
            orientation="h",
            name=canvas.markup(name),
            marker={"color": theme.slot(index).color},
            error_x=_bars(part),
            hovertext=[canvas.markup(_text(row, name)) for row in tuples(part)],
            hoverinfo="text",
        )
    figure.update_xaxes(axes.axis("importance (share of 1)", rangemode="tozero"))
    figure.update_yaxes(
        axes.axis("", type="category", categoryorder="array", categoryarray=list(names.values()))
    )
    return figure


def _order(known: pd.DataFrame) -> list[str]:
    """Terms from the bottom up: interactions below settings, each by their mean share."""
    means = known.groupby("parameter").agg(share=("importance", "mean"), order=("order", "max"))
    return means.sort_values(["order", "share"], ascending=[False, True]).index.tolist()


def _metrics(known: pd.DataFrame) -> list[str]:
    return [words(name) for name in dict.fromkeys(known["metric"])]


def _bars(part: pd.DataFrame) -> dict[str, Any] | None:
    if part["spread"].isna().all():
        return None
    return {"type": "data", "array": part["spread"], "thickness": 1.2, "width": 3}


def term_words(term: str) -> str:
    """Return a setting, or several that act together, in words."""
    return term if term == REST else TIMES.join(words(name) for name in term.split(TIMES))


def _text(row: Any, name: str) -> str:
    lines = [term_words(row.parameter), name, f"share {number(row.importance, 3)}, {row.how}"]
    if row.spread >= 0:
        lines.append(f"standard deviation over trees {number(row.spread, 2)}")
    if row.noise >= 0:
        lines.append(f"noise alone would give {number(row.noise, 2)}")
    if row.p >= 0:
        lines.append(f"p = {number(row.p, 2)}, {int(row.n_seeds)} seeds")
    return "\n".join(lines)

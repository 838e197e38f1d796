"""Which settings matter: what explains the differences, or what tells the best from the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, number, words
from analysis.columns.names import joined, or_none
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
from analysis.selection.blocks import Block, block_rows
from analysis.selection.contest import Contest, contest, fallen_note
from analysis.selection.series import SPARSITY, comparable, goal_columns
from analysis.selection.settings import configurations, varying
from analysis.selection.tabulation import Tabulation
from analysis.stats import require_choosable
from trainables.vocabulary.schema import METRICS
from trainables.vocabulary.wording import part_counted

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


ARE_SETTINGS: Final = frozenset({"sparsity", "retrain_epochs"})
"""Objectives that are settings themselves: what explains them is no question."""


def importance_table(
    frame: pd.DataFrame,
    *,
    metric: str = CHOICE,
    at: Block | None = None,
    evaluator: str = "variance",
    objectives: Mapping[str, Any] | Sequence[str] = (),
) -> Tabulation:
    """Return each varying setting's share in what a metric does, in one task.

    Columns: metric, block (in words), sparsity and budget (of the block, missing where it fixes
    none), then those of `shares.explained`. A complete grid of at most
    four settings is split exactly and whole, sparsity and budget among its settings; else shares
    are those of each sparsity and budget, as far as these have `FEWEST` configurations, and a block
    with fewer has one row without parameter. `evaluator` is one of `EVALUATORS`, the question.
    `objectives` replace the metric by several; those of which neither direction is better are left
    out. The table's fact is the question. Raises ValueError for an unknown evaluator,
    TestSelectionError on a test metric.
    """
    if evaluator not in EVALUATORS:
        raise ValueError(f"evaluator must be one of {', '.join(EVALUATORS)}, got {evaluator!r}")
    given = {n: n in METRICS and METRICS[n].direction is None for n in objectives}
    metrics = [n for n, neither in given.items() if not neither and n not in ARE_SETTINGS]
    metrics = metrics or [named(metric, frame)]
    for name in metrics:
        require_choosable(name)
    trials = comparable(frame)
    meet = contest(trials, "", at, free=goal_columns(trials))
    parts = [
        part.assign(metric=name, block=block_words(block), **_goals(meet, block))
        for name in metrics
        for block, part in _shares(meet, name, evaluator)
    ]
    first = ["metric", "block", "sparsity", "budget"]
    table = pd.concat(parts, ignore_index=True)
    table = table[[*first, *(c for c in table.columns if c not in first)]]
    n_few = int(table["parameter"].isna().sum())
    n_blocks = len(table[["metric", "block"]].drop_duplicates())
    few = (
        f"In {part_counted(n_few, n_blocks, 'setting')} fewer than {FEWEST} configurations differ,"
        " too few to say what matters."
    )
    hows = [_HOW[how] for how in dict.fromkeys(table["how"].dropna())]
    notes = (
        few if n_few else "",
        _without_panel(objectives),
        *hows,
        fallen_note(meet.trials),
        _left_out(meet.trials),
    )
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


def _without_panel(objectives: Iterable[str]) -> str:
    """A sentence on objectives that are settings themselves."""
    settings = [words(name) for name in objectives if name in ARE_SETTINGS]
    if not settings:
        return ""
    return f"There is no panel for {joined(settings)}: what is set needs no explanation."


def _goals(meet: Contest, block: Mapping[str, Any]) -> dict[str, float]:
    return {
        "sparsity": block.get(SPARSITY, float("nan")),
        "budget": block.get(meet.budget, float("nan")),
    }


def _left_out(frame: pd.DataFrame) -> str:
    """A sentence on settings that only some trials have: they are not judged."""
    done = frame[frame["state"] == "done"]
    partly = [c for c in varying(done) if done[c].isna().any()]
    names = list(dict.fromkeys(words(c) for c in partly))
    if not partly:
        return ""
    return f"Not judged, since only some trials have them: {joined(names)}."


def _blocks_of(
    frame: pd.DataFrame, keys: Sequence[str]
) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Blocks by as many keys, in turn, as leave each `FEWEST` configurations on average."""
    n = configurations(frame).nunique()
    kept: list[str] = []
    for key in keys if n else ():
        if n / len(frame[[*kept, key]].drop_duplicates()) >= FEWEST:
            kept.append(key)
    if not kept:
        return [({}, frame)]
    return [(block, frame.iloc[rows]) for block, rows in block_rows(frame[kept])]


GAP: Final = 54
"""Pixels between the panels of two metrics: an axis, and the words above the next."""


def importance_figure(table: Tabulation) -> go.Figure:
    """Return bars of importance: one panel per metric, one colour per sparsity and budget."""
    frame, title = table.frame, "Which settings matter"
    known = frame.dropna(subset=["parameter"]) if len(frame) else frame
    if known.empty:
        return canvas.blank(title, table.notes)
    metrics = list(dict.fromkeys(known["metric"]))
    places = known.drop_duplicates("block")
    keys = [(or_none(row.sparsity), or_none(row.budget)) for row in tuples(places)]
    styles = dict(zip(places["block"], theme.place_styles(keys), strict=True))
    parts = [known[known["metric"] == metric] for metric in metrics]
    heights = [26 * max(2, part["parameter"].nunique() * min(len(styles), 4)) for part in parts]
    whole = sum(heights) + GAP * (len(metrics) - 1)
    subtitle = f"{EVALUATORS[table.facts]}, for {joined(list(map(words, metrics)))}"
    figure = canvas.canvas(title, height=180 + whole, subtitle=subtitle)
    figure.update_layout(meta={"min_width": NARROWEST})
    top = 1.0
    for index, (part, height) in enumerate(zip(parts, heights, strict=True)):
        domain = [max(0.0, top - height / whole), top]
        _add_panel(figure, part, styles, index, domain)
        top = domain[0] - GAP / whole
    if len(styles) > 1:
        for block, style in styles.items():
            canvas.add_key(figure, block or "all trials", "square", 11, style.color)
    return figure


NARROWEST: Final = 520
"""With fewer pixels across the names of terms would leave the bars no room."""


def _add_panel(
    figure: go.Figure,
    part: pd.DataFrame,
    styles: Mapping[str, theme.Style],
    index: int,
    domain: list[float],
) -> None:
    """The bars of one metric, with axes of their own."""
    number_of = str(index + 1) if index else ""
    metric = part["metric"].iloc[0]
    names = {term: canvas.markup(term_words(term)) for term in _order(part)}
    for block, rows in part.groupby("block", sort=False):
        who = ", ".join([words(metric), *([str(block)] if block else [])])
        name = f"{who} (n = {int(rows['n'].max())})"
        figure.add_bar(
            y=[names[term] for term in rows["parameter"]],
            x=100 * rows["importance"],
            xaxis=f"x{number_of}",
            yaxis=f"y{number_of}",
            orientation="h",
            name=canvas.markup(name),
            showlegend=False,
            marker={"color": styles[str(block)].color},
            error_x=_bars(rows),
            hovertext=[canvas.markup(_text(row, name)) for row in tuples(rows)],
            hoverinfo="text",
        )
    share = axes.axis(_unit(part), rangemode="tozero", anchor=f"y{number_of}")
    terms = axes.axis(
        "", type="category", categoryorder="array", categoryarray=list(names.values()),
        anchor=f"x{number_of}", domain=domain,
    )  # fmt: skip
    figure.update_layout({f"xaxis{number_of}": share, f"yaxis{number_of}": terms})
    n = sorted({int(n) for n in part["n"]})
    size = f"n = {n[0]}" + (f" to {n[-1]}" if n[0] < n[-1] else "")
    figure.add_annotation(
        text=canvas.markup(f"{words(metric)}, {size}"), x=1, y=domain[1],
        xref="paper", yref="paper", xanchor="right", yanchor="bottom", showarrow=False,
    )  # fmt: skip


def _order(known: pd.DataFrame) -> list[str]:
    """Terms from the bottom up: interactions below settings, each by their mean share."""
    means = known.groupby("parameter").agg(share=("importance", "mean"), order=("order", "max"))
    return means.sort_values(["order", "share"], ascending=[False, True]).index.tolist()


def _unit(part: pd.DataFrame) -> str:
    """The words of the axis: of PED-ANOVA a share is none of the variance."""
    return "importance (%)" if set(part["how"]) == {BEST_TENTH} else "share of the variance (%)"


def _bars(part: pd.DataFrame) -> dict[str, Any] | None:
    """One standard deviation in per cent, cut at 0 and 100: no share lies beyond."""
    if part["spread"].isna().all():
        return None
    below = part[["spread", "importance"]].min(axis=1).clip(lower=0.0)
    above = part["spread"].clip(upper=1.0 - part["importance"])
    return {
        "type": "data", "symmetric": False, "array": 100 * above, "arrayminus": 100 * below,
        "thickness": 1.2, "width": 3,
    }  # fmt: skip


def term_words(term: str) -> str:
    """Return a setting, or several that act together, in words."""
    return term if term == REST else TIMES.join(words(name) for name in term.split(TIMES))


def _text(row: Any, name: str) -> str:
    share = f"{number(100 * row.importance, 3)} %, {row.how}"
    lines = [term_words(row.parameter), name, share]
    if row.spread >= 0:
        lines.append(f"standard deviation over trees {number(100 * row.spread, 2)} points")
    if row.noise >= 0:
        lines.append(f"noise alone would give {number(100 * row.noise, 2)} %")
    if row.p >= 0:
        lines.append(f"p = {number(row.p, 2)}, {int(row.n_seeds)} seeds")
    return "\n".join(lines)

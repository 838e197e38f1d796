"""What one contestant gains over each rival: paired differences over blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    axis_title,
    block_words,
    in_percent,
    label,
    number,
    points,
    scale,
    shown,
    words,
)
from analysis.columns.names import codes
from analysis.columns.roles import REPORTED, named
from analysis.columns.rows import records, tuples
from analysis.drawing import axes, canvas
from analysis.selection.blocks import Block
from analysis.selection.contest import SELF_CHOSEN_NOTE, Contest, contest
from analysis.selection.leaders import overall_leader
from analysis.selection.series import SPARSITY, comparable, goal_columns, values
from analysis.selection.stand_ins import CHOSEN_ELSEWHERE, SELF_CHOSEN
from analysis.selection.tabulation import Tabulation, nothing
from analysis.stats import interval
from analysis.stats.intervals import BY_CHOICES
from trainables.vocabulary import schema
from trainables.vocabulary.wording import counted

MANY_BLOCKS: Final = 24

LEADS: Final = (
    "{name} leads on validation over all settings here. These very seeds chose it, so its gains are"
    " a little too good."
)


def subject_of(meet: Contest, of: Any = None) -> Any:
    """Return the contestant whose gain is meant: `of`, else who leads on validation.

    None where nobody is done; ValueError when `of` is no contestant.
    """
    contestants = values(meet.entries, meet.by)
    if of is not None and of not in contestants:
        raise ValueError(f"of must be one of {', '.join(map(str, contestants))}, got {of!r}")
    return overall_leader(meet) if of is None else of


def gains_table(
    frame: pd.DataFrame,
    *,
    metric: str = REPORTED,
    by: str | None = None,
    of: Any = None,
    at: Block | None = None,
) -> Tabulation:
    """Return the mean paired difference, `of` minus rival, per rival and block of one task.

    Columns: rival, the block's columns, mean, lo, hi (95 %, Student's t over pairs), n
    (pairs), n_unpaired, n_failed, n_diverged. Pairs share seed, task, sparsity and budget; where a
    metric is better when lower the sign is turned, so that a positive number is always a gain. Of
    several configurations one stands that the other seeds choose, and the interval allows for
    that; at a seed that chose for itself there is no pair. The table's fact is the contestant
    whose gain it is: who leads on validation over all blocks, unless `of` names another.
    """
    metric = named(metric, frame)
    trials = comparable(frame)
    meet = contest(trials, by, at, free=goal_columns(trials))
    if of in set(values(trials, meet.by)) - set(values(meet.entries, meet.by)):
        return nothing(f"{shown(meet.by, of)} was not tried with {block_words(meet.at)}.")
    subject = subject_of(meet, of)
    if subject is None:
        return nothing("No trial here is done.")
    table = _differences(meet, metric, subject)
    alone = f"Only one {words(meet.by)} was tried: there is no rival."
    leads = LEADS.format(name=shown(meet.by, subject)) if of is None else ""
    notes = (alone,) if table.empty else (CELLS, leads, *meet.remarks)
    about = {"metric": metric, "facts": subject, "chosen": {"of": subject}}
    return meet.tabulation(table, *notes, **about)


CELLS: Final = (
    "Below each gain stands half its 95 % interval (Student's t over pairs): where that is larger"
    " than the gain, the sign is not known. Colours grow with the root of a gain, so that small"
    " ones are seen beside large ones."
)


def _differences(meet: Contest, metric: str, subject: Any) -> pd.DataFrame:
    """Mean differences of every rival and block: as `stats.pairs`, for all of them at once."""
    series, keys = meet.by, list(meet.keys)
    stood = [SELF_CHOSEN, CHOSEN_ELSEWHERE]
    trials = meet.entries[[series, *keys, "seed", "state", metric, *stood]]
    done = trials[(trials["state"] == "done") & trials[metric].notna() & ~trials[SELF_CHOSEN]]
    of = done[done[series] == subject][[*keys, "seed", metric]]
    rival = done[done[series] != subject][[series, *keys, "seed", metric]]
    matched = rival.merge(of, on=[*keys, "seed"], suffixes=("", "_of"))
    sign = -1.0 if schema.metric(metric).direction == "min" else 1.0
    matched["_gain"] = sign * (matched[f"{metric}_of"] - matched[metric])
    cell_keys = [series, *keys]
    gains = {key: part.to_numpy() for key, part in matched.groupby(cell_keys)["_gain"]}
    ended = _endings(trials, metric, cell_keys)
    met = trials[keys].dropna().drop_duplicates().sort_values(keys, key=codes, kind="stable")
    blocks = [tuple(row) for row in met.itertuples(index=False)]
    rivals = [name for name in values(trials, series) if name != subject]
    choices = _choices(trials, [series, *keys])
    cells = [(name, *block) for name in rivals for block in blocks]
    samples = [np.asarray(gains.get(cell, []), dtype=float) for cell in cells]
    kinds = [BY_CHOICES[choices.get(c, 0) + choices.get((subject, *c[1:]), 0)] for c in cells]
    spans = [interval(sample, kind=kind) for sample, kind in zip(samples, kinds, strict=True)]
    rows = [
        {
            **dict(zip(["rival", *keys], cell, strict=True)),
            "mean": sample.mean() if len(sample) else np.nan,
            "lo": span.lo,
            "hi": span.hi,
            "n": len(sample),
            "n_unpaired": int(both["done"] - 2 * len(sample)),
            "n_failed": int(both["failed"]),
            "n_diverged": int(both["diverged"]),
        }
        for cell, sample, span in zip(cells, samples, spans, strict=True)
        for both in [_of(ended, cell) + _of(ended, (subject, *cell[1:]))]
    ]
    return pd.DataFrame(rows)


def _choices(trials: pd.DataFrame, keys: list[str]) -> dict[tuple[Any, ...], int]:
    """How many choices of the other seeds, none or one, are in a series' values in a block."""
    chosen = trials.groupby(keys)[CHOSEN_ELSEWHERE].max()
    return {key if isinstance(key, tuple) else (key,): int(one) for key, one in chosen.items()}


def _endings(trials: pd.DataFrame, metric: str, keys: list[str]) -> pd.DataFrame:
    """How many trials of each series and block are done, failed and diverged."""
    ended = {state: trials["state"] == state for state in ("done", "failed", "diverged")}
    ended["done"] &= trials[metric].notna()
    return trials[keys].assign(**ended).groupby(keys)[list(ended)].sum()


def _of(ended: pd.DataFrame, cell: tuple[Any, ...]) -> pd.Series[int]:
    """One row of `_endings`, zeros where there is none."""
    return ended.loc[cell] if cell in ended.index else pd.Series(0, index=ended.columns)


def gains_figure(table: Tabulation) -> go.Figure:
    """Return a heat map, rivals by blocks, diverging around zero; n is in every cell's hover."""
    frame, keys, metric = table.frame, list(table.keys), table.metric
    if frame.empty or not frame["n"].any():
        unknown = [SELF_CHOSEN_NOTE] if any(SELF_CHOSEN_NOTE in n for n in table.notes) else []
        why = table.notes if frame.empty else unknown or ["No seed has both of them done."]
        return canvas.blank("Gain over each rival", why)
    title = f"Gain of {shown(table.by, table.facts)} over each rival"
    labels = [_block_label(row, keys) for row in records(frame[keys])]
    columns, rivals = list(dict.fromkeys(labels)), list(dict.fromkeys(frame["rival"]))[::-1]
    if len(columns) > MANY_BLOCKS:
        return canvas.blank(
            title, [f"{len(columns)} settings are too many for a heat map: narrow the study."]
        )
    cells = {(row.rival, name): row for row, name in zip(tuples(frame), labels, strict=True)}
    blocks = records(frame[keys].drop_duplicates())
    grid = [[cells[rival, column] for column in columns] for rival in rivals]
    factor = scale(metric)
    limit = float(np.nanmax(np.abs(frame["mean"].to_numpy(dtype=float)))) * factor or 1.0
    height = 200 + 54 * len(rivals)
    figure = canvas.canvas(title, height=height, subtitle=block_words(table.at))
    figure.add_heatmap(
        x=[canvas.markup(column) for column in columns],
        y=[canvas.markup(f"{label(name)} ") for name in rivals],
        z=[[_signed_root(cell.mean * factor) for cell in line] for line in grid],
        text=[[canvas.markup(_cell(cell, metric)) for cell in line] for line in grid],
        texttemplate="%{text}",
        customdata=[
            [
                canvas.markup(_hover(cell, block_words(block), table))
                for cell, block in zip(line, blocks, strict=True)
            ]
            for line in grid
        ],
        hovertemplate="%{customdata}<extra></extra>",
        xgap=3,
        ygap=3,
        coloraxis="coloraxis2",
    )
    bar = axes.flat_bar(canvas.difference_title("gain", metric))
    figure.update_layout(
        coloraxis2={
            "cmin": -_signed_root(limit), "cmax": _signed_root(limit),
            "colorbar": {**bar, **_ticks(limit)},
        }
    )  # fmt: skip
    lines = "\n".join(axis_title(key) for key in _by_sparsity(keys))
    figure.update_xaxes(axes.axis(lines, type="category", ticks="", tickangle=0))
    figure.update_yaxes(axes.axis(words(table.by), type="category", ticks="", showgrid=False))
    return figure


def _signed_root(gain: float) -> float:
    """The place of a gain on the scale of colours: a quarter of the largest has half its colour."""
    return math.copysign(math.sqrt(abs(gain)), gain)


def _ticks(limit: float) -> dict[str, Any]:
    """Ticks of the colour bar in gains, evenly over the colours: of 24 these are 6 and 24."""
    gains = [-limit, -limit / 4, 0.0, limit / 4, limit]
    texts = [number(gain, 2) for gain in gains]
    return {"tickvals": [_signed_root(gain) for gain in gains], "ticktext": texts}


def _block_label(block: Mapping[str, Any], keys: list[str]) -> str:
    """The block's numbers, one under the other: units stand in the axis title."""
    return "\n".join(
        number(block[key] * scale(key)) if isinstance(block[key], float) else label(block[key])
        for key in _by_sparsity(keys)
    )


def _by_sparsity(keys: list[str]) -> list[str]:
    return sorted(keys, key=lambda key: key != SPARSITY)


def _cell(cell: Any, metric: str) -> str:
    """A gain over half its interval; how few pairs there are where these give none."""
    if not cell.n > 0:
        return "no pair"
    percent = in_percent(metric)
    gain = points(cell.mean) if percent else number(cell.mean, 2)
    if not np.isfinite(cell.lo):
        return f"{gain}\n{counted(int(cell.n), 'pair')}"
    half = (cell.hi - cell.lo) / 2 * scale(metric)
    return f"{gain}\n± {half:.1f}" if percent else f"{gain}\n± {number(half, 2)}"


def _hover(cell: Any, where: str, table: Tabulation) -> str:
    head = f"{shown(table.by, table.facts)} over {shown(table.by, cell.rival)}\n{where}"
    if not cell.n > 0:
        return f"{head}\nno pair of seeds"
    unpaired = f"\n{cell.n_unpaired} unpaired" if cell.n_unpaired else ""
    amount = canvas.difference_text(table.metric, cell.mean, cell.lo, cell.hi, int(cell.n))
    return f"{head}\n{amount}{unpaired}"

"""What one contestant gains over each rival: paired differences, over blocks and seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    axis_title,
    in_percent,
    label,
    number,
    place,
    points,
    scale,
    shown,
    unit,
    words,
)
from analysis.drawing import canvas, theme
from analysis.selection.blocks import (
    SPARSITY,
    block_columns,
    block_of,
    comparable,
    described,
    fallen_note,
    inside,
    noted,
    notes,
    records,
    series_column,
    stand_ins,
    told,
    tuned_note,
    tuples,
    values,
)
from analysis.stats import intervals
from trainables.vocabulary import schema

SUBJECTS: Final = ("allr", "bimp")
"""Whose gain is asked for unless another is named; else the last contestant's."""

MANY_BLOCKS: Final = 24


def subject_of(contestants: list[Any], of: Any = None) -> Any:
    """Return the contestant whose gain is meant; ValueError when `of` is none of them."""
    if of is not None and of not in contestants:
        raise ValueError(f"of must be one of {', '.join(map(str, contestants))}, got {of!r}")
    if of is not None:
        return of
    return next((name for name in SUBJECTS if name in contestants), contestants[-1])


def gains_table(
    frame: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    by: str | None = None,
    of: Any = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return the mean paired difference, `of` minus rival, per rival and block of one task.

    Columns: rival, the block's columns, mean, lo, hi (95 %, Student's t over pairs), n
    (pairs), n_unpaired, n_failed, n_diverged. Pairs share seed, task, sparsity and budget; where a
    metric is better when lower the sign is turned, so that a positive number is always a gain.
    """
    trials = comparable(frame)
    series = by or series_column(trials)
    columns = block_columns(trials, series)
    task = block_of(trials, [c for c in columns if c.startswith("task")], at)
    here = inside(trials, task)
    chosen = stand_ins(here, series, columns)
    contestants = values(chosen, series)
    subject = subject_of(contestants, of) if contestants else None
    keys = [c for c in columns if c not in task]
    table = _differences(chosen[[series, *keys, "seed", "state", metric]], metric, subject, keys)
    described(table, metric=metric, by=series, of=subject, at=task, keys=keys)
    if table.empty:
        return noted(table, f"Only one {words(series)} was tried: there is no rival.")
    return noted(table, fallen_note(chosen), tuned_note(chosen, series))


def _differences(trials: pd.DataFrame, metric: str, subject: Any, keys: list[str]) -> pd.DataFrame:
    """Mean differences of every rival and block; the first column of `trials` holds the series.

    As `stats.pairs`, for all rivals and blocks at once.
    """
    series = str(trials.columns[0])
    done = trials[(trials["state"] == "done") & trials[metric].notna()]
    of = done[done[series] == subject][[*keys, "seed", metric]]
    rival = done[done[series] != subject][[series, *keys, "seed", metric]]
    matched = rival.merge(of, on=[*keys, "seed"], suffixes=("", "_of"))
    sign = -1.0 if schema.metric(metric).direction == "min" else 1.0
    matched["_gain"] = sign * (matched[f"{metric}_of"] - matched[metric])
    places = [series, *keys]
    gains = {key: part.to_numpy() for key, part in matched.groupby(places)["_gain"]}
    ended = _endings(trials, metric, places)
    met = trials[keys].dropna().drop_duplicates().sort_values(keys)
    blocks = [tuple(row) for row in met.itertuples(index=False)]
    rivals = [name for name in values(trials, series) if name != subject]
    cells = [(name, *block) for name in rivals for block in blocks]
    samples = [np.asarray(gains.get(cell, []), dtype=float) for cell in cells]
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
        for cell, sample, span in zip(cells, samples, intervals(samples), strict=True)
        for both in [_of(ended, cell) + _of(ended, (subject, *cell[1:]))]
    ]
    return pd.DataFrame(rows)


def _endings(trials: pd.DataFrame, metric: str, places: list[str]) -> pd.DataFrame:
    """How many trials of each series and block are done, failed and diverged."""
    ended = {state: trials["state"] == state for state in ("done", "failed", "diverged")}
    ended["done"] &= trials[metric].notna()
    return trials[places].assign(**ended).groupby(places)[list(ended)].sum()


def _of(ended: pd.DataFrame, cell: tuple[Any, ...]) -> pd.Series[int]:
    """One row of `_endings`, zeros where there is none."""
    return ended.loc[cell] if cell in ended.index else pd.Series(0, index=ended.columns)


def gains_figure(table: pd.DataFrame) -> go.Figure:
    """Return a heat map, rivals by blocks, diverging around zero; n is in every cell's hover."""
    if table.empty or not table["n"].any():
        why = notes(table) if table.empty else ["No seed has both contestants done."]
        return canvas.blank("Gain over each rival", why)
    about = told(table)
    title = f"Gain of {shown(about['by'], about['of'])} over each rival"
    labels = [_block_label(row, about["keys"]) for row in records(table[about["keys"]])]
    columns, rivals = list(dict.fromkeys(labels)), list(dict.fromkeys(table["rival"]))[::-1]
    if len(columns) > MANY_BLOCKS:
        return canvas.blank(
            title, [f"{len(columns)} blocks are too many for a heat map: narrow the study."]
        )
    cells = {(row.rival, label): row for row, label in zip(tuples(table), labels, strict=True)}
    blocks = records(table[about["keys"]].drop_duplicates())
    grid = [[cells[rival, label] for label in columns] for rival in rivals]
    factor = scale(about["metric"])
    limit = float(np.nanmax(np.abs(table["mean"].to_numpy(dtype=float)))) * factor or 1.0
    figure = canvas.canvas(title, height=200 + 46 * len(rivals), subtitle=place(about["at"]))
    figure.add_heatmap(
        x=columns,
        y=[f"{label(name)} " for name in rivals],
        z=[[cell.mean * factor for cell in line] for line in grid],
        text=[[_cell(cell, about["metric"]) for cell in line] for line in grid],
        texttemplate="%{text}",
        customdata=[
            [_hover(cell, place(block), about) for cell, block in zip(line, blocks, strict=True)]
            for line in grid
        ],
        hovertemplate="%{customdata}<extra></extra>",
        xgap=3,
        ygap=3,
        coloraxis="coloraxis2",
    )
    sign = "points of %" if in_percent(about["metric"]) else unit(about["metric"])
    figure.update_layout(
        coloraxis2={"cmin": -limit, "cmax": limit, "colorbar": canvas.flat_bar(f"gain ({sign})")}
    )
    lines = "<br>".join(axis_title(key) for key in _by_sparsity(about["keys"]))
    figure.update_xaxes(title=lines, type="category", ticks="", tickangle=0)
    figure.update_yaxes(title=words(about["by"]), type="category", ticks="", showgrid=False)
    return figure


def _block_label(block: Mapping[str, Any], keys: list[str]) -> str:
    """The block's numbers, one under the other: units stand in the axis title."""
    parts = [block[key] for key in _by_sparsity(keys)]
    return "<br>".join(
        number(value * scale(key)) if isinstance(value, float) else label(value)
        for key, value in zip(_by_sparsity(keys), parts, strict=True)
    )


def _by_sparsity(keys: list[str]) -> list[str]:
    return sorted(keys, key=lambda key: key != SPARSITY)


def _cell(cell: Any, metric: str) -> str:
    if not cell.n > 0:
        return "no pair"
    return points(cell.mean) if in_percent(metric) else number(cell.mean, 2)


def _hover(cell: Any, where: str, about: Mapping[str, Any]) -> str:
    head = f"{shown(about['by'], about['of'])} over {shown(about['by'], cell.rival)}"
    if not cell.n > 0:
        return f"{head}<br>{where}<br>no pair of seeds"
    said = _amount(cell, about["metric"])
    unpaired = f"<br>{cell.n_unpaired} unpaired" if cell.n_unpaired else ""
    return f"{head}<br>{where}<br>{said}{unpaired}"


def _amount(cell: Any, metric: str) -> str:
    if in_percent(metric):
        return canvas.difference_text(cell.mean, cell.lo, cell.hi, int(cell.n))
    return f"{number(cell.mean)} {unit(metric)}, n = {int(cell.n)}"


def paired_seeds_table(
    frame: pd.DataFrame,
    *,
    metric: str = "test_accuracy",
    by: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return a metric per series and seed in one block: columns series, seed, state, value.

    The value of a trial that is not done is missing.
    """
    trials = comparable(frame)
    series = by or series_column(trials)
    block = block_of(trials, block_columns(trials, series), at)
    chosen = stand_ins(inside(trials, block), series, [])
    order = {name: place for place, name in enumerate(values(chosen, series))}
    table = pd.DataFrame(
        {
            "series": chosen[series],
            "seed": chosen["seed"],
            "state": chosen["state"],
            "value": chosen[metric].where(chosen["state"] == "done").astype(float),
        }
    )
    table = table.sort_values("seed", kind="stable").sort_values(
        "series", key=lambda column: column.map(order), kind="stable", ignore_index=True
    )
    described(table, metric=metric, by=series, at=block)
    return noted(table, fallen_note(chosen), tuned_note(chosen, series))


def paired_seeds_figure(table: pd.DataFrame) -> go.Figure:
    """Return one grey line a seed across the series, and each series' mean as a bar with its n."""
    metric = table.attrs.get("metric", "test_accuracy")
    title = f"{words(metric).capitalize()} seed by seed"
    done = table.dropna(subset=["value"]) if len(table) else table
    if done.empty:
        return canvas.blank(title, notes(table) if table.empty else ["No trial here is done."])
    figure = canvas.canvas(title, subtitle=place(table.attrs["at"]))
    named = theme.styles(table["series"], table.attrs["by"])
    axis = {name: f"{label(name)}<br>n={(done['series'] == name).sum()}" for name in named}
    for seed, part in done.groupby("seed", sort=True):
        figure.add_scatter(
            x=[axis[name] for name in part["series"]],
            y=part["value"] * scale(metric),
            mode="lines+markers",
            line={"color": theme.DENSE.color, "width": 1},
            marker={
                "color": [named[name].color for name in part["series"]],
                "symbol": [named[name].symbol for name in part["series"]],
                "size": 9,
            },
            name=f"seed {seed}",
            showlegend=False,
            hovertext=[
                f"seed {seed}, {label(row.series)}<br>{words(metric)} {shown(metric, row.value)}"
                for row in tuples(part)
            ],
            hoverinfo="text",
        )
    _add_means(figure, done, axis, metric)
    figure.update_xaxes(
        title=words(table.attrs["by"]), type="category", categoryorder="array",
        categoryarray=list(axis.values()),
        autotickangles=[0, -45, -90],
    )  # fmt: skip
    figure.update_yaxes(title=axis_title(metric))
    return figure


def _add_means(figure: go.Figure, done: pd.DataFrame, axis: Mapping[Any, str], metric: str) -> None:
    means = done.groupby("series", sort=False)["value"].agg(["mean", "std", "count"])
    figure.add_scatter(
        x=[axis[name] for name in means.index],
        y=means["mean"] * scale(metric),
        mode="markers",
        name="mean over seeds",
        marker={"symbol": "line-ew", "size": 26, "line": {"width": 3, "color": theme.DENSE.color}},
        hovertext=[
            f"{label(name)}<br>mean {words(metric)} {shown(metric, row['mean'])}<br>"
            f"standard deviation {number(row['std'] * scale(metric), 2)}, n = {int(row['count'])}"
            for name, row in means.iterrows()
        ],
        hoverinfo="text",
    )

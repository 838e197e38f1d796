"""Configurations that no other beats in every objective, over any two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.labels import brief, label, shown, words
from analysis.columns.names import is_missing, joined, require_columns
from analysis.frames.constraints import beyond_bounds
from analysis.fronts.axes import FrontAxes, Fronts, bounds_of, front_axes
from analysis.fronts.drawing import front_figure
from analysis.selection.contest import fallen_note
from analysis.selection.series import comparable, series_column
from analysis.selection.settings import configurations, varying, without_synonyms
from analysis.selection.tabulation import Tabulation, nothing
from analysis.stats import FEWEST_SEEDS, non_dominated
from analysis.stats.fronts import end, knee
from analysis.stats.intervals import Floats
from analysis.stats.spread import summaries
from trainables.vocabulary.schema import Direction

__all__ = ["configuration_means", "pareto_figure", "pareto_table"]

pareto_figure = front_figure

_SEARCH: Final = ("origin.search", "origin.block")
_SAID: Final[Mapping[str, str]] = {
    "prune.sparsity": "sparsity", "retrain.epochs": "retrain_epochs", "budget.epochs": "epochs",
}  # fmt: skip
"""Settings that a measure says already."""

NAMED: Final = (
    "Named are the ends of the front and the compromise nearest to the best of all at once."
)

MANY_SETTINGS: Final = 3
"""A label names so many settings."""


def pareto_table(
    frame: pd.DataFrame,
    *,
    x: str | None = None,
    y: str | None = None,
    level: str | None = None,
    by: str | None = None,
    objectives: Mapping[str, Direction] | tuple[str, ...] | None = None,
) -> Tabulation:
    """Return each configuration's mean objectives over its done seeds, and who is on the front.

    The objectives are what lies across, upwards, and what tells several fronts apart, as far as one
    way is better: those of `objectives` unless `x`, `y` and `level` name others (`level` "none"
    draws a single front). A configuration with a trial that is not done is not on the front, nor
    does it keep another off it: a mean over the seeds that survived flatters. Nor is one beyond the
    bounds of its search, where its block has one within.

    Columns: series, one per axis, n, front (in all objectives), bound (the level that it belongs
    to; missing without levels), lo and hi of each axis (`x_lo` ..., the 95 % interval over seeds;
    of those on the front alone), label (the settings of the ends and of the knee, else ""), and the
    varying configuration. The facts are `Fronts`. Raises as `front_axes.directions`.
    """
    trials = comparable(frame)
    axes = front_axes(trials, objectives, x, y, level)
    if len(set(axes.columns)) < len(axes.columns):
        return nothing("A front needs two objectives, and these are the same.")
    require_columns(trials, axes.columns)
    series = by or series_column(trials)
    table = configuration_means(trials, axes.columns, series)
    standing = table.pop("standing").to_numpy(dtype=bool)
    table["front"] = _front(table, axes.objectives, standing)
    fronts = _fronts(table, axes, standing)
    table["bound"] = _own_bound(table, fronts)
    table = _with_intervals(table, trials, axes)
    table["label"] = _labels(table, axes)
    settled = {"x": axes.x, "y": axes.y, "level": axes.level or "none"}
    return Tabulation(table, _notes(trials, table, axes), by=series, facts=fronts, chosen=settled)


def _notes(trials: pd.DataFrame, table: pd.DataFrame, axes: FrontAxes) -> tuple[str, ...]:
    names = joined([words(name) for name in axes.objectives])
    n = int(table["n"].max()) if len(table) else 0
    return (
        f"Every point is one configuration, the mean over its seeds; on the front are those that no"
        f" other equals or beats in all of {names}, all of their trials done."
        if len(axes.objectives) > 1
        else "Of these axes neither way is better, so there is no front.",
        "Each line is the front of the configurations within its level." if axes.level else "",
        NAMED if (table["label"] != "").any() else "",
        "Whiskers of the points on the front are 95 % intervals over seeds, Student's t."
        if n >= FEWEST_SEEDS
        else "Intervals over two seeds are so wide that they stand in the hover text alone."
        if n == FEWEST_SEEDS - 1
        else "",
        f"Objectives of the search that take no part here: {joined(list(map(words, axes.aside)))}."
        if axes.aside
        else "",
        "Results on several tasks do not compare: filter by study." if _tasks(trials) > 1 else "",
        fallen_note(trials),
    )


def _tasks(trials: pd.DataFrame) -> int:
    columns = [c for c in ("task.dataset", "task.model", "task.use") if c in trials]
    return len(trials[columns].drop_duplicates())


def configuration_means(trials: pd.DataFrame, metrics: list[str], series: str) -> pd.DataFrame:
    """Return one row per configuration: series, means, n, standing, and its varying settings.

    `standing` is whether all of its trials have all metrics, and none lies beyond the bounds of
    its search where another of its block is within.
    """
    whole = (trials["state"] == "done") & trials[metrics].notna().all(axis=1)
    number = configurations(trials)
    standing = whole.groupby(number).transform("all") & ~beyond_bounds(
        trials.assign(_one=number), ["_one"], [c for c in _SEARCH if c in trials]
    )
    done = trials.assign(_number=number, _standing=standing)[whole]
    settings = varying(trials)
    grouped = done.groupby("_number", sort=False)
    table = grouped[metrics].mean()
    table.insert(0, "series", grouped[series].first())
    table["n"] = grouped.size()
    table["standing"] = grouped["_standing"].first()
    for column in settings:
        table[column] = grouped[column].first()
    table.index.name = None
    return table.reset_index(drop=True)


def _losses(table: pd.DataFrame, ways: Mapping[str, Direction], standing: Any) -> Floats:
    signs = np.array([-1.0 if way == "max" else 1.0 for way in ways.values()])
    losses = table[list(ways)].to_numpy(dtype=float) * signs
    losses[~standing] = np.nan
    return np.asarray(losses)


def _front(table: pd.DataFrame, ways: Mapping[str, Direction], standing: Any) -> Any:
    if len(ways) < 2:
        return np.zeros(len(table), dtype=bool)
    return non_dominated(_losses(table, ways, standing))


def _fronts(table: pd.DataFrame, axes: FrontAxes, standing: Any) -> Fronts:
    """The front of each level: of all configurations at that level or a stricter one."""
    ways = {name: axes.ways[name] for name in (axes.y, axes.x) if name in axes.ways}
    if len(ways) < 2 or table.empty:
        return Fronts(axes, (), pd.DataFrame(columns=["bound", "x", "y"]))
    bounds: Sequence[float] = ()
    parts = []
    if axes.level:
        bounds = bounds_of(table[axes.level], table["front"], axes.ways[axes.level])
    for bound in bounds or [np.nan]:
        part = table[_within(table, axes, bound) & standing]
        on_front = non_dominated(_losses(part, ways, np.ones(len(part), dtype=bool)))
        joined_up = part[on_front].sort_values([axes.x, axes.y])
        points = {"bound": bound, "x": joined_up[axes.x], "y": joined_up[axes.y]}
        parts.append(pd.DataFrame(points))
    return Fronts(axes, tuple(bounds), pd.concat(parts, ignore_index=True))


def _within(table: pd.DataFrame, axes: FrontAxes, bound: float) -> pd.Series[bool]:
    if np.isnan(bound):
        return pd.Series(True, index=table.index)
    slack = 1e-9 * max(abs(bound), 1e-3)
    if axes.ways[axes.level] == "max":
        return table[axes.level] >= bound - slack
    return table[axes.level] <= bound + slack


def _own_bound(table: pd.DataFrame, fronts: Fronts) -> pd.Series[float]:
    """The strictest level that a configuration is within; missing where it is within none."""
    own = pd.Series(np.nan, index=table.index)
    for bound in reversed(fronts.bounds):
        own = own.mask(_within(table, fronts.axes, bound), bound)
    return own


def _with_intervals(table: pd.DataFrame, trials: pd.DataFrame, axes: FrontAxes) -> pd.DataFrame:
    """The table with the interval of each axis's mean, of the configurations on the front."""
    settings = varying(trials)
    names = {"x": axes.x, "y": axes.y}
    table[[f"{name}_{side}" for name in names for side in ("lo", "hi")]] = np.nan
    front = table[table["front"]]
    if front.empty or not settings:
        return table
    keys = front[settings].assign(_place=front.index)
    known = trials[trials["state"] == "done"].merge(keys, on=settings, how="inner")
    for name, column in names.items():
        spans = summaries(known, ["_place"], [column]).set_index("_place")
        for side in ("lo", "hi"):
            table.loc[spans.index, f"{name}_{side}"] = spans[side]
    return table


def _labels(table: pd.DataFrame, axes: FrontAxes) -> list[str]:
    """The settings of the front's ends and of its knee, in words; "" of all others."""
    front = table[table["front"]]
    labels = dict.fromkeys(table.index, "")
    ways = axes.objectives
    if len(front) and len(ways) > 1:
        gains = -_losses(front, ways, np.ones(len(front), dtype=bool))
        chosen = [end(gains, place) for place in range(len(ways))]
        chosen += [knee(gains)] if len(front) > len(ways) else []
        for place in dict.fromkeys(chosen):
            labels[front.index[place]] = _settings_words(front.iloc[place], table, axes)
    return list(labels.values())


def _settings_words(row: pd.Series[Any], table: pd.DataFrame, axes: FrontAxes) -> str:
    """The settings that the axes do not say, at most `MANY_SETTINGS`, one per line."""
    fixed = {*axes.columns, "series", "n", "front", "bound", *_INTERVALS}
    names = without_synonyms(table, [str(c) for c in table if c not in fixed])
    told = [
        f"{words(name)} {_rounded(name, row[name])}"
        for name in names
        if _SAID.get(name) not in axes.columns and not is_missing(row[name])
    ]
    return "\n".join(told[:MANY_SETTINGS]) or brief(label(row["series"]))


def _rounded(name: str, value: Any) -> str:
    """A value with three digits at most, for a name in a figure."""
    return shown(name, float(f"{value:.3g}") if isinstance(value, float) else value)


_INTERVALS: Final = ("x_lo", "x_hi", "y_lo", "y_hi", "label")

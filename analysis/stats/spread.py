"""Means with their spread and count, and metrics as losses."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.labels import in_percent
from analysis.columns.names import distinct_trials, require_columns
from analysis.stats.intervals import Floats, Kind, Values, intervals, present
from trainables.vocabulary import schema

COUNTED: Final = "done"
"""The state that counts: a failed, diverged or stopped trial enters no mean, and is counted."""

COUNTS: Final = ("n", "n_missing", "n_failed", "n_diverged", "n_stopped", "n_collapsed")
"""Beside every mean: the values in it, the trials that are not, and those with an empty layer."""

SKEWED_UNITS: Final = frozenset({"s", "1/s", "B"})
"""Units of metrics with a long tail: one slow run among many. Their means get a bootstrap-t."""


class TestSelectionError(ValueError):
    """Ranking or choosing by a number measured on test data was asked for."""

    __test__ = False  # the name begins like a test class of pytest's


def require_choosable(metric: str) -> schema.Measure:
    """Return the metric; raise unless one may rank or choose by it.

    TestSelectionError when it was measured on test data, ValueError when neither direction is
    better, KeyError when it is unknown.
    """
    known = schema.metric(metric)
    if known.on_test:
        raise TestSelectionError(
            f"{metric} is measured on test data and nothing may be ranked or chosen by it;"
            f" use {metric.replace('test', 'val')}"
        )
    _direction(known)
    return known


def _direction(metric: schema.Measure) -> schema.Direction:
    if metric.direction is None:
        raise ValueError(f"{metric.name} has no better direction, so it cannot be a loss")
    return metric.direction


def losses(frame: pd.DataFrame, metric: str) -> pd.Series[float]:
    """Return a metric such that lower is better: negated where the schema says higher is.

    Raises ValueError for a metric without a better direction, KeyError for an unknown one.
    """
    require_columns(frame, [metric])
    values = frame[metric].astype(float)
    return -values if _direction(schema.metric(metric)) == "max" else values


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation (ddof 1) of n values; missing where undefined."""

    mean: float
    std: float
    n: int


def summary(values: Values) -> Summary:
    """Return the summary of the values that are not missing; std needs two of them."""
    counted = present(values)
    n = len(counted)
    mean = float(counted.mean()) if n else math.nan
    return Summary(mean, float(counted.std(ddof=1)) if n > 1 else math.nan, n)


def summaries(
    frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str], *, bounds: bool = True
) -> pd.DataFrame:
    """Return one row per (group, metric): mean, std, n, lo, hi, and what is not in them.

    `lo` and `hi` are the ends of the mean's 95 % interval, see `interval_kind`, cut to where the
    metric can lie. Not in the mean are n_missing (done, but without the metric), n_failed,
    n_diverged and n_stopped. n_collapsed counts trials in the mean whose pruned model has a layer
    without a weight: their result is chance, and no gain in speed. A trial read from several
    studies counts once, unless `study` is a key. `bounds=False` leaves lo and hi missing, and
    scipy unloaded.
    """
    require_columns(frame, [*by, "state", *metrics])
    if "study" not in by:
        frame = distinct_trials(frame)
    keys, group = _numbered_groups(frame, by)
    states = frame["state"].to_numpy()
    fallen = [
        np.bincount(group[states == state], minlength=len(keys))
        for state in ("failed", "diverged", "stopped")
    ]
    empty = frame["collapsed_layers"].to_numpy(dtype=float) if "collapsed_layers" in frame else 0
    collapsed = (states == COUNTED) & (np.nan_to_num(empty) > 0)
    fallen.append(np.bincount(group[collapsed], minlength=len(keys)))
    counted = group[states == COUNTED]
    order = np.argsort(counted, kind="stable")
    ends = np.cumsum(np.bincount(counted, minlength=len(keys)))
    parts = [
        np.split(frame[metric].to_numpy(dtype=float)[states == COUNTED][order], ends)
        for metric in metrics
    ]
    rows, samples = [], []
    for place, key in enumerate(keys):
        failures = [int(counts[place]) for counts in fallen]
        for metric, part in zip(metrics, parts, strict=True):
            values = present(part[place])
            found = summary(values)
            missing = len(part[place]) - found.n
            rows.append([*key, metric, found.mean, found.std, found.n, missing, *failures])
            samples.append(values)
    table = pd.DataFrame(rows, columns=[*by, "metric", "mean", "std", *COUNTS])
    spans = _spans(samples, metrics) if bounds else np.full((len(samples), 2), np.nan)
    table.insert(len(by) + 4, "lo", spans[:, 0])
    table.insert(len(by) + 5, "hi", spans[:, 1])
    return table


def _spans(samples: Sequence[Floats], metrics: Sequence[str]) -> Floats:
    """The ends of each sample's interval; samples are of the metrics in turn."""
    spans = np.full((len(samples), 2), np.nan)
    for place, metric in enumerate(metrics):
        part = intervals(samples[place :: len(metrics)], kind=interval_kind(metric))
        ends = np.array([[one.lo, one.hi] for one in part]).reshape(-1, 2)
        spans[place :: len(metrics)] = ends.clip(*possible_means(metric))
    return spans


def interval_kind(metric: str) -> Kind:
    """Return which interval the mean of a metric gets: bootstrap t for seconds, bytes and rates."""
    known = schema.METRICS.get(metric)
    return "bootstrap t" if known is not None and known.unit in SKEWED_UNITS else "t"


def possible_means(metric: str) -> tuple[float, float]:
    """Return between what a metric's mean can lie: no accuracy is above 1, no time below 0."""
    if in_percent(metric):
        return 0.0, 1.0
    return (0.0, math.inf) if interval_kind(metric) == "bootstrap t" else (-math.inf, math.inf)


def _numbered_groups(
    frame: pd.DataFrame, by: Sequence[str]
) -> tuple[list[tuple[Hashable, ...]], NDArray[np.int64]]:
    """The groups' keys, in order of appearance, and each row's place among them."""
    if not by:
        return [()], np.zeros(len(frame), dtype=np.int64)
    grouped = frame.groupby(list(by), dropna=False, sort=False, observed=True)
    keys: list[tuple[Hashable, ...]] = [
        key if isinstance(key, tuple) else (key,) for key in grouped.size().index
    ]
    return keys, np.asarray(grouped.ngroup(), dtype=np.int64)


def row_groups(
    frame: pd.DataFrame, by: Sequence[str]
) -> list[tuple[tuple[Hashable, ...], pd.DataFrame]]:
    """Return the groups of equal keys, a missing one being a key; without keys, the whole frame."""
    if not by:
        return [((), frame)]
    grouped = frame.groupby(list(by), dropna=False, sort=False, observed=True)
    return [(key if isinstance(key, tuple) else (key,), part) for key, part in grouped]

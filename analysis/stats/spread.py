"""Means with their spread and count, and metrics as losses.

Everything random (the bootstrap, large permutation tests) is drawn from a fixed generator, so that
a number is a function of the data alone. scipy is imported where it is used: it takes over a
second, which a plain listing of results must not pay.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.names import distinct_trials, require_columns
from trainables.vocabulary import schema

Floats = NDArray[np.float64]

COUNTED: Final = "done"
"""The state that counts: a failed, diverged or stopped trial enters no mean, and is counted."""

COUNTS: Final = ("n", "n_missing", "n_failed", "n_diverged", "n_stopped")
"""Beside every mean: the values in it, and the trials that are not."""

CONFIDENCE: Final = 0.95
_RESAMPLES: Final = 4999


class TestSelectionError(ValueError):
    """Ranking or choosing by a number measured on test data was asked for."""

    __test__ = False  # the name begins like a test class of pytest's


def require_choosable(metric: str) -> schema.Metric:
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


def _direction(metric: schema.Metric) -> schema.Direction:
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


def summary(values: Sequence[float] | Floats | pd.Series[float]) -> Summary:
    """Return the summary of the values that are not missing; std needs two of them."""
    present = _present(values)
    n = len(present)
    mean = float(present.mean()) if n else math.nan
    return Summary(mean, float(present.std(ddof=1)) if n > 1 else math.nan, n)


def _present(values: Sequence[float] | Floats | pd.Series[float]) -> Floats:
    array: Floats = np.asarray(values, dtype=float)
    return np.asarray(array[~np.isnan(array)])


def interval(
    values: Sequence[float] | Floats | pd.Series[float], confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the BCa bootstrap interval of the mean (Efron 1987).

    Missing values are left out. One value gives a missing interval, identical ones the degenerate
    interval at their value. With two or three values it is narrower than its name says.
    """
    return intervals([_present(values)], confidence)[0]


def intervals(
    samples: Sequence[Floats], confidence: float = CONFIDENCE
) -> list[tuple[float, float]]:
    """Return the BCa interval of each sample's mean, whatever the order of its values.

    Samples of one size share their resamples, so that each interval depends on its own sample only.
    """
    bounds: list[tuple[float, float]] = [(math.nan, math.nan)] * len(samples)
    by_size: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        if len(sample) > 1 and np.ptp(sample) == 0:
            bounds[place] = (float(sample[0]), float(sample[0]))
        elif len(sample) > 1:
            by_size.setdefault(len(sample), []).append(place)
    for n, places in by_size.items():
        step = max(1, 2_000_000 // (n * _RESAMPLES))
        for start in range(0, len(places), step):
            part = places[start : start + step]
            low, high = _bca(np.stack([np.sort(samples[place]) for place in part]), confidence)
            for place, lo, hi in zip(part, low, high, strict=True):
                bounds[place] = (float(lo), float(hi))
    return bounds


def _bca(samples: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Bounds for samples [K, n] with spread.

    The statistic is rounded on the standardised values: a resample that is the sample in another
    order must tie with it, though its sum may differ in the last bit.
    """
    from scipy.stats import bootstrap

    centre = samples.mean(axis=1, keepdims=True)
    spread = samples.std(axis=1, keepdims=True)

    def mean(values: Floats, axis: int) -> Floats:
        return np.asarray(np.round(values.mean(axis=axis), 12))

    found = bootstrap(
        ((samples - centre) / spread,), mean, axis=-1, vectorized=True, n_resamples=_RESAMPLES,
        confidence_level=confidence, method="BCa", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    scale, shift = spread[:, 0], centre[:, 0]
    return shift + scale * np.asarray(found.low), shift + scale * np.asarray(found.high)


def summaries(
    frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str], *, bounds: bool = True
) -> pd.DataFrame:
    """Return one row per (group, metric): mean, std, n, lo, hi, and what is not in them.

    The latter are n_missing (done, but without the metric), n_failed, n_diverged and n_stopped.
    A trial read from several studies counts once, unless `study` is a key. `bounds=False` leaves
    lo and hi missing, and scipy unloaded.
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
            values = _present(part[place])
            found = summary(values)
            missing = len(part[place]) - found.n
            rows.append([*key, metric, found.mean, found.std, found.n, missing, *failures])
            samples.append(values)
    table = pd.DataFrame(rows, columns=[*by, "metric", "mean", "std", *COUNTS])
    spans = intervals(samples) if bounds else [(math.nan, math.nan)] * len(samples)
    table.insert(len(by) + 4, "lo", [low for low, _ in spans])
    table.insert(len(by) + 5, "hi", [high for _, high in spans])
    return table


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

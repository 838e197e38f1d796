"""What a trial and its siblings measured: the same configuration at other seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from trainables.config.trial import PER_SEED
from trainables.files.trial_record import Record
from trainables.vocabulary.schema import METRICS, at_level

if TYPE_CHECKING:
    import pandas as pd

_SIZES: Final = (
    "sparsity", "sparsity_all_parameters", "theoretical_speedup", "multiply_adds", "n_parameters",
    "n_prunable", "epochs",
)  # fmt: skip


@dataclass(frozen=True)
class SeedMetric:
    """A metric of one trial, and its mean over the seeds of its configuration.

    `by_seed` holds the values by seed; `lo` and `hi` are the ends of the mean's interval, absent
    where n is 1, and `interval` says which it is.
    """

    name: str
    value: float
    better: str | None
    by_seed: dict[str, float]
    mean: float
    std: float | None
    n: int
    lo: float | None
    hi: float | None
    interval: str


@dataclass(frozen=True)
class Siblings:
    """The metrics of a trial over its seeds, and what stands behind them.

    `lost` counts the configuration's trials that are not done, by state; `notes` are sentences on
    what the intervals are over.
    """

    metrics: tuple[SeedMetric, ...]
    seeds: tuple[int, ...]
    lost: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return them as plain data."""
        return asdict(self)


def siblings(trials: pd.DataFrame, record: Record) -> Siblings:
    """Return what a trial of the frame and those that differ from it in the seed alone measured."""
    from analysis.selection.settings import configurations

    number = configurations(trials)
    own = number[trials["fingerprint"] == record.fingerprint].iloc[0]
    group = trials[number == own].sort_values("seed", kind="stable")
    done = group[group["state"] == "done"]
    names = [name for name in at_level("trial") if name in record.metrics and _on_a_card(name)]
    states = group["state"].value_counts()
    lost = {str(state): int(n) for state, n in states.items() if state != "done"}
    return Siblings(
        tuple(_over_seeds(done, name, record.metrics[name]) for name in names),
        tuple(int(seed) for seed in done["seed"]),
        lost,
        _notes(record.config),
    )


def _on_a_card(name: str) -> bool:
    parts = name.split("_")
    return name in _SIZES or "val" in parts or "test" in parts


def _over_seeds(done: pd.DataFrame, name: str, value: float) -> SeedMetric:
    from analysis.stats import interval, summaries
    from analysis.stats.spread import interval_kind

    present = done[done[name].notna()]
    row = summaries(present, [], [name]).iloc[0]
    drawn = interval(present[name], kind=interval_kind(name))
    values = {str(seed): float(v) for seed, v in zip(present["seed"], present[name], strict=True)}
    return SeedMetric(
        name,
        value,
        METRICS[name].direction,
        values,
        float(row["mean"]),
        _known(row["std"]),
        int(row["n"]),
        _known(row["lo"]),
        _known(row["hi"]),
        drawn.words,
    )


def _known(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def _notes(config: Mapping[str, Any]) -> tuple[str, ...]:
    weights = config.get("dense", {}).get("weights")
    if weights is None or weights == PER_SEED:
        return ()
    return (
        f"Every seed retrains the one network {weights}: the intervals are over retraining alone.",
    )

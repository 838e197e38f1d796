"""How often a configuration is tried: each seed is a dense network, retrained so many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trainables.vocabulary.refusal import Refusal, shown

Replicate: TypeAlias = tuple[int, int]
"""The seed and the retraining seed, which tell trials of one configuration apart."""

SEEDS = "retrain.seeds"
"""The key of a study file that lists retraining seeds; a trial has one of them, `retrain.seed`."""


@dataclass(frozen=True)
class Replicates:
    """Trials of one configuration: `seeds`, each with every one of the `retraining` seeds."""

    seeds: tuple[int, ...]
    retraining: tuple[int, ...] = (0,)

    def of(self, retrains: bool) -> list[Replicate]:
        """Return them in order, all retrainings of one dense network side by side.

        A method that retrains nothing has one trial per seed.
        """
        again = self.retraining if retrains else (0,)
        return [(seed, retraining) for seed in self.seeds for retraining in again]


def without_retraining_seeds(
    space: Mapping[str, Any], overlays: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], Any]:
    """Return the sections of a study without `retrain.seeds`, and what stands there or None.

    Refusal where an overlay has seeds of its own, and for the key of a single trial.
    """
    for at, raw in enumerate((space, *overlays)):
        retrain = raw.get("retrain")
        place = f"spaces.{at - 1}." if at else ""
        if not isinstance(retrain, Mapping):
            continue
        if "seed" in retrain:
            rule = "must be given as the list retrain.seeds, such as [0, 1, 2]"
            raise Refusal(f"{place}retrain.seed {rule}, got {shown(retrain['seed'])}")
        if at and "seeds" in retrain:
            rule = "must be absent, for retrain.seeds is one list for all spaces"
            raise Refusal(f"{place}{SEEDS} {rule}, got {shown(retrain['seeds'])}")
    retrain = space.get("retrain")
    if not isinstance(retrain, Mapping) or "seeds" not in retrain:
        return dict(space), None
    rest = {key: value for key, value in retrain.items() if key != "seeds"}
    return {**space, "retrain": rest}, retrain["seeds"]


def names_one_file(sections: Mapping[str, Any]) -> bool:
    """Return whether `dense.weights` is one file for all seeds, for some value of a domain."""
    dense = sections.get("dense")
    weights = dense.get("weights") if isinstance(dense, Mapping) else None
    if isinstance(weights, Mapping):
        return any(isinstance(v, str) for values in weights.values() for v in values)
    return isinstance(weights, str)

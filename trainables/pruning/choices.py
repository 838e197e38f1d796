"""The choices of a prune beside its structure: scope, criterion, and the norm of whole units.

Each is a table at the end. `ranking` puts them to work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from trainables.pruning.prunable import Prunable
from trainables.pruning.quotas import Quota, one_group, one_group_per_layer

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Criterion:
    """What goes first: `score(magnitudes, generator)` [n] >= 0, lowest first; `draws` at random?"""

    name: str
    source: str
    draws: bool
    score: Callable[[Tensor, torch.Generator | None], Tensor]


@dataclass(frozen=True)
class Scope:
    """Over what the share is taken.

    `groups(layers, zeros)` cuts the layers into groups, each with the zeros that it ends with;
    `unit_key(score, rank)` of a layer's units is what units of all layers are ordered by.
    """

    name: str
    source: str
    groups: Callable[[Sequence[Quota], int], list[tuple[Sequence[Quota], int]]]
    unit_key: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class UnitNorm:
    """How whole units are measured, be they filters, blocks, rows or columns.

    `norm` maps [n, size] to [n].
    """

    name: str
    source: str
    norm: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Choices:
    """What a prune goes by, looked up and ready.

    `scores`: by weight what is ranked instead of magnitudes; `keep_least`: what every layer keeps.
    """

    scope: Scope
    criterion: Criterion
    unit_norm: UnitNorm
    generator: torch.Generator | None
    scores: Mapping[str, Tensor] | None
    keep_least: float

    def values(self, weights: Prunable, name: str) -> Tensor:
        """What single weights are ranked by, in the weight's shape: scores, or magnitudes."""
        return _magnitude(weights[name]) if self.scores is None else self.scores[name]

    def ranked(self, weights: Prunable, name: str) -> Tensor:
        """What a weight's units are measured on: its scores, or itself."""
        return weights[name] if self.scores is None else self.scores[name]

    def of_units(self, units: Tensor) -> Tensor:
        """The measure of units [n, size]: norms, or sums of scores."""
        return self.unit_norm.norm(units) if self.scores is None else units.sum(1)


def known(key: str, name: str, table: Mapping[str, _Record]) -> _Record:
    """Return a table's record; ValueError lists the names that there are."""
    if name not in table:
        raise ValueError(f"{key} must be one of {', '.join(table)}, got {name!r}")
    return table[name]


def _magnitude(weight: Tensor) -> Tensor:
    """|w|, in single precision at least."""
    precise = torch.promote_types(weight.dtype, torch.float32)
    return weight.detach().to(precise).abs()


def _by_magnitude(magnitude: Tensor, _generator: torch.Generator | None) -> Tensor:
    return magnitude


def _at_random(magnitude: Tensor, generator: torch.Generator | None) -> Tensor:
    # A permutation, not uniform floats: 25 million of these would collide and favour low indices.
    return torch.randperm(len(magnitude), generator=generator).to(magnitude.device)


CRITERIA: dict[str, Criterion] = {
    record.name: record
    for record in (
        Criterion("magnitude", "Han et al. 2015", False, _by_magnitude),
        Criterion("random", "a baseline: uniform among what is alive", True, _at_random),
    )
}
SCOPES: dict[str, Scope] = {
    record.name: record
    for record in (
        Scope("global", "one ranking over the model", one_group, lambda score, _rank: score),
        Scope(
            "layer",
            "the same share of every layer, by largest remainder",
            one_group_per_layer,
            lambda _score, rank: (rank + 1) / len(rank),
        ),
    )
}
UNIT_NORMS: dict[str, UnitNorm] = {
    record.name: record
    for record in (
        UnitNorm("l1", "Li et al. 2017, Pruning Filters", lambda w: w.abs().sum(1)),
        UnitNorm("l2", "He et al. 2018, Soft Filter Pruning", lambda w: w.square().sum(1).sqrt()),
    )
}

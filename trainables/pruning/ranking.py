"""Which weights go first. A prune is four independent choices, each a table at the end.

Structure (single weights or whole filters), scope (the model as one, or the same share of every
layer), criterion, and for filters the norm. Pure tensor code that knows neither training nor
configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainables.pruning.layers import classifier, filter_rows, whole_filters
from trainables.pruning.lowest import lowest
from trainables.pruning.masks import Masks, count_zeros
from trainables.pruning.prunable import Prunable, prunable
from trainables.pruning.quotas import (
    Quota,
    flat,
    least_kept,
    one_group,
    one_group_per_layer,
    protected,
)

_Record = TypeVar("_Record")


def prune(
    target: nn.Module | Prunable,
    masks: Masks,
    *,
    zeros: int,
    structure: str,
    scope: str,
    criterion: str,
    filter_norm: str = "l2",
    generator: torch.Generator | None = None,
    scores: Mapping[str, Tensor] | None = None,
    keep_least: float = 0,
) -> Masks:
    """New masks with `zeros` zeros in all, those of `masks` among them; the model is not changed.

    What was pruned before counts and never returns. Of equal scores the lower index in module
    order goes first. Devices do not differ in the outcome.

    Structure "weights" makes exactly `zeros` zeros. Under "filters" output filters go in order
    until the next would take the total above `zeros`; the classifier loses none and every other
    layer keeps at least one. What else a removed filter owns is told by `filter_companions`.

    Args:
        target: holds the weights to rank; of a bare model the weights of its layers.
        masks: the masks so far; `dense_masks(model)` before the first prune.
        zeros: how many of all prunable weights shall be zero, as `sparsity.zeros_after` counts.
        structure: a key of STRUCTURES.
        scope: a key of SCOPES.
        criterion: a key of CRITERIA.
        filter_norm: a key of FILTER_NORMS, read where filters are ranked by magnitude.
        generator: a generator of the CPU, read where the criterion draws.
        scores: by weight what to rank instead of magnitudes, of the weights' shapes; lowest go
            first, under the criterion magnitude. A filter's score is the sum over its weights.
        keep_least: weights that every layer keeps, or as many as it has alive; below 1 a share of
            the layer. The others lose more instead; where the goal cannot be reached with them, as
            many zeros are made as there can be.

    Raises:
        ValueError: an unknown name, masks of another model, `zeros` below what is there already or
            above all weights, a weight that is not finite, or no CPU generator where one is needed.
    """
    weights = prunable(target)
    chosen = _Chosen(
        _known("scope", scope, SCOPES),
        _known("criterion", criterion, CRITERIA),
        _known("filter_norm", filter_norm, FILTER_NORMS),
        generator,
        scores,
        keep_least,
    )
    function = _known("structure", structure, STRUCTURES).function
    _check_masks(weights, masks, zeros)
    masks = {name: masks[name] for name in weights}  # ties and draws go by this order
    _check_finite(weights)
    if chosen.criterion.draws and (generator is None or generator.device.type != "cpu"):
        raise ValueError(f"criterion {criterion!r} needs a generator of the CPU, got {generator}")
    return function(weights, masks, zeros, chosen)


# --- single weights ---


def _prune_weights(weights: Prunable, masks: Masks, zeros: int, chosen: _Chosen) -> Masks:
    pruned = {name: torch.empty_like(mask).flatten() for name, mask in masks.items()}
    layers = Quota.all_of(weights, masks, chosen.keep_least)
    zeros = min(zeros, sum(quota.most_zeros for quota in layers))
    for group, group_zeros in chosen.scope.groups(layers, zeros):
        score = torch.cat([flat(chosen.values(weights, q.part.name), q.part) for q in group])
        score = chosen.criterion.score(score, chosen.generator)
        dead = ~torch.cat([flat(masks[q.part.name], q.part) for q in group])
        score = score.masked_fill_(dead, _below_all(score))
        if chosen.keep_least:
            score = protected(score, group)
        kept = torch.split(~lowest(score, group_zeros), [q.part.size for q in group])
        for quota, flags in zip(group, kept, strict=True):
            pruned[quota.part.name][quota.part.start : quota.part.stop] = flags
    return {name: flags.reshape(masks[name].shape) for name, flags in pruned.items()}


def _below_all(score: Tensor) -> float:
    return -math.inf if score.is_floating_point() else -1


def _magnitude(weight: Tensor) -> Tensor:
    """|w|, flat, in single precision at least."""
    precise = torch.promote_types(weight.dtype, torch.float32)
    return weight.detach().flatten().to(precise).abs()


# --- whole filters ---


def _prune_filters(weights: Prunable, masks: Masks, zeros: int, chosen: _Chosen) -> Masks:
    layers = weights.layers
    names = [name for name in layers if name != classifier(layers)]
    if not names:
        return dict(masks)
    # On the CPU in double precision: sums, and so the order, are then those of every device.
    alive = [filter_rows(layers[name], masks[name].cpu()) for name in names]
    norms = [
        chosen.of_filters(filter_rows(layers[name], _doubles(chosen.ranked(weights, name))) * rows)
        for name, rows in zip(names, alive, strict=True)
    ]
    n_filters = [len(norm) for norm in norms]
    n_weights = torch.cat([rows.sum(1) for rows in alive])
    score = chosen.criterion.score(torch.cat(norms), chosen.generator).double()
    ranked = torch.split(score.masked_fill(n_weights == 0, -math.inf), n_filters)
    sizes = [rows.shape[1] for rows in alive]
    spared = [_filters_kept(s, n, chosen.keep_least) for s, n in zip(sizes, n_filters, strict=True)]
    order = _leaving(ranked, chosen.scope, spared)
    fits = n_weights[order].cumsum(0) <= zeros - count_zeros(masks)
    kept = torch.ones_like(score, dtype=torch.bool)
    kept[order[: int(fits.count_nonzero())]] = False
    pruned = dict(masks)
    for name, part in zip(names, torch.split(kept, n_filters), strict=True):
        pruned[name] = masks[name] & whole_filters(layers[name], part).to(masks[name].device)
    return pruned


def _filters_kept(size: int, n: int, least: float) -> int:
    """Filters of `size` weights that a layer of n keeps: one at least."""
    return max(1, -(-least_kept(size * n, least) // size))


def _leaving(scores: Sequence[Tensor], scope: Scope, spared: Sequence[int]) -> Tensor:
    """Positions of the filters in the order in which they go, without the best of each layer."""
    ranks = [score.argsort(stable=True).argsort() for score in scores]
    keys = torch.cat([scope.filter_key(s, r) for s, r in zip(scores, ranks, strict=True)])
    best = torch.cat([rank >= len(rank) - n for rank, n in zip(ranks, spared, strict=True)])
    order = keys.argsort(stable=True)
    return order[~best[order]]


def _doubles(weight: Tensor) -> Tensor:
    return weight.detach().cpu().double()


# --- the choices ---


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
    `filter_key(score, rank)` of a layer's filters is what filters of all layers are ordered by.
    """

    name: str
    source: str
    groups: Callable[[Sequence[Quota], int], list[tuple[Sequence[Quota], int]]]
    filter_key: Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class FilterNorm:
    """How filters are measured: `norm` maps [n_filters, m] to [n_filters]."""

    name: str
    source: str
    norm: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Chosen:
    scope: Scope
    criterion: Criterion
    filter_norm: FilterNorm
    generator: torch.Generator | None
    scores: Mapping[str, Tensor] | None
    keep_least: float

    def values(self, weights: Prunable, name: str) -> Tensor:
        """What a weight is ranked by, flat: its scores, or its magnitudes."""
        return _magnitude(weights[name]) if self.scores is None else self.scores[name].flatten()

    def ranked(self, weights: Prunable, name: str) -> Tensor:
        """What a weight's filters are measured on: its scores, or itself."""
        return weights[name] if self.scores is None else self.scores[name]

    def of_filters(self, rows: Tensor) -> Tensor:
        """The measure of filters, of their rows [n_filters, m]: norms, or sums of scores."""
        return self.filter_norm.norm(rows) if self.scores is None else rows.sum(1)


@dataclass(frozen=True)
class Structure:
    """What is removed as a whole."""

    name: str
    source: str
    function: Callable[[Prunable, Masks, int, _Chosen], Masks]


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
FILTER_NORMS: dict[str, FilterNorm] = {
    record.name: record
    for record in (
        FilterNorm("l1", "Li et al. 2017, Pruning Filters", lambda w: w.abs().sum(1)),
        FilterNorm("l2", "He et al. 2018, Soft Filter Pruning", lambda w: w.square().sum(1).sqrt()),
    )
}
STRUCTURES: dict[str, Structure] = {
    record.name: record
    for record in (
        Structure("weights", "Han et al. 2015", _prune_weights),
        Structure("filters", "Li et al. 2017, Pruning Filters", _prune_filters),
    )
}


def _known(key: str, name: str, table: Mapping[str, _Record]) -> _Record:
    if name not in table:
        raise ValueError(f"{key} must be one of {', '.join(table)}, got {name!r}")
    return table[name]


def _check_masks(weights: Prunable, masks: Masks, zeros: int) -> None:
    if not weights:
        raise ValueError("the model must have a convolution or linear layer to prune, got none")
    shapes = {name: weight.shape for name, weight in weights.items()}
    if {name: mask.shape for name, mask in masks.items()} != shapes:
        raise ValueError(f"masks must be those of {list(shapes)}, got {list(masks)}")
    lowest, n = count_zeros(masks), sum(shape.numel() for shape in shapes.values())
    if not lowest <= zeros <= n:
        raise ValueError(f"zeros must be in [{lowest}, {n}], from those there to all, got {zeros}")


def _check_finite(weights: Prunable) -> None:
    for name, weight in weights.items():
        if not weight.detach().sum(dtype=torch.float64).isfinite():
            raise ValueError(f"weights must be finite to be ranked, got NaN or infinity in {name}")

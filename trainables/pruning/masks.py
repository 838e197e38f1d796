"""Masks: which weights can be pruned, which of them go first, and how they stay exactly zero.

A prune is four independent choices, each a table at the end: structure (single weights or whole
filters), scope (the model as one, or the same share of every layer), criterion, and for filters the
norm. Pure tensor code that knows neither training nor configuration.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from trainables.formulas.sparsity import layer_zeros
from trainables.pruning.layers import (
    Layer,
    classifier,
    filter_rows,
    prunable_layers,
    whole_filters,
)
from trainables.pruning.layers import filter_companions as filter_companions
from trainables.pruning.layers import prunable as prunable

Masks = dict[str, Tensor]
"""For each prunable parameter, by name in module order: True where the weight is kept."""

_Record = TypeVar("_Record")


def dense_masks(model: nn.Module) -> Masks:
    """Masks that keep every prunable weight, on the weights' devices."""
    return {
        name: torch.ones(weight.shape, dtype=torch.bool, device=weight.device)
        for name, weight in prunable(model).items()
    }


def count_zeros(masks: Mapping[str, Tensor]) -> int:
    """How many weights the masks set to zero."""
    return sum(mask.numel() - int(mask.count_nonzero()) for mask in masks.values())


def asked_and_reached(masks: Mapping[str, Tensor], zeros: int) -> tuple[float, float]:
    """The sparsity that `zeros` asked `prune` for, and the one that its masks reached.

    Equal for single weights. Whole filters may fall short: the largest step not above is taken.
    """
    n = sum(mask.numel() for mask in masks.values())
    return zeros / n, count_zeros(masks) / n


def prune(
    model: nn.Module,
    masks: Masks,
    *,
    zeros: int,
    structure: str,
    scope: str,
    criterion: str,
    filter_norm: str = "l2",
    generator: torch.Generator | None = None,
) -> Masks:
    """New masks with `zeros` zeros in all, those of `masks` among them; the model is not changed.

    What was pruned before counts and never returns. Of equal scores the lower index in module
    order goes first. Devices do not differ in the outcome.

    Structure "weights" makes exactly `zeros` zeros. Under "filters" output filters go in order
    until the next would take the total above `zeros`; the classifier loses none and every other
    layer keeps at least one. What else a removed filter owns is told by `filter_companions`.

    Args:
        model: holds the weights to rank.
        masks: the masks so far; `dense_masks(model)` before the first prune.
        zeros: how many of all prunable weights shall be zero, as `sparsity.zeros_after` counts.
        structure: a key of STRUCTURES.
        scope: a key of SCOPES.
        criterion: a key of CRITERIA.
        filter_norm: a key of FILTER_NORMS, read where filters are ranked by magnitude.
        generator: a generator of the CPU, read where the criterion draws.

    Raises:
        ValueError: an unknown name, masks of another model, `zeros` below what is there already or
            above all weights, a weight that is not finite, or no CPU generator where one is needed.
    """
    layers = prunable_layers(model)
    chosen = _Chosen(
        _known("scope", scope, SCOPES),
        _known("criterion", criterion, CRITERIA),
        _known("filter_norm", filter_norm, FILTER_NORMS),
        generator,
    )
    function = _known("structure", structure, STRUCTURES).function
    _check_masks(layers, masks, zeros)
    masks = {name: masks[name] for name in layers}  # ties and draws go by this order
    _check_finite(layers)
    if chosen.criterion.draws and (generator is None or generator.device.type != "cpu"):
        raise ValueError(f"criterion {criterion!r} needs a generator of the CPU, got {generator}")
    return function(layers, masks, zeros, chosen)


def companion_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> Masks:
    """Masks [n_filters] of all `filter_companions`: False where the filter has no weight left.

    For structure "filters": `{**masks, **companion_masks(model, masks)}` is what `apply_` and
    `float_masks` then take; sparsity is still that of `masks` alone.
    """
    layers = prunable_layers(model)
    return {
        companion: filter_rows(layers[name], masks[name]).any(1)
        for name, companions in filter_companions(model).items()
        for companion in companions
    }


@torch.no_grad()
def apply_(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set every masked entry of the model's parameters to zero (+0, whatever it was), in place."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, mask in masks.items():
        parameters[name].masked_fill_(~mask, 0)


def float_masks(
    model: nn.Module, masks: Mapping[str, Tensor]
) -> tuple[list[nn.Parameter], list[Tensor]]:
    """The masked parameters, and for each its mask as 1 and 0 in its dtype, device and strides.

    Made once a prune, for `mask_gradients_` and `mask_momentum_`.
    """
    named = dict(model.named_parameters(remove_duplicate=False))
    parameters = [named[name] for name in masks]
    floats = [
        torch.ones_like(p, requires_grad=False).masked_fill_(~mask, 0)
        for p, mask in zip(parameters, masks.values(), strict=True)
    ]
    return parameters, floats


def mask_gradients_(parameters: Sequence[nn.Parameter], masks: Sequence[Tensor]) -> None:
    """Multiply each parameter's gradient by its mask of `float_masks`, in one fused call.

    After `apply_` and `mask_momentum_` at the prune, doing this before every step keeps masked
    entries at zero to the bit: gradient, weight decay, momentum and Nesterov's step are all made
    of zeros there. Parameters without a gradient are passed over.
    """
    pairs = [(p.grad, m) for p, m in zip(parameters, masks, strict=True) if p.grad is not None]
    if pairs:
        torch._foreach_mul_([gradient for gradient, _ in pairs], [mask for _, mask in pairs])


@torch.no_grad()
def mask_momentum_(
    optimiser: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], masks: Sequence[Tensor]
) -> None:
    """Multiply whatever the optimiser remembers of each entry of a parameter by its mask."""
    for parameter, mask in zip(parameters, masks, strict=True):
        for value in optimiser.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value.mul_(mask)


# --- single weights ---


def _prune_weights(
    layers: Mapping[str, Layer], masks: Masks, zeros: int, chosen: "_Chosen"
) -> Masks:
    pruned: Masks = {}
    for names, group_zeros in chosen.scope.groups(masks, zeros):
        magnitude = torch.cat([_magnitude(layers[name].weight) for name in names])
        score = chosen.criterion.score(magnitude, chosen.generator)
        dead = ~torch.cat([masks[name].flatten() for name in names])
        kept = ~lowest(score.masked_fill_(dead, -1), group_zeros)
        parts = torch.split(kept, [masks[name].numel() for name in names])
        for name, part in zip(names, parts, strict=True):
            pruned[name] = part.reshape(masks[name].shape).clone()
    return pruned


def _magnitude(weight: Tensor) -> Tensor:
    """|w|, flat, in single precision at least."""
    precise = torch.promote_types(weight.dtype, torch.float32)
    return weight.detach().flatten().to(precise).abs()


def lowest(score: Tensor, count: int) -> Tensor:
    """Which of the scores [n] are the `count` lowest, as bool [n]; among equal ones the first.

    Exact on every device, and on CUDA without waiting for the device.
    """
    if score.is_cuda:
        # A stable sort is exact on ties and never asks the device for a number.
        order = score.sort(stable=True).indices
        return torch.zeros_like(score, dtype=torch.bool).index_fill_(0, order[:count], True)
    if count == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    values = score.numpy()
    threshold = _kth_lowest(values, count)
    low = values < threshold
    ties = np.flatnonzero(values == threshold)
    low[ties[: count - np.count_nonzero(low)]] = True
    return torch.from_numpy(low)


def _kth_lowest(values: np.ndarray[Any, Any], k: int) -> Any:
    # NumPy's selection is two to six times as fast as torch.kthvalue, and only the value is used,
    # in which no two algorithms differ. But where very many values equal the least (all that is
    # pruned already) it takes thirty times as long: these are set aside first.
    while True:
        least = values.min()
        above = values[values > least]
        n_least = len(values) - len(above)
        if k <= n_least:
            return least
        if 8 * n_least < len(values):
            return np.partition(values, k - 1)[k - 1]
        values, k = above, k - n_least


# --- whole filters ---


def _prune_filters(
    layers: Mapping[str, Layer], masks: Masks, zeros: int, chosen: "_Chosen"
) -> Masks:
    names = [name for name in layers if name != classifier(layers)]
    if not names:
        return dict(masks)
    # On the CPU in double precision: sums, and so the order, are then those of every device.
    alive = [filter_rows(layers[name], masks[name].cpu()) for name in names]
    norms = [
        chosen.filter_norm.norm(filter_rows(layers[name], _doubles(layers[name].weight)) * rows)
        for name, rows in zip(names, alive, strict=True)
    ]
    n_filters = [len(norm) for norm in norms]
    n_weights = torch.cat([rows.sum(1) for rows in alive])
    score = chosen.criterion.score(torch.cat(norms), chosen.generator).double()
    ranked = torch.split(score.masked_fill(n_weights == 0, -1), n_filters)
    order = _leaving(ranked, chosen.scope)
    fits = n_weights[order].cumsum(0) <= zeros - count_zeros(masks)
    kept = torch.ones_like(score, dtype=torch.bool)
    kept[order[: int(fits.count_nonzero())]] = False
    pruned = dict(masks)
    for name, part in zip(names, torch.split(kept, n_filters), strict=True):
        pruned[name] = masks[name] & whole_filters(layers[name], part).to(masks[name].device)
    return pruned


def _leaving(scores: Sequence[Tensor], scope: "Scope") -> Tensor:
    """Positions of the filters in the order in which they go, without the best of each layer."""
    ranks = [score.argsort(stable=True).argsort() for score in scores]
    keys = torch.cat([scope.filter_key(s, r) for s, r in zip(scores, ranks, strict=True)])
    best = torch.cat([rank == len(rank) - 1 for rank in ranks])
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

    `groups(masks, zeros)` cuts the layers into groups, each with its number of zeros;
    `filter_key(score, rank)` of a layer's filters is what filters of all layers are ordered by.
    """

    name: str
    source: str
    groups: Callable[[Masks, int], list[tuple[list[str], int]]]
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


@dataclass(frozen=True)
class Structure:
    """What is removed as a whole."""

    name: str
    source: str
    function: Callable[[Mapping[str, Layer], Masks, int, _Chosen], Masks]


def _by_magnitude(magnitude: Tensor, _generator: torch.Generator | None) -> Tensor:
    return magnitude


def _at_random(magnitude: Tensor, generator: torch.Generator | None) -> Tensor:
    # A permutation, not uniform floats: 25 million of these would collide and favour low indices.
    return torch.randperm(len(magnitude), generator=generator).to(magnitude.device)


def _one_group(masks: Masks, zeros: int) -> list[tuple[list[str], int]]:
    return [(list(masks), zeros)]


def _a_group_a_layer(masks: Masks, zeros: int) -> list[tuple[list[str], int]]:
    sizes = [mask.numel() for mask in masks.values()]
    dead = [count_zeros({name: mask}) for name, mask in masks.items()]
    return [([name], z) for name, z in zip(masks, layer_zeros(sizes, dead, zeros), strict=True)]


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
        Scope("global", "one ranking over the model", _one_group, lambda score, _rank: score),
        Scope(
            "layer",
            "the same share of every layer, by largest remainder",
            _a_group_a_layer,
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


def _check_masks(layers: Mapping[str, Layer], masks: Masks, zeros: int) -> None:
    if not layers:
        raise ValueError("the model must have a convolution or linear layer to prune, got none")
    shapes = {name: layer.weight.shape for name, layer in layers.items()}
    if {name: mask.shape for name, mask in masks.items()} != shapes:
        raise ValueError(f"masks must be those of {list(shapes)}, got {list(masks)}")
    lowest, n = count_zeros(masks), sum(shape.numel() for shape in shapes.values())
    if not lowest <= zeros <= n:
        raise ValueError(f"zeros must be in [{lowest}, {n}], from those there to all, got {zeros}")


def _check_finite(layers: Mapping[str, Layer]) -> None:
    for name, layer in layers.items():
        if not layer.weight.detach().sum(dtype=torch.float64).isfinite():
            raise ValueError(f"weights must be finite to be ranked, got NaN or infinity in {name}")

"""Masks: which weights are kept, and how the others stay exactly zero.

Pure tensor code that knows neither training nor configuration. Which weights go first is in
`ranking`.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainables.formulas.structures import Structure
from trainables.pruning.bundles import bundle_companions
from trainables.pruning.companions import filter_companions
from trainables.pruning.layers import filter_rows
from trainables.pruning.prunable import Prunable, prunable

Masks = dict[str, Tensor]
"""For each prunable parameter, by name in module order: True where the weight is kept."""


def dense_masks(target: nn.Module | Prunable) -> Masks:
    """Masks that keep every prunable weight, on the weights' devices."""
    return {
        name: torch.ones(weight.shape, dtype=torch.bool, device=weight.device)
        for name, weight in prunable(target).items()
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


def companion_masks(target: nn.Module | Prunable, masks: Mapping[str, Tensor]) -> Masks:
    """Masks [n_filters] of all `filter_companions`: False where the filter has no weight left.

    `{**masks, **companion_masks(model, masks)}` is what `apply_` and `float_masks` then take;
    sparsity is still that of `masks` alone.
    """
    weights = prunable(target)
    layers = weights.layers
    return {
        companion: filter_rows(layers[name], masks[name]).any(1)
        for name, companions in filter_companions(weights).items()
        for companion in companions
    }


def taken_along(weights: Prunable, masks: Mapping[str, Tensor], structure: Structure) -> Masks:
    """Masks of what goes with a structure's units beside their weights; {} where nothing does.

    With filters goes what `companion_masks` says, with heads their entries of the projections'
    bias, with hidden units their biases: False where a row has no weight left.
    """
    if structure.record.with_filters:
        return companion_masks(weights, masks)
    modules = weights.modules
    return {
        bias: torch.cat([filter_rows(modules[name], masks[name]).any(1) for name in names])
        for bias, names in bundle_companions(weights, structure).items()
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

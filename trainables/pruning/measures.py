"""What is measured on models and masks: sizes, multiply-adds, sparsities, norms.

Reads models and changes nothing in them. The arithmetic on the numbers found here, such as ALLR's
discount, is in `sparsity`.
"""

import copy
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from trainables.pruning.layers import Layer, Transposed, prunable
from trainables.pruning.masks import count_zeros


def count_parameters(model: nn.Module) -> int:
    """All parameters: weights, biases, normalisation layers; shared ones once; no buffers."""
    return sum(p.numel() for p in model.parameters())


def count_prunable(model: nn.Module) -> int:
    """The weights of all convolutions and linear layers."""
    return sum(p.numel() for p in prunable(model).values())


def multiply_adds(model: nn.Module, in_shape: tuple[int, ...]) -> dict[str, int]:
    """Multiply-adds of each convolution and linear layer on one input, by the weight's name.

    One forward of a copy without memory (on torch's meta device, in evaluation mode), so the model
    and the random generators stay as they are and nothing is computed. Each weight counts once for
    every position it is used at, padding included; biases, normalisation, activations and matrix
    products without a weight of a layer count nothing. A layer that the forward does not use has 0.

    Args:
        model: on any device, in any mode.
        in_shape: the shape of one input without the batch, such as (C, H, W).
    """
    weights = prunable(model)
    counts = dict.fromkeys(weights, 0)
    blueprint = _without_memory(model)
    names = {id(weight): name for name, weight in prunable(blueprint).items()}

    def count(layer: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        name = names[id(layer.weight)]
        counts[name] += weights[name].numel() * _uses(layer, inputs[0], output)

    for module in blueprint.modules():
        if isinstance(module, Layer):
            module.register_forward_hook(count)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        blueprint(torch.empty(1, *in_shape, device="meta"))
    return counts


def _without_memory(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode, whose parameters and buffers have shapes but no values."""
    memo: dict[int, object] = {}
    for parameter in model.parameters():
        empty = torch.empty_like(parameter, device="meta")
        memo[id(parameter)] = nn.Parameter(empty, requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo).eval()


def _uses(layer: Layer, features: Tensor, output: Tensor) -> int:
    """How many times each weight of the layer is multiplied in one forward."""
    if isinstance(layer, nn.Linear):
        return features.numel() // layer.in_features
    if isinstance(layer, Transposed):
        return features.numel() // layer.in_channels
    return output.numel() // layer.out_channels


def theoretical_speedup(
    layer_multiply_adds: Mapping[str, int], masks: Mapping[str, Tensor]
) -> float:
    """Multiply-adds of the dense model over those on non-zero weights, >= 1; higher is cheaper.

    What a machine would gain that skips every zero at no cost. A layer without a weight left counts
    nothing; one that the masks do not name is refused, as is the reverse.

    Raises:
        ValueError: masks and counts name different layers, or nothing is left to multiply.
    """
    if set(layer_multiply_adds) != set(masks):
        differing = sorted(set(layer_multiply_adds) ^ set(masks))
        raise ValueError(
            f"multiply-adds and masks must name the same layers, differ in {differing}"
        )
    kept = sum(
        count // masks[name].numel() * int(masks[name].count_nonzero())
        for name, count in layer_multiply_adds.items()
    )
    if kept == 0:
        raise ValueError("theoretical_speedup needs a multiply-add on a non-zero weight, got none")
    return sum(layer_multiply_adds.values()) / kept


def sparsity_of(masks: Mapping[str, Tensor]) -> float:
    """The share of the prunable weights that the masks set to zero, in [0, 1]."""
    return count_zeros(masks) / sum(mask.numel() for mask in masks.values())


def layer_sparsities(masks: Mapping[str, Tensor]) -> dict[str, float]:
    """`sparsity_of` each layer, by the weight's name."""
    return {name: sparsity_of({name: mask}) for name, mask in masks.items()}


def sparsity_all_parameters(model: nn.Module) -> float:
    """The share of zeros among all parameters, in [0, 1]: entries that are zero, for any reason.

    Below the sparsity of the prunable weights, since biases and normalisation layers are dense:
    0.8957 for ResNet-56 at 0.9. In a model never trained, biases that start at zero count too.
    """
    zeros = sum(p.numel() - int(p.count_nonzero()) for p in model.parameters())
    return zeros / count_parameters(model)


def removed_share(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """s of one prune: the share in [0, 1] of the weights alive in `before` that it removed."""
    alive = sum(int(mask.count_nonzero()) for mask in before.values())
    if alive == 0:
        raise ValueError("removed_share needs masks with a weight alive before the prune, got none")
    return (count_zeros(after) - count_zeros(before)) / alive


def parameter_vector(model: nn.Module, which: Literal["all", "prunable"] = "all") -> Tensor:
    """A flat copy [n] of the parameters: "all" (biases and normalisation included) or "prunable".

    ALLR's norm drop is that of "all", as in the authors' public release.
    """
    if which not in ("all", "prunable"):
        raise ValueError(f"which must be one of all, prunable, got {which!r}")
    chosen = model.parameters() if which == "all" else prunable(model).values()
    return torch.cat([p.detach().flatten() for p in chosen])


def norm_drop(before: Tensor, after: Tensor) -> float:
    """||before - after|| / ||before||, Euclidean, summed in double precision; 0 where nothing went.

    Args:
        before: `parameter_vector` before the prune, [n].
        after: the same after it, [n].

    Raises:
        ValueError: shapes differ, or `before` is all zero or not finite.
    """
    if before.shape != after.shape:
        raise ValueError(
            f"before and after must have one shape, got {list(before.shape)}, {list(after.shape)}"
        )
    whole = float(torch.linalg.vector_norm(before, dtype=torch.float64))
    if not 0 < whole < float("inf"):
        raise ValueError(f"the norm before must be > 0 and finite, got {whole}")
    return float(torch.linalg.vector_norm(before - after, dtype=torch.float64)) / whole

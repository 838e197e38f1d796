"""What of a model can be pruned: its layers, their filters, and what goes with a filter.

A filter is what makes one output channel of a convolution or one output of a linear layer.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | Transposed | nn.Linear

_NORM_LAYERS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def prunable_layers(model: nn.Module) -> dict[str, Layer]:
    """Every convolution and linear layer in module order, by the name of its weight.

    First layer and classifier are among them, normalisation layers and biases never. A weight that
    several layers share appears once, under its first name. The packed projection inside
    `nn.MultiheadAttention` is a bare parameter, of no layer, and is not pruned.
    """
    layers: dict[str, Layer] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, Layer) and id(module.weight) not in seen:
            seen.add(id(module.weight))
            layers[_join(prefix, "weight")] = module
    return layers


def prunable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of `prunable_layers`, by name in module order."""
    layers = prunable_layers(model)
    return {name: cast(nn.Parameter, layer.weight) for name, layer in layers.items()}


def filter_companions(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """For each prunable weight, the parameters with one entry a filter that go with its filters.

    These are the layer's bias and the affine parameters of the normalisation layer that follows:
    without them a removed filter would still emit a constant, relu(beta). The layer that follows is
    the next sibling in registration order, skipping siblings without parameters (activations,
    dropout, pooling), if it normalises as many channels as there are filters. Siblings only: in
    pre-activation networks the next block's first norm layer also sees the shortcut. The price is
    that a norm layer in another container is not found (in Swin v2, the one after each MLP).
    """
    names = {id(weight): name for name, weight in prunable(model).items()}
    companions: dict[str, tuple[str, ...]] = dict.fromkeys(names.values(), ())
    if isinstance(model, Layer):
        companions["weight"] = _bias(model, "")
    for prefix, parent in model.named_modules():
        children = list(parent.named_children())
        for i, (child_name, child) in enumerate(children):
            if isinstance(child, Layer):
                bias = _bias(child, _join(prefix, child_name))
                affine = _affine_after(child, children[i + 1 :], prefix)
                companions[names[id(child.weight)]] += (*bias, *affine)
    return companions


def filter_rows(layer: Layer, values: Tensor) -> Tensor:
    """Values of the shape of a layer's weight as [n_filters, weights of one filter]."""
    if isinstance(layer, Transposed):  # [in, out / groups, ...], the inputs in groups
        grouped = torch.unflatten(values, 0, (layer.groups, -1))
        values = grouped.transpose(1, 2).flatten(0, 1)
    return values.flatten(1)


def whole_filters(layer: Layer, kept: Tensor) -> Tensor:
    """`kept` [n_filters] as a mask of the shape of the layer's weight."""
    if isinstance(layer, Transposed):
        inputs = layer.in_channels // layer.groups
        kept = kept.reshape(layer.groups, 1, -1).expand(-1, inputs, -1).flatten(0, 1)
    ones = [1] * (layer.weight.dim() - kept.dim())
    return kept.reshape(*kept.shape, *ones).expand(layer.weight.shape)


def n_filters(layer: Layer) -> int:
    """Output channels of a convolution, outputs of a linear layer."""
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def classifier(layers: Mapping[str, Layer]) -> str:
    """The last linear layer; the last layer where there is none (a fully convolutional network)."""
    linear = [name for name, layer in layers.items() if isinstance(layer, nn.Linear)]
    return (linear or list(layers))[-1]


def _bias(layer: Layer, prefix: str) -> tuple[str, ...]:
    return () if layer.bias is None else (_join(prefix, "bias"),)


def _affine_after(
    layer: Layer, siblings: Sequence[tuple[str, nn.Module]], prefix: str
) -> tuple[str, ...]:
    for name, module in siblings:
        parameters = dict(module.named_parameters())
        if isinstance(module, _NORM_LAYERS):
            fits = all(p.numel() == n_filters(layer) for p in parameters.values())
            return tuple(_join(prefix, f"{name}.{key}") for key in parameters) if fits else ()
        if parameters:
            return ()
    return ()


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name

"""Convolutions and linear layers, and how their weights are cut into filters.

A filter is what makes one output channel of a convolution or one output of a linear layer.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Layer = nn.Conv1d | nn.Conv2d | nn.Conv3d | Transposed | nn.Linear


def filter_rows(layer: nn.Module, values: Tensor) -> Tensor:
    """Values of the shape of a layer's weight as [n_filters, weights of one filter].

    Of any other weight as [its first dimension, the rest]; one of a single dimension is a column.
    """
    if isinstance(layer, Transposed):  # [in, out / groups, ...], the inputs in groups
        grouped = torch.unflatten(values, 0, (layer.groups, -1))
        values = grouped.transpose(1, 2).flatten(0, 1)
    return values.flatten(1) if values.dim() > 1 else values.reshape(-1, 1)


def from_filter_rows(layer: nn.Module, rows: Tensor, shape: Sequence[int]) -> Tensor:
    """Undo `filter_rows`: `rows` [n_filters, weights of one filter] in the weight's shape."""
    if not isinstance(layer, Transposed):
        return rows.reshape(*shape)
    outputs = rows.shape[0] // layer.groups
    grouped = rows.reshape(layer.groups, outputs, -1, *shape[2:])
    return grouped.transpose(1, 2).flatten(0, 1)


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

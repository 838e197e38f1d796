"""What belongs to a filter beside its weights, and goes with it: bias and affine parameters."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from trainables.pruning.layers import Layer, n_filters
from trainables.pruning.prunable import Prunable, prunable

_NORM_LAYERS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


def filter_companions(target: nn.Module | Prunable) -> dict[str, tuple[str, ...]]:
    """For each prunable weight, the parameters with one entry per filter that go with its filters.

    These are the layer's bias and the affine parameters of the normalisation layer that follows:
    without them a removed filter would still emit a constant, relu(beta). The layer that follows is
    the next sibling in registration order, skipping siblings without parameters (activations,
    dropout, pooling), if it normalises as many channels as there are filters. Siblings only: in
    pre-activation networks the next block's first norm layer also sees the shortcut. The price is
    that a norm layer in another container is not found (in Swin v2, the one after each MLP).
    """
    weights = prunable(target)
    model = weights.model
    names = {id(weight): name for name, weight in weights.items()}
    companions: dict[str, tuple[str, ...]] = dict.fromkeys(names.values(), ())
    if isinstance(model, Layer) and companions:
        companions["weight"] = _bias(model, "")
    for prefix, parent in model.named_modules():
        children = list(parent.named_children())
        for i, (child_name, child) in enumerate(children):
            if isinstance(child, Layer) and id(child.weight) in names:
                bias = _bias(child, _join(prefix, child_name))
                affine = _affine_after(child, children[i + 1 :], prefix)
                companions[names[id(child.weight)]] += (*bias, *affine)
    return companions


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

"""DST, dynamic sparse training: every filter or neuron learns a threshold for its weights.

Source: Liu et al. 2020, Dynamic Sparse Training: Find Efficient Sparse Network From Scratch With
Trainable Masked Layers.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from trainables.methods import lists
from trainables.methods.aside import Aside, gradients
from trainables.methods.interface import ExtraParameters, Hooks, Setting
from trainables.pruning.layers import filter_rows, n_filters, whole_filters
from trainables.pruning.masks import Masks

LEAST_KEPT = 0.01
"""A layer that keeps at most this share of its weights has its thresholds reset to zero."""


class DynamicSparse(Hooks):
    """The forward uses w [|w| > theta], with theta [n_filters] of every layer, 0 at the start.

    Parameters: `penalty`, the alpha of loss + alpha sum exp(-theta); the reported loss is without
    it; `threshold_decay`, the weight decay of theta, 0 unless given. The step function's derivative
    is replaced by `surrogate`, through which theta and also w get a gradient. Weight decay acts on
    w once. (The public release of BIMP's authors decays twice.)
    """

    def __init__(self, setting: Setting) -> None:
        layers = setting.weights.layers
        self._names, self._layers = list(layers), list(layers.values())
        self._weights: list[Tensor] = [layer.weight for layer in self._layers]
        self.thresholds = [
            nn.Parameter(torch.zeros(n_filters(layer), device=layer.weight.device))
            for layer in self._layers
        ]
        named = zip(self._names, self.thresholds, strict=True)
        decay = float(setting.parameters["threshold_decay"])
        self._extra = ExtraParameters({f"threshold.{name}": t for name, t in named}, decay)
        self._penalty = float(setting.parameters["penalty"])
        self._aside = Aside(self._weights)
        self._margins: list[Tensor] = []

    def extra_parameters(self) -> ExtraParameters:
        return self._extra

    def _margin(self) -> list[Tensor]:
        """|w| - theta, in the layout of the weights."""
        margins = lists.magnitudes(self._weights)
        pairs = zip(self._layers, self.thresholds, strict=True)
        lists.subtract_(margins, [whole_filters(layer, theta.detach()) for layer, theta in pairs])
        return margins

    def before_forward(self, step: int) -> None:
        self._margins = self._margin()
        self._aside.use_(lists.product(self._weights, lists.positive(self._margins)))

    @torch.no_grad()
    def on_gradients(self, step: int) -> None:
        """Set the gradients of w and theta, for g at the weights used, Q = |w| - theta.

        dw = g ([Q > 0] + |w| h(Q)) and, summed over the filter's weights,
        dtheta = -sum g w h(Q) - alpha exp(-theta), with h the surrogate derivative.
        """
        self._aside.restore_()
        slopes = gradients(self._weights)
        pull = lists.product(slopes, self._weights)
        lists.multiply_(pull, surrogate(self._margins))
        for layer, theta, values in zip(self._layers, self.thresholds, pull, strict=True):
            loss_part = filter_rows(layer, values).sum(1)
            theta.grad = -loss_part - self._penalty * torch.exp(-theta)
        lists.multiply_(slopes, lists.positive(self._margins))
        lists.add_product_(slopes, pull, lists.signs(self._weights))

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Reset the thresholds of layers that keep next to nothing."""
        for theta, margin in zip(self.thresholds, self._margin(), strict=True):
            starved = (margin > 0).count_nonzero() <= LEAST_KEPT * margin.numel()
            theta.masked_fill_(starved, 0.0)

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(lists.product(self._weights, lists.positive(self._margin())))

    def final_masks(self) -> Masks:
        return {name: q > 0 for name, q in zip(self._names, self._margin(), strict=True)}


def surrogate(margins: list[Tensor]) -> list[Tensor]:
    """The stand-in for a step's derivative at x: 2 - 4|x| up to |x| = .4, .4 up to 1, then 0."""
    distances = lists.magnitudes(margins)
    slopes = lists.product(distances, -4.0)
    lists.add_(slopes, 2.0)
    lists.at_least_(slopes, 0.4)
    lists.multiply_(slopes, [(x <= 1).to(x.dtype) for x in distances])
    return slopes

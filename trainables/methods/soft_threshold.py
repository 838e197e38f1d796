"""STR, soft threshold reparameterisation: each layer learns by how much its weights shrink.

Source: Kusupati et al. 2020, Soft Threshold Weight Reparameterization for Learnable Sparsity.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from trainables.methods import lists
from trainables.methods.aside import Aside, gradients
from trainables.methods.interface import ExtraParameters, Hooks, Setting
from trainables.pruning.masks import Masks


class SoftThreshold(Hooks):
    """The forward uses sign(w) relu(|w| - sigmoid(theta)), with one theta [n_layers] a layer.

    Parameters: `s_initial`, where every theta starts; `threshold_decay`, the decay of theta, that
    of the weights unless given. It draws theta to 0 from below, which raises the threshold and so
    drives the sparsity. That is not controlled directly. The weights that count are the shrunk
    ones.
    """

    def __init__(self, setting: Setting) -> None:
        weights = setting.weights
        self._names, self._weights = list(weights), list(weights.values())
        theta = torch.full([len(weights)], float(setting.parameters["s_initial"]))
        self.theta = nn.Parameter(theta.to(self._weights[0].device))
        own = setting.parameters["threshold_decay"]
        decay = setting.weight_decay if own is None else float(own)
        self._extra = ExtraParameters({"theta": self.theta}, decay)
        self._aside = Aside(self._weights)
        self._kept: list[Tensor] = []

    def extra_parameters(self) -> ExtraParameters:
        return self._extra

    def _excess(self) -> list[Tensor]:
        """relu(|w| - threshold) of every layer."""
        excess = lists.magnitudes(self._weights)
        lists.subtract_(excess, self.theta.detach().sigmoid().unbind())
        lists.at_least_(excess, 0.0)
        return excess

    def _shrunk(self, excess: list[Tensor]) -> list[Tensor]:
        return lists.product(excess, lists.signs(self._weights))

    def before_forward(self, step: int) -> None:
        excess = self._excess()
        self._kept = lists.signs(excess)
        self._aside.use_(self._shrunk(excess))

    def on_gradients(self, step: int) -> None:
        """Set the gradients of w and theta, for g at the weights used and s = sigmoid(theta).

        dw = g [|w| > s] and dtheta = -s (1 - s) times the layer's sum of g sign(w) [|w| > s].
        """
        self._aside.restore_()
        slopes = gradients(self._weights)
        lists.multiply_(slopes, self._kept)
        outward = lists.product(slopes, lists.signs(self._weights))
        threshold = self.theta.detach().sigmoid()
        sums = torch.stack([layer.sum() for layer in outward])
        self.theta.grad = -threshold * (1 - threshold) * sums

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(self._shrunk(self._excess()))

    def final_masks(self) -> Masks:
        return {name: q > 0 for name, q in zip(self._names, self._excess(), strict=True)}

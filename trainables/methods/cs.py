"""CS, continuous sparsification: a sigmoid gate on every weight that hardens in training.

Source: Savarese, Silva and Maire 2020, Winning the Lottery with Continuous Sparsification.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from trainables.methods import lists
from trainables.methods.aside import Aside, gradients
from trainables.methods.interface import ExtraParameters, Hooks, Setting
from trainables.pruning.masks import Masks


class ContinuousSparsification(Hooks):
    """The forward uses w sigmoid(beta m) / sigmoid(s_initial), with a learnt m for every weight.

    Parameters: `s_initial`, where every m starts; `beta_final`: beta is beta_final^(step / steps);
    `penalty`, the lambda of loss + lambda sum sigmoid(beta m). The reported loss is without the
    penalty. Weight decay acts on w once, never on m. The mask is m > 0, and the weights that count
    are the hard-masked ones, w [m > 0] / sigmoid(s_initial). (The public release of BIMP's authors
    decays twice and evaluates soft masks.)
    """

    def __init__(self, setting: Setting) -> None:
        weights = setting.weights
        start = float(setting.parameters["s_initial"])
        self._names, self._weights = list(weights), list(weights.values())
        self._m = [nn.Parameter(torch.full_like(w, start)) for w in self._weights]
        named = {f"m.{name}": m for name, m in zip(self._names, self._m, strict=True)}
        self._extra = ExtraParameters(named, weight_decay=0.0)
        self._scale = 1 + math.exp(-start)
        self._penalty = float(setting.parameters["penalty"])
        self._beta_final, self._steps = float(setting.parameters["beta_final"]), setting.steps
        self._aside = Aside(self._weights)
        self._gates: list[Tensor] = []

    def extra_parameters(self) -> ExtraParameters:
        return self._extra

    def _beta(self, step: int) -> float:
        return float(self._beta_final ** (step / self._steps))

    def _gated(self, gates: list[Tensor]) -> list[Tensor]:
        values = lists.product(self._weights, gates)
        lists.multiply_(values, self._scale)
        return values

    def before_forward(self, step: int) -> None:
        self._gates = lists.product(self._m, self._beta(step))
        lists.sigmoid_(self._gates)
        self._aside.use_(self._gated(self._gates))

    def on_gradients(self, step: int) -> None:
        """Set the gradients of w and m, for g at the weights used and scale = 1/sigmoid(s_initial).

        dw = g gate scale and dm = (g w scale + lambda) beta gate (1 - gate).
        """
        self._aside.restore_()
        slopes = gradients(self._weights)
        pull = lists.product(slopes, self._weights)
        lists.multiply_(pull, self._scale)
        lists.add_(pull, self._penalty)
        lists.multiply_(pull, self._steepness(step))
        for m, slope in zip(self._m, pull, strict=True):
            m.grad = slope
        lists.multiply_(slopes, self._gates)
        lists.multiply_(slopes, self._scale)

    def _steepness(self, step: int) -> list[Tensor]:
        """beta gate (1 - gate), the derivative of the gate in m."""
        steepness = lists.product(self._gates, -1.0)
        lists.add_(steepness, 1.0)
        lists.multiply_(steepness, self._gates)
        lists.multiply_(steepness, self._beta(step))
        return steepness

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(self._gated(lists.positive(self._m)))

    def final_masks(self) -> Masks:
        return {name: m.detach() > 0 for name, m in zip(self._names, self._m, strict=True)}

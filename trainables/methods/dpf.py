"""DPF, dynamic pruning with feedback: train at masked weights, update the dense ones.

Source: Lin et al. 2020, Dynamic Model Pruning with Feedback.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from trainables.methods.aside import Aside
from trainables.methods.gradual import GradualMasks
from trainables.methods.interface import Hooks, Setting
from trainables.pruning.masks import Masks

RECOMPUTE_EVERY = 16
"""Steps after which the mask is chosen anew at the level reached, as in the paper."""


class Dpf(Hooks):
    """Parameters: `interval` D in epochs between rises of the sparsity, on GMP's schedule, `guard`.

    Forward and backward run at the masked weights; the update, from a gradient for all entries,
    goes to the dense ones, so a weight pruned too early grows back. When the level rises, the
    momentum of masked entries is forgotten, as under GMP; when the mask is only chosen anew, it is
    kept: it is the feedback.

    Where single weights go and a filter has none left, its output is constant, and BatchNorm's
    backward divides by the root of its epsilon alone: the gradient of the filter's weights is some
    hundred times that of others, they grow, displace those in use, and the network fails. The paper
    and the authors' release let that be. With the `guard` such a filter gets no gradient: it
    decays, and returns when those in use have shrunk below it. Where filters are what goes, the
    scale is masked too, so that a removed one behind BatchNorm and ReLU has no gradient anyway, and
    the guard does nothing.
    """

    def __init__(self, setting: Setting) -> None:
        self._weights = list(setting.weights.values())
        self._gradual = GradualMasks(setting)
        self._guard = bool(setting.parameters["guard"])
        self._aside = Aside(self._gradual.parameters)
        self._optimiser: torch.optim.Optimizer | None = None

    def bind(self, optimiser: torch.optim.Optimizer) -> None:
        self._optimiser = optimiser

    def before_forward(self, step: int) -> None:
        if not self._gradual.active:
            return
        if step % RECOMPUTE_EVERY == 0 and self._finite():
            self._gradual.prune_(self._gradual.zeros)
        self._aside.use_(self._gradual.masked())

    def _finite(self) -> bool:
        """Weights that are not cannot be ranked; the epoch's end will tell the divergence."""
        sums = torch.stack([w.detach().sum(dtype=torch.float64) for w in self._weights])
        return bool(sums.isfinite().all())

    def on_gradients(self, step: int) -> None:
        if self._gradual.active:
            self._aside.restore_()
            if self._guard:
                self._gradual.mask_empty_filters_()

    def at_epoch_end(self, epochs_done: int) -> None:
        zeros = self._gradual.zeros_after.get(epochs_done)
        if zeros is None:
            return
        self._gradual.prune_(zeros)
        if self._optimiser is not None:
            self._gradual.mask_momentum_(self._optimiser)

    def evaluation(self) -> AbstractContextManager[None]:
        if not self._gradual.active:
            return nullcontext()
        return self._aside.used(self._gradual.masked())

    def final_masks(self) -> Masks:
        return self._gradual.masks

    def state(self) -> dict[str, Tensor]:
        return self._gradual.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._gradual.load_state(state)

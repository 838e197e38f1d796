"""GMP, gradual magnitude pruning: prune a little at the end of every D epochs.

Source: Zhu and Gupta 2017, To prune, or not to prune, with its cubic schedule.
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


class Gmp(Hooks):
    """Parameters: `interval` D in epochs, and `recover`.

    Without recovery pruned weights are zero from then on, and only weights alive are pruned. With
    it a dense copy is kept: its masked entries get weight decay but no gradient, and each prune
    ranks the copy anew, so that a weight may return when others have shrunk below it.
    """

    def __init__(self, setting: Setting) -> None:
        self._gradual = GradualMasks(setting)
        self._recover = bool(setting.parameters["recover"])
        self._aside = Aside(self._gradual.parameters)
        self._optimiser: torch.optim.Optimizer | None = None

    def bind(self, optimiser: torch.optim.Optimizer) -> None:
        self._optimiser = optimiser

    @property
    def _hides(self) -> bool:
        """Whether masked weights live on behind the mask."""
        return self._recover and self._gradual.active

    def before_forward(self, step: int) -> None:
        if self._hides:
            self._aside.use_(self._gradual.masked())

    def on_gradients(self, step: int) -> None:
        if self._hides:
            self._aside.restore_()
        if self._gradual.active:
            self._gradual.mask_gradients_()

    def at_epoch_end(self, epochs_done: int) -> None:
        zeros = self._gradual.zeros_after.get(epochs_done)
        if zeros is None:
            return
        self._gradual.prune_(zeros, within=None if self._recover else self._gradual.masks)
        if not self._recover:
            self._gradual.apply_()
        if self._optimiser is not None:
            self._gradual.mask_momentum_(self._optimiser)

    def evaluation(self) -> AbstractContextManager[None]:
        return self._aside.used(self._gradual.masked()) if self._hides else nullcontext()

    def final_masks(self) -> Masks:
        return self._gradual.masks

    def state(self) -> dict[str, Tensor]:
        return self._gradual.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._gradual.load_state(state)

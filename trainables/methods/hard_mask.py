"""Retraining of IMP and BIMP: pruned weights stay zero.

With weights and momentum masked once, at the prune, masking the gradient in every step keeps both
exactly zero: SGD's update of such an entry is made of zeros only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.methods.interface import Hooks
from trainables.pruning.masks import Masks, apply_, float_masks, mask_gradients_, mask_momentum_


class HardMask(Hooks):
    """Keep masked weights, their gradients and their momentum at zero.

    `companions` mask what belongs to removed filters (bias, affine of the norm layer); they are not
    prunable and count in no sparsity.
    """

    def __init__(self, model: nn.Module, masks: Masks, companions: Masks | None = None) -> None:
        self._masks, self._companions = masks, companions or {}
        everything = {**masks, **self._companions}
        apply_(model, everything)
        self._parameters, self._floats = float_masks(model, everything)

    def bind(self, optimiser: torch.optim.Optimizer) -> None:
        mask_momentum_(optimiser, self._parameters, self._floats)

    def on_gradients(self, step: int) -> None:
        mask_gradients_(self._parameters, self._floats)

    def final_masks(self) -> Masks:
        return self._masks

    def state(self) -> dict[str, Tensor]:
        named = {f"mask.{name}": mask for name, mask in self._masks.items()}
        return named | {f"companion.{name}": mask for name, mask in self._companions.items()}

"""The k largest of the prunable entries by any score, exactly, chosen anew in every step."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.formulas.sparsity import zeros_at
from trainables.methods import lists
from trainables.methods.interface import Setting
from trainables.methods.lists import Tensors
from trainables.methods.selection import all_but_lowest
from trainables.pruning.layers import prunable
from trainables.pruning.masks import SCOPES, Masks, dense_masks


class Largest:
    """Chooses k = n - round(S n) of the n prunable entries, over the model or in every layer.

    Both the count and the choice are over prunable weights alone. (The authors' public release
    takes k from these, but the top k of all parameters.) Of equal scores the lower index in module
    order is left out first.
    """

    def __init__(self, setting: Setting) -> None:
        weights = prunable(setting.model)
        self.weights: list[Tensor] = list(weights.values())
        self._names = list(weights)
        self._kept = [torch.ones_like(w, requires_grad=False) for w in self.weights]
        masks = dense_masks(setting.model)
        zeros = zeros_at(sum(mask.numel() for mask in masks.values()), setting.sparsity)
        self._groups = [
            ([self._names.index(name) for name in names], count)
            for names, count in SCOPES[setting.scope].groups(masks, zeros)
        ]

    def by(self, scores: Tensors) -> list[Tensor]:
        """Return 1 where a weight's score is among the k largest, else 0, in the weights' layout.

        `scores` has one tensor a weight, of its shape. The result is valid until the next call.
        """
        for members, zeros in self._groups:
            kept = all_but_lowest(torch.cat([scores[i].flatten() for i in members]), zeros)
            parts = torch.split(kept, [scores[i].numel() for i in members])
            views = [part.view(scores[i].shape) for i, part in zip(members, parts, strict=True)]
            lists.copy_([self._kept[i] for i in members], views)
        return self._kept

    def by_magnitude(self) -> list[Tensor]:
        """Return `by` the magnitudes of the weights as they stand in the model."""
        return self.by(lists.magnitudes(self.weights))

    def hard_weights(self) -> list[Tensor]:
        """Return the weights in the model with all but the k largest set to zero, as copies."""
        return lists.product(self.weights, self.by_magnitude())

    def masks(self) -> Masks:
        """Return the masks of the k largest magnitudes in the model."""
        kept = self.by_magnitude()
        return {name: part.bool() for name, part in zip(self._names, kept, strict=True)}

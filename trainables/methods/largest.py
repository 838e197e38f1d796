"""The k largest of the prunable entries by any score, exactly, chosen anew in every step."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.formulas.sparsity import zeros_at
from trainables.methods import lists
from trainables.methods.interface import Setting
from trainables.methods.lists import Tensors
from trainables.methods.selection import all_but_lowest
from trainables.pruning.choices import SCOPES
from trainables.pruning.masks import Masks, dense_masks
from trainables.pruning.prunable import Part
from trainables.pruning.quotas import Quota, protected


class Largest:
    """Chooses k = n - round(S n) of the n prunable entries, over the model or in every layer.

    Both the count and the choice are over prunable weights alone. (The authors' public release
    takes k from these, but the top k of all parameters.) Of equal scores the lower index in module
    order is left out first.
    """

    def __init__(self, setting: Setting) -> None:
        weights = setting.weights
        self.weights: list[Tensor] = list(weights.values())
        self._names = list(weights)
        self._kept = [torch.ones_like(w, requires_grad=False) for w in self.weights]
        zeros = zeros_at(sum(weight.numel() for weight in self.weights), setting.sparsity)
        layers = Quota.all_of(weights, dense_masks(weights), setting.keep_least)
        zeros = min(zeros, sum(quota.most_zeros for quota in layers))
        groups = SCOPES[setting.scope].groups(layers, zeros)
        self._groups = [([self._rows(q.part) for q in group], count) for group, count in groups]
        self._protected = [group if setting.keep_least else () for group, _ in groups]

    def _rows(self, part: Part) -> tuple[int, slice]:
        """Which weight a layer is in, and which rows of it."""
        place = self._names.index(part.name)
        width = self.weights[place][0].numel()
        return place, slice(part.start // width, part.stop // width)

    def by(self, scores: Tensors) -> list[Tensor]:
        """Return 1 where a weight's score is among the k largest, else 0, in the weights' layout.

        `scores` has one tensor per weight, of its shape. The result is valid until the next call.
        """
        for (members, zeros), layers in zip(self._groups, self._protected, strict=True):
            chosen = [scores[i][rows] for i, rows in members]
            ranked = torch.cat([values.flatten() for values in chosen])
            if layers:
                ranked = protected(ranked, layers)
            kept = all_but_lowest(ranked, zeros)
            parts = torch.split(kept, [values.numel() for values in chosen])
            views = [p.view(values.shape) for p, values in zip(parts, chosen, strict=True)]
            lists.copy_([self._kept[i][rows] for i, rows in members], views)
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

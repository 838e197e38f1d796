"""The masks of gradual pruning: when they tighten, by how much, and what they act on.

Shared by GMP and DPF, which differ in what happens to the weights behind the masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import torch
from torch import Tensor

from trainables.formulas.sparsity import gmp_sparsity, zeros_at
from trainables.methods import lists
from trainables.methods.interface import Setting
from trainables.pruning.layers import filter_rows, from_filter_rows
from trainables.pruning.masks import (
    Masks,
    apply_,
    count_zeros,
    dense_masks,
    float_masks,
    mask_gradients_,
    mask_momentum_,
    taken_along,
)
from trainables.pruning.ranking import prune


class GradualMasks:
    """Masks of whatever the structure removes, with the parameters that go with its units.

    `masks` are of prunable weights; `zeros` is how many zeros were asked for last, 0 before the
    first prune. `parameters` and `factors` cover also biases and affine parameters of the
    normalisation layer, entries of which go with their filter or head. `fed` tells filters with a
    weight left from others: by place among `parameters` a factor of 1 and 0, for weights that have
    such.
    """

    def __init__(self, setting: Setting) -> None:
        self._weights = setting.weights
        self._model = self._weights.model
        self._structure, self._scope = setting.structure, setting.scope
        self._filter_norm, self._keep_least = setting.filter_norm, setting.keep_least
        n = sum(mask.numel() for mask in dense_masks(self._weights).values())
        self.zeros_after = _zeros_after_epochs(setting, n)
        self._take(dense_masks(self._weights), 0)

    def _take(self, masks: Masks, zeros: int) -> None:
        self.masks, self.zeros = masks, zeros
        self.companions = taken_along(self._weights, masks, self._structure)
        self.parameters, self.factors = float_masks(self._model, {**masks, **self.companions})
        self.fed = {} if self._structure.record.takes_along else self._fed()

    def _fed(self) -> dict[int, Tensor]:
        found = {}
        for place, (name, mask) in enumerate(self.masks.items()):
            if mask.dim() < 2:  # of single entries none is a filter
                continue
            module = self._weights.modules[name]
            rows = filter_rows(module, mask)
            empty = ~rows.any(1, keepdim=True)
            if bool(empty.any()):
                whole = from_filter_rows(module, empty.expand_as(rows), mask.shape)
                found[place] = torch.ones_like(self.factors[place]).masked_fill_(whole, 0)
        return found

    @property
    def active(self) -> bool:
        """Whether anything has been pruned."""
        return self.zeros > 0

    def prune_(self, zeros: int, *, within: Masks | None = None) -> None:
        """Rank the weights in the model and mask `zeros` of them, those of `within` included."""
        start = dense_masks(self._weights) if within is None else within
        masks = prune(
            self._weights,
            start,
            zeros=max(zeros, count_zeros(start)),
            structure=self._structure,
            scope=self._scope,
            criterion="magnitude",
            filter_norm=self._filter_norm,
            keep_least=self._keep_least,
        )
        self._take(masks, zeros)

    def masked(self) -> list[Tensor]:
        """Return what `parameters` hold in the model, masked, as copies."""
        return lists.product(self.parameters, self.factors)

    def apply_(self) -> None:
        """Set masked entries to zero in the model."""
        apply_(self._model, {**self.masks, **self.companions})

    def mask_gradients_(self) -> None:
        """Take masked entries out of the gradients."""
        mask_gradients_(self.parameters, self.factors)

    def mask_empty_filters_(self) -> None:
        """Take filters without a weight left out of the gradients."""
        mask_gradients_([self.parameters[place] for place in self.fed], list(self.fed.values()))

    def mask_momentum_(self, optimiser: torch.optim.Optimizer) -> None:
        """Forget the momentum of masked entries."""
        mask_momentum_(optimiser, self.parameters, self.factors)

    def state(self) -> dict[str, Tensor]:
        """Return masks and level."""
        named = {f"mask.{name}": mask for name, mask in self.masks.items()}
        return {**named, "zeros": torch.tensor(self.zeros)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up saved masks and level, on the model's device."""
        masks = {name: state[f"mask.{name}"].to(mask.device) for name, mask in self.masks.items()}
        self._take(masks, int(state["zeros"]))


def _zeros_after_epochs(setting: Setting, n: int) -> dict[int, int]:
    """Zeros among the n prunable weights by the number of epochs done, at every prune.

    Under a pattern they rise by whole zeros per group, so that some prunes change nothing.
    """
    epochs = Fraction(setting.steps, setting.steps_per_epoch)
    levels = gmp_sparsity(setting.sparsity, epochs=epochs, interval=setting.parameters["interval"])
    group = setting.structure.group
    return {done: zeros_at(n, level, group) for done, level in levels.items()}

"""What a sparsifying method may do to a training run; the training loop knows nothing else of it.

The weights in the model are the method's dense weights at all times except between
`before_forward` and `on_gradients`, and inside `evaluation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainables.formulas.structures import WEIGHTS, Structure
from trainables.pruning.masks import Masks
from trainables.pruning.prunable import Prunable, prunable


@dataclass(frozen=True)
class Setting:
    """What a method is told at its start.

    `parameters` are its own, validated by the catalog; `steps` and `steps_per_epoch` the length of
    its run in optimiser steps; `sparsity` the goal; `weight_decay` what the optimiser applies to
    every parameter of the model that has none of its own; `structure` what goes together;
    `filter_norm` by which norm whole units are ranked; `keep_least` what every layer keeps
    (`prune.keep_layer_min`).
    """

    model: nn.Module
    parameters: Mapping[str, Any]
    sparsity: float
    steps: int
    steps_per_epoch: int
    weight_decay: float
    structure: Structure = WEIGHTS
    scope: str = "global"
    filter_norm: str = "l2"
    keep_least: float = 0
    chosen: Prunable | None = None

    @property
    def weights(self) -> Prunable:
        """The prunable weights: those that were chosen, else those of the model's layers."""
        return prunable(self.model) if self.chosen is None else self.chosen


@dataclass(frozen=True)
class ExtraParameters:
    """Parameters that a method learns beside the model's, with their own weight decay."""

    named: dict[str, nn.Parameter]
    weight_decay: float


class NoParameters:
    """A method without keys of its own."""


class Hooks:
    """A method that does nothing; every method overrides what it needs.

    `step` counts optimiser steps from 0 within the stage, `epochs_done` finished epochs.

    A user's own, `method: "my_method:Mine"`, is a subclass made with a `Setting`. `Parameters` is a
    class or function whose typed keywords are its keys in the study file; `controls_sparsity` says
    whether it ends at the goal by itself, `structures` which kinds of `formulas.structures` it can
    prune, `needs` what its optimiser must do: some of "coupled decay" and "momentum".
    """

    Parameters: ClassVar[Callable[..., Any]] = NoParameters
    controls_sparsity: ClassVar[bool] = False
    structures: ClassVar[tuple[str, ...]] = ("weights",)
    needs: ClassVar[tuple[str, ...]] = ()

    def extra_parameters(self) -> ExtraParameters | None:
        """Return what the optimiser shall learn beside the model's parameters."""
        return None

    def before_forward(self, step: int) -> None:
        """Put into the model the weights that the forward shall use."""

    def on_gradients(self, step: int) -> None:
        """Turn the gradients at the weights used into those of the weights learnt."""

    def after_step(self, step: int) -> None:
        """Act after the optimiser's step number `step`."""

    def at_epoch_end(self, epochs_done: int) -> None:
        """Act when an epoch has ended with finite weights, before its evaluation."""

    def bind(self, optimiser: torch.optim.Optimizer) -> None:
        """Learn of the optimiser, for methods that mask its momentum."""

    def evaluation(self) -> AbstractContextManager[None]:
        """Within this context the model holds the weights that count: hard-masked ones."""
        return nullcontext()

    def final_masks(self) -> Masks | None:
        """Return the masks that the method would end with now, None for a dense run.

        Asked for while the model holds the weights learnt, so never inside `evaluation`.
        """
        return None

    def state(self) -> dict[str, Tensor]:
        """Return all that must be saved to resume, apart from weights and optimiser state."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved state, in place."""

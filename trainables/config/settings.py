"""What a trial is told, with its lengths resolved to optimiser steps.

`rules` judges it and `trial` is what passed: both stand above this.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property

from trainables.config import catalog
from trainables.config.sections import (
    Budget,
    Compute,
    Dense,
    MethodChoice,
    Prune,
    Retrain,
    Section,
    Task,
)
from trainables.formulas.sparsity import epochs_to_steps, exact, split_steps


class Settings(Section):
    """All keys of one trial, each valid by itself.

    Lengths are asked in epochs and resolved to optimiser steps: `steps_per_epoch` (I),
    `dense_steps` (M) and `cycle_steps` (N of each cycle).
    """

    task: Task
    dense: Dense = Dense()
    method: MethodChoice = MethodChoice(name="imp")
    prune: Prune
    retrain: Retrain = Retrain()
    budget: Budget | None = None
    compute: Compute = Compute()

    @property
    def info(self) -> catalog.Method:
        """The method's catalog record."""
        return catalog.METHODS[self.method.name]

    @property
    def retrains(self) -> bool:
        """Whether the method prunes a dense run and retrains."""
        return self.info.kind == "retraining"

    @property
    def n_train(self) -> int:
        """Training images after the validation split."""
        return catalog.DATASETS[self.task.dataset.name].n_train(self.task.dataset.parameters)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch, the last smaller batch kept."""
        return math.ceil(self.n_train / self.dense.batch_size)

    @cached_property
    def total_steps(self) -> int:
        """Steps of the whole trial."""
        if self.budget is not None:
            return epochs_to_steps(self.budget.epochs, self.steps_per_epoch)
        return self.dense_steps + sum(self.cycle_steps)

    @cached_property
    def dense_steps(self) -> int:
        """Steps of the dense run (M); under a method from scratch, of its one run."""
        if self.budget is None:
            assert self.dense.epochs is not None
            return epochs_to_steps(self.dense.epochs, self.steps_per_epoch)
        fraction = self.budget.dense_fraction if self.retrains else 1.0
        return epochs_to_steps(self.budget.epochs * fraction, self.steps_per_epoch)

    @property
    def retrain_epochs(self) -> Fraction:
        """Epochs of retraining over all cycles."""
        if self.budget is not None:
            return Fraction(self.total_steps - self.dense_steps, self.steps_per_epoch)
        if self.retrain.epochs is not None:
            return exact(self.retrain.epochs)
        assert self.retrain.budget is not None and self.dense.epochs is not None
        return exact(self.retrain.budget) * exact(self.dense.epochs)

    @cached_property
    def cycle_steps(self) -> tuple[int, ...]:
        """Steps of each retraining cycle (N); empty for a method from scratch."""
        if not self.retrains:
            return ()
        return tuple(split_steps(self.retrain_epochs, self.prune.cycles, self.steps_per_epoch))

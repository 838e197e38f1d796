"""What a trial is told, with its lengths resolved to optimiser steps.

`rules` judges it and `trial` is what passed: both stand above this.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import Any

from trainables.code.reference import is_reference
from trainables.config import catalog
from trainables.config.datasets import folder, known
from trainables.config.dense import Dense
from trainables.config.prune import Prune
from trainables.config.quantise import Quantise
from trainables.config.sections import (
    Budget,
    CheckpointFacts,
    Compute,
    DatasetChoice,
    Facts,
    MethodChoice,
    Norm,
    Retrain,
    Section,
    TaskChoice,
)
from trainables.formulas.sparsity import epochs_to_steps, exact, split_steps
from trainables.vocabulary.refusal import Refusal, shown


class FactsMissing(Exception):
    """A configuration asks for a number that only the user's code knows."""


class Settings(Section):
    """All keys of one trial, each valid by itself.

    Lengths are asked in epochs and resolved to optimiser steps: `steps_per_epoch` (I),
    `dense_steps` (M) and `cycle_steps` (N of each cycle).
    """

    task: TaskChoice
    dense: Dense = Dense()
    method: MethodChoice = MethodChoice(name="imp")
    prune: Prune
    retrain: Retrain = Retrain()
    budget: Budget | None = None
    compute: Compute = Compute()
    quantise: Quantise = Quantise()
    facts: Facts | None = None

    @property
    def info(self) -> catalog.Method:
        """The method's catalog record, or one made of the facts of a user's method."""
        if self.method.is_own:
            return self._own_method()
        return catalog.METHODS[self.method.name]

    def _own_method(self) -> catalog.Method:
        facts = self.facts or Facts()
        return catalog.Method(
            self.method.name, self.method.name, "from scratch", catalog.NoParameters,
            facts.controls_sparsity, "the user's own", {}, self.method.name, facts.structures,
            needs=dict.fromkeys(facts.needs, "as it says itself"),
        )  # fmt: skip

    @property
    def own_code(self) -> dict[str, str]:
        """The references to the user's code, by the key of the study file that holds each."""
        task = self.task
        named = {
            "task.use": task.use,
            "task.dataset": task.dataset and task.dataset.name,
            "task.model": task.model and task.model.name,
            "method": self.method.name,
            "dense.optimiser": self.dense.optimiser,
            "prune.criterion": self.prune.criterion,
            "retrain.schedule": self.retrain.schedule if self.retrains else None,
        }
        return {key: name for key, name in named.items() if name and is_reference(name)}

    @property
    def retrains(self) -> bool:
        """Whether the method prunes a dense run and retrains."""
        return self.info.kind == "retraining"

    @property
    def norm(self) -> Norm:
        """What d1's norm drop is measured over: `retrain.norm`, or what suits the structure.

        Where biases and normalisation go with a unit, only what is ranked; else all that is
        trained. Where all prunable weights are ranked, that is their name.
        """
        chosen = self.retrain.norm or self.usual_norm
        every = self.prune.form.record.ranks_all
        return "prunable" if chosen == "ranked" and every else chosen

    @property
    def usual_norm(self) -> Norm:
        """The norm where a study names none; never hashed."""
        return "ranked" if self.prune.form.record.takes_along else "all"

    @property
    def catalog_dataset(self) -> DatasetChoice | None:
        """The data set, where it is one of the catalog's."""
        dataset = self.task.dataset
        return None if dataset is None or dataset.is_own else dataset

    @property
    def n_train(self) -> int:
        """Training examples, those held out for validation not among them."""
        choice = self.task.dataset
        if choice is not None and (dataset := known(choice.name)) is not None:
            return dataset.n_train(choice.parameters)
        if self.facts is None or self.facts.n_train is None:
            raise FactsMissing(f"task {shown(self.task.model_dump())} has not been looked at yet")
        return self.facts.n_train

    @property
    def images(self) -> tuple[tuple[int, int, int], int] | None:
        """Shape [C, H, W] of an image and number of classes; None where the task is the user's."""
        choice = self.catalog_dataset
        if choice is None:
            return None
        if (dataset := known(choice.name)) is not None:
            return dataset.in_shape, dataset.n_classes
        if self.facts is None or self.facts.n_classes is None:
            raise FactsMissing(f"task {shown(self.task.model_dump())} has not been looked at yet")
        record = folder(choice.name)
        assert record is not None
        return record.image_shape(choice.parameters), self.facts.n_classes

    @property
    def declared(self) -> dict[str, Any]:
        """What the task declares of its numbers; empty for classification."""
        return {} if self.facts is None else self.facts.declared

    @property
    def loads_dense(self) -> bool:
        """Whether a trained network from a file stands in place of the dense run."""
        return self.dense.weights is not None

    def weights_name(self, seed: int) -> str:
        """The file of the trained network for a seed, as the study file names it."""
        files = self.dense.checkpoints["dense.weights"]
        if isinstance(self.dense.weights, str):
            return files[0]
        if seed >= len(files):
            rule = f"must hold a file for seed {seed}, at that place of the list"
            raise Refusal(f"dense.weights {rule}, got {len(files)}")
        return files[seed]

    def checkpoint(self, name: str) -> CheckpointFacts:
        """Where a file of trained weights lies, and its digest."""
        if self.facts is None or name not in self.facts.checkpoints:
            raise FactsMissing(f"the weights {name} have not been looked at yet")
        return self.facts.checkpoints[name]

    def draws_at(self, cycle: int) -> str:
        """The name of a stage's random draws: of the dense run at 0, else of a retraining cycle.

        That of retraining seed 0 is as it was before there were others.
        """
        if cycle == 0:
            return "dense"
        seed = self.retrain.seed
        return f"retraining {seed}, cycle {cycle}" if seed else f"cycle {cycle}"

    @property
    def knows_dense_length(self) -> bool:
        """Whether T is known; of a network that came trained it may not be."""
        return self.budget is not None or self.dense.epochs is not None

    @property
    def forward_size(self) -> int:
        """Training examples of one forward at most."""
        return self.compute.micro_batch or math.ceil(self.dense.batch_size / self.compute.processes)

    @property
    def forms_batches(self) -> bool:
        """Whether the task forms its batches itself; `dense.batch_size` is not read then."""
        return self.facts is not None and self.facts.n_batches is not None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch, the last smaller batch kept."""
        if self.facts is not None and self.facts.n_batches is not None:
            return self.facts.n_batches
        return math.ceil(self.n_train / self.dense.batch_size)

    @cached_property
    def total_steps(self) -> int:
        """Steps of the whole trial."""
        if self.budget is not None:
            return epochs_to_steps(self.budget.epochs, self.steps_per_epoch)
        return self.dense_steps + sum(self.cycle_steps)

    @cached_property
    def dense_steps(self) -> int:
        """Steps of the dense run (M); under a method from scratch, of its one run.

        Not to be asked where `knows_dense_length` is false.
        """
        if self.budget is None:
            assert self.dense.epochs is not None
            return epochs_to_steps(self.dense.epochs, self.steps_per_epoch)
        share = self.budget.dense_fraction if self.retrains else 1
        return epochs_to_steps(self.budget.epochs, self.steps_per_epoch, share)

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

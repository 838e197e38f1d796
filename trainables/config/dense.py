"""The `dense` section: the training before any pruning, and the optimiser of all training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from trainables.config.optimisers import OPTIMISERS
from trainables.config.sections import (
    BelowOne,
    Count,
    Epochs,
    NonNegative,
    PositiveNumber,
    Section,
    UpToOne,
    name_or_reference,
)
from trainables.vocabulary.refusal import first_refusal

_optimiser = name_or_reference("dense.optimiser", tuple(OPTIMISERS))


class ParameterGroup(Section):
    """Parameters with a rate and a decay of their own.

    `match`: patterns over names of parameters or of the layers that hold them, or names of module
    types. `weight_decay`: that of `dense` unless given. `lr_scale` times each step's rate.
    """

    match: Annotated[tuple[str, ...], Field(min_length=1)]
    weight_decay: NonNegative | None = None
    lr_scale: NonNegative = 1.0


class Dense(Section):
    """The training before any pruning, and the optimiser of all training.

    `epochs` belongs to imp alone: under other methods `budget` gives it. `every`: epochs between
    drops of `step`. `nesterov` is on where weight decay and momentum are, unless set. `options` are
    keywords of an optimiser that a reference names; of several `groups` that fit a parameter the
    first counts. `freeze`: patterns of parameters that are never trained. All of it but the length
    and the schedule holds in retraining.

    `weights` are a trained network in place of the dense run: one file for all seeds, or a list
    with that of seed k at place k. `start` are weights that the run starts from, tensors that
    patterns of `leave_out` fit being initialised afresh.
    """

    epochs: Epochs | None = None
    batch_size: Count = 64
    lr: PositiveNumber = 0.1
    schedule: Literal[
        "constant", "linear", "cosine", "step", "multistep", "exponential", "inverse_sqrt"
    ] = "linear"
    milestones: tuple[PositiveNumber, ...] = ()
    gamma: UpToOne = 0.1
    every: PositiveNumber = 1.0
    lr_end: NonNegative = 0.0
    warmup_epochs: NonNegative = 0.0
    optimiser: Annotated[str, BeforeValidator(_optimiser)] = "sgd"
    momentum: BelowOne = 0.9
    weight_decay: NonNegative = 0.0005
    nesterov: bool | None = None
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    eps: PositiveNumber = 1e-8
    options: dict[str, Any] = Field(default_factory=dict)
    groups: tuple[ParameterGroup, ...] = ()
    clip_norm: PositiveNumber | None = None
    label_smoothing: BelowOne = 0.0
    freeze: tuple[str, ...] = ()
    weights: str | tuple[str, ...] | None = None
    start: str | None = None
    leave_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Return the section of some of its keys; Refusal names the key that is wrong."""
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise first_refusal(error, at="dense") from None

    @field_validator("weights")
    @classmethod
    def _named(cls, given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if given == ():
            raise ValueError("must name a file, or one per seed")
        return given

    @property
    def checkpoints(self) -> dict[str, tuple[str, ...]]:
        """The files of trained weights, by the key that names them."""
        weights = self.weights
        named = {"dense.weights": (weights,) if isinstance(weights, str) else weights or ()}
        return named | {"dense.start": () if self.start is None else (self.start,)}

    @property
    def uses_nesterov(self) -> bool:
        """Whether SGD runs with Nesterov momentum."""
        if self.nesterov is None:
            return self.weight_decay > 0 and self.momentum > 0
        return self.nesterov

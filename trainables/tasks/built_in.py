"""Classification with a data set and a network of the catalog, or one of them the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainables.config.datasets import folder, known
from trainables.data.parts import Splits
from trainables.data.sources import load
from trainables.networks import models
from trainables.pruning.prunable import layer_weights, trained_weights
from trainables.pruning.work import Inputs
from trainables.tasks.classification import Classification
from trainables.tasks.keywords import arguments, filled_in

Shape = tuple[int, ...]

_SHAPE = ("in_shape", "n_classes")
"""Keywords of a user's network that are filled in from the data."""


@dataclass(frozen=True)
class Choice:
    """A name of the catalog, or a function of the user's, with its parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    own: Callable[..., Any] | None = None


class CatalogTask(Classification):
    """`task: {dataset: ..., model: ...}`.

    A user's data set is a function that returns `Splits` of items (image, label); it gives the
    number of classes as `Splits(..., n_classes=10)` where its data are not in memory. A user's
    model is a class or function that returns a network; `in_shape` and `n_classes` are filled in
    where its signature has them. `n_classes` spares a folder of images to be listed for its number.
    """

    def __init__(
        self, dataset: Choice, model: Choice, root: Path, n_classes: int | None = None
    ) -> None:
        self._dataset, self._model, self._root = dataset, model, root
        self._n_classes = n_classes

    @cached_property
    def _parts(self) -> Splits:
        """The user's own parts, asked for once; a known data set is kept by the engine."""
        if self._dataset.own is None:
            return load(self._dataset.name, self._dataset.parameters, self._root)
        given = arguments(self._dataset.own, self._dataset.parameters, {"root": self._root})
        parts = self._dataset.own(**given)
        if not isinstance(parts, Splits):
            raise TypeError(f"{self._dataset.name} must return Splits, got {type(parts).__name__}")
        return parts

    def splits(self) -> Splits:
        if known(self._dataset.name) is None:
            return self._parts
        return load(self._dataset.name, self._dataset.parameters, self._root)

    @cached_property
    def shape(self) -> tuple[Shape, int]:
        """The shape of one image, and the number of classes."""
        if (dataset := known(self._dataset.name)) is not None:
            return dataset.in_shape, dataset.n_classes
        if (images := folder(self._dataset.name)) is not None:
            return images.image_shape(self._dataset.parameters), self._folders()
        image = super().example()
        if not isinstance(image, torch.Tensor):
            rule = "must give images as tensors to a network that asks for their shape"
            raise TypeError(f"{self._dataset.name} {rule}, got {type(image).__name__}")
        return tuple(image.shape[1:]), self._parts.classes()

    def _folders(self) -> int:
        return self._parts.classes() if self._n_classes is None else self._n_classes

    def model(self) -> nn.Module:
        if self._model.own is None:
            shape: Any = self.shape[0]
            return models.build(self._model.name, shape, self.shape[1], self._model.parameters)
        # the shape is asked for only where it is wanted: not all data have one
        wanted = filled_in(self._model.own)
        filled = dict(zip(_SHAPE, self.shape, strict=True)) if wanted.intersection(_SHAPE) else {}
        network: nn.Module = self._model.own(
            **arguments(self._model.own, self._model.parameters, filled)
        )
        return network

    def example(self) -> Inputs:
        if self._dataset.own is not None:
            return super().example()
        return torch.zeros(1, *self.shape[0])

    def prunable(self, name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
        rule = layer_weights if self._model.own is None else trained_weights
        return rule(name, parameter, module)

    def own_functions(self, method: str) -> dict[str, Callable[..., Any]]:
        """Return the user's functions by key of the study file, the one first that a method asks
        most of."""
        choices = {"task.dataset": self._dataset.own, "task.model": self._model.own}
        keys = list(choices) if method in ("splits", "example", "weight") else [*choices][::-1]
        return {key: own for key in keys if (own := choices[key]) is not None}

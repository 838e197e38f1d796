"""The built-in classification: a data set and a network of the catalog, held in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config.catalog import DATASETS
from trainables.data.parts import Splits
from trainables.data.tensors import load
from trainables.networks import models
from trainables.pruning.prunable import layer_weights
from trainables.tasks.classification import Classification


class CatalogTask(Classification):
    """`task: {dataset: ..., model: ...}`; each is a name with its parameters."""

    def __init__(
        self,
        dataset: tuple[str, Mapping[str, Any]],
        model: tuple[str, Mapping[str, Any]],
        root: Path,
    ) -> None:
        self._dataset, self._model, self._root = dataset, model, root
        self._facts = DATASETS[dataset[0]]

    def splits(self) -> Splits:
        name, parameters = self._dataset
        return load(name, parameters, self._root).splits

    def model(self) -> nn.Module:
        name, parameters = self._model
        return models.build(name, self._facts.in_shape, self._facts.n_classes, parameters)

    def example(self) -> Tensor:
        return torch.empty(1, *self._facts.in_shape)

    def prunable(self, name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
        return layer_weights(name, parameter, module)

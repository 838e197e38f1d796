"""What a worker keeps between trials: data in memory or on the GPU, and one model a task.

Trials load their weights into the model, so that building, compiling and reading data are paid once
a worker.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from trainables.config.trial import TrialConfig
from trainables.data import tensors
from trainables.networks import models
from trainables.pruning.measures import count_parameters, multiply_adds
from trainables.training.trainer import Bench

_Kept = TypeVar("_Kept")

DATA_KEPT = 2
MODELS_KEPT = 4
GRAPHS_KEPT = 64
"""Shapes that a compiled model may meet, two a batch size, before torch would stop compiling."""


@dataclass(frozen=True)
class Place:
    """A model at its bench, with the facts of it that do not depend on weights."""

    bench: Bench
    build: Callable[[], nn.Module]
    layer_multiply_adds: dict[str, int]
    n_parameters: int

    def initial_weights(self, seed: int) -> dict[str, Tensor]:
        """Return the state of a freshly initialised model: a function of the seed alone."""
        return dict(models.seeded(self.build, seed).state_dict())


class Workbench:
    """Data sets and models of one worker, the most recently used ones kept."""

    def __init__(self, data_root: Path, device: str, threads: int) -> None:
        self._root = data_root
        self.device = torch.device(device)
        self._data: OrderedDict[str, tensors.TaskData] = OrderedDict()
        self._places: OrderedDict[str, Place] = OrderedDict()
        _settle(self.device, threads)

    def place(self, config: TrialConfig) -> Place:
        """Return the bench for a trial's task and compute options, made at its first use."""
        key = _key(config.task.model_dump(mode="json"), config.compute.model_dump(mode="json"))
        return _recall(self._places, key, MODELS_KEPT, lambda: self._build(config))

    def _build(self, config: TrialConfig) -> Place:
        compute, model_choice = config.compute, config.task.model
        task = self._task(config)

        def build() -> nn.Module:
            return models.build(
                model_choice.name, task.in_shape, task.n_classes, model_choice.parameters
            )

        plain = models.seeded(build, 0)
        work = multiply_adds(plain, task.in_shape)
        model = plain.to(self.device)
        if compute.channels_last:
            model = model.to(memory_format=torch.channels_last)
        # One graph a shape: a graph for all shapes rounds otherwise, and which of them a batch gets
        # would hang on what the process saw before.
        forward = torch.compile(model, dynamic=False) if compute.compile else model
        if compute.compile:
            torch._dynamo.config.recompile_limit = GRAPHS_KEPT
        bench = Bench(task, model, forward, self.device, compute.precision)
        return Place(bench, build, work, count_parameters(model))

    def _task(self, config: TrialConfig) -> tensors.TaskData:
        choice = config.task.dataset
        layout = config.compute.channels_last
        key = _key(choice.model_dump(mode="json"), layout)
        return _recall(
            self._data,
            key,
            DATA_KEPT,
            lambda: tensors.load(choice.name, choice.parameters, self._root).to(
                self.device, channels_last=layout
            ),
        )


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)


def _recall(kept: OrderedDict[str, _Kept], key: str, most: int, make: Callable[[], _Kept]) -> _Kept:
    """Return what is kept under the key, made now if need be; drop the least recently used."""
    if key not in kept:
        while len(kept) >= most:
            kept.popitem(last=False)
        kept[key] = make()
    kept.move_to_end(key)
    return kept[key]


def _settle(device: torch.device, threads: int) -> None:
    """Set what the process as a whole must have for results to repeat to the bit."""
    torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


def load_weights_(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy a saved state into the model, in place, and drop its gradients."""
    with torch.no_grad():
        model.load_state_dict(dict(weights))
    for parameter in model.parameters():
        parameter.grad = None
        parameter.requires_grad_(True)

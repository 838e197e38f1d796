"""A task ready to train: its data where they are used, one (compiled) network, and its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainables.data.parts import Groups, Items, Splits
from trainables.parallel.norms import Norm
from trainables.parallel.ranks import Ranks
from trainables.pruning.prunable import Prunable
from trainables.pruning.work import Work
from trainables.tasks.task import Forward, Task

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


WeightsFile = Callable[[str, str], AbstractContextManager[Path]]


def where_it_lay(_digest: str, path: str) -> AbstractContextManager[Path]:
    """Open a file of weights at its own place."""
    return nullcontext(Path(path))


@dataclass(frozen=True)
class Loading:
    """How data that are not in memory reach the device; none of it changes a bit.

    `processes` decode and transform items beside the training, 0 in its own process.
    """

    processes: int = 0


@dataclass(frozen=True, eq=False)
class LoadedTask:
    """What a worker keeps of a task between trials.

    `forward` is the model itself or its compiled form; both share their weights. `weights` are the
    prunable ones, `work` the multiply-adds of one input. `draws`: whether torch is reseeded before
    every step, pass and evaluation, since the network or the task may draw random numbers. `own` is
    the user's code of a trial beside its task, by the key of the study file. `still` are frozen
    layers that keep their statistics in training. `uncut` are weights that stay dense because the
    study's structure does not divide them; they are none of `weights`. `groups` are the batches of
    an epoch where the task forms them.
    `weights_file` opens a file of trained weights, by the digest of its content and the path that
    the study knows. `ranks` are the processes that train together, None for one alone, and
    `together` the BatchNorm layers that see the batch of all of them.
    """

    task: Task
    splits: Splits
    model: nn.Module
    forward: Forward
    device: torch.device
    weights: Prunable
    work: Work
    precision: str = "fp32"
    draws: bool = True
    loading: Loading = field(default_factory=Loading)
    own: Mapping[str, Any] = field(default_factory=dict)
    still: tuple[nn.Module, ...] = ()
    uncut: tuple[str, ...] = ()
    groups: Groups | None = None
    weights_file: WeightsFile = where_it_lay
    ranks: Ranks | None = None
    together: tuple[Norm, ...] = ()

    @property
    def parts(self) -> dict[str, Items]:
        """The parts that are evaluated: val and, if there is one, test."""
        return {name: part for name, part in self.splits.in_order.items() if name != "train"}

    def train_(self) -> None:
        """Put the model in training mode, what stands still left in evaluation mode."""
        self.model.train()
        for module in self.still:
            module.eval()

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the forward runs."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])

    def synchronise(self) -> None:
        """Wait for the device, so that a clock can be read."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

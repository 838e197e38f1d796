"""BatchNorm's running statistics, estimated anew after weights were removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from trainables.training.batches import augmented_in_order
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import derived_seed

Norm = nn.modules.batchnorm._BatchNorm


@torch.no_grad()
def reestimate_batch_norm(loaded: LoadedTask, batch_size: int, seed: int, stage: str) -> bool:
    """Reset BatchNorm's running statistics and average them anew over one pass of training data.

    As `torch.optim.swa_utils.update_bn` does it: a cumulative average over the batches, in training
    mode, through the task's own loss. Returns False, having done nothing, for a model without
    BatchNorm or without running statistics.
    """
    norms = [m for m in loaded.model.modules() if isinstance(m, Norm) and m.track_running_stats]
    if not norms:
        return False
    torch.manual_seed(derived_seed(seed, stage, 0, "bn", 1))  # for what else draws, as dropout does
    with _averaging(loaded.model, norms), loaded.autocast():
        for batch in augmented_in_order(loaded, batch_size, seed, stage):
            loaded.task.loss(loaded.model, batch)
    return True


@contextmanager
def _averaging(model: nn.Module, norms: list[Norm]) -> Iterator[None]:
    """Statistics start anew and average; momenta and the model's mode are put back in any case."""
    momenta, was_training = [norm.momentum for norm in norms], model.training
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        model.train()
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(was_training)

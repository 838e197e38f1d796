"""BatchNorm's running statistics, estimated anew after weights were removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainables.data.isolation import reseed
from trainables.networks.parameters import Norm
from trainables.training.batches import augmented_in_order
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import derived_seed


@torch.no_grad()
def reestimate_batch_norm(loaded: LoadedTask, batch_size: int, seed: int, stage: str) -> bool:
    """Reset BatchNorm's running statistics and average them anew over one pass of training data.

    As `torch.optim.swa_utils.update_bn` does it: a cumulative average over the batches, in training
    mode, through the task's own loss. Layers that stay in evaluation mode then keep theirs. Returns
    False, having done nothing, for a model without BatchNorm or without running statistics.
    """
    with _training(loaded):
        norms = [m for m in loaded.model.modules() if isinstance(m, Norm) and _averages(m)]
        if not norms:
            return False
        reseed(derived_seed(seed, stage, 0, "bn", 1), loaded.device)  # for dropout and the like
        with _cumulative(norms), loaded.autocast():
            for batch in augmented_in_order(loaded, batch_size, seed, stage):
                loaded.task.loss(loaded.model, batch)
    return True


def _averages(norm: Norm) -> bool:
    return norm.track_running_stats and norm.training


@contextmanager
def _training(loaded: LoadedTask) -> Iterator[None]:
    """Within this context the model is in training mode; after it as before."""
    was_training = loaded.model.training
    loaded.train_()
    try:
        yield
    finally:
        loaded.model.train(was_training)


@contextmanager
def _cumulative(norms: list[Norm]) -> Iterator[None]:
    """Statistics start anew and average; momenta are put back in any case."""
    momenta = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

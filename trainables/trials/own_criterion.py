"""Pruning by the user's own criterion: scores of the weights' shapes, checked before they count."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.training.batches import augmented_in_order
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import derived_seed


def own_scores(
    loaded: LoadedTask, criterion: Any, config: TrialConfig, seed: int, cycle: int
) -> dict[str, Tensor]:
    """Return what the user's criterion gives to every prunable weight, of its shape, lowest first.

    `criterion(weights, model, task, batches)` gets the prunable weights by name, the network, the
    task, and one pass over the training batches in the order of the data.

    Raises:
        ValueError: a weight without scores, scores of another shape, or scores that are not finite.
    """
    stage = f"cycle {cycle}"
    torch.manual_seed(derived_seed(seed, stage, 0, "prune", 1))
    batches = augmented_in_order(loaded, config.dense.batch_size, seed, stage)
    weights = dict(loaded.weights)
    state = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    scores = criterion(weights, loaded.model, loaded.task, batches)
    loaded.model.load_state_dict(state)  # whatever it did to the network, it only judges
    loaded.model.zero_grad(set_to_none=True)
    for name, weight in weights.items():
        _require_scores(config.prune.criterion, name, scores.get(name), weight)
    return {name: scores[name].detach().float() for name in weights}


def _require_scores(criterion: str, name: str, scores: Any, weight: Tensor) -> None:
    what = f"prune.criterion {criterion} must give {name}"
    if not isinstance(scores, Tensor) or scores.shape != weight.shape:
        shape = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"{what} scores of shape {list(weight.shape)}, got {shape}")
    if not bool(scores.isfinite().all()):
        raise ValueError(f"{what} finite scores, got NaN or infinity")

"""Pruning by the user's own criterion."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from trainables.config.trial import TrialConfig
from trainables.data.isolation import reseed
from trainables.pruning.scores import checked_scores
from trainables.training.batches import augmented_in_order
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import derived_seed


def own_scores(
    loaded: LoadedTask, criterion: Any, config: TrialConfig, seed: int, cycle: int
) -> dict[str, Tensor]:
    """Return what the user's criterion gives to every prunable weight, of its shape, lowest first.

    `criterion(weights, model, task, batches)` gets the prunable weights by name, the network in
    evaluation mode, the task, and one pass over the training batches in the order of the data.
    Whatever it does to the network is undone.

    Raises:
        ValueError: a weight without scores, scores of another shape, or scores that are not finite.
    """
    stage = config.draws_at(cycle)
    reseed(derived_seed(seed, stage, 0, "prune", 1), loaded.device)
    batches = augmented_in_order(loaded, config.forward_size, seed, stage)
    model = loaded.model.eval()  # whatever this process has done with it before
    state = {name: value.clone() for name, value in model.state_dict().items()}
    scores = criterion(dict(loaded.weights), model, loaded.task, batches)
    model.load_state_dict(state)
    model.zero_grad(set_to_none=True)
    return checked_scores(loaded.weights, scores, f"prune.criterion {config.prune.criterion}")

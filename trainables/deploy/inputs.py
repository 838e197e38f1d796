"""What a task hands to its network for a number of real examples."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainables.data.in_memory import InMemory
from trainables.deploy.trained import Trained
from trainables.vocabulary.refusal import Refusal

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@torch.no_grad()
def inputs_of(network: Trained, n: int) -> Arguments:
    """Return the arguments of the network's first call when the task judges a batch.

    The batch is the first `n` examples of validation, some of them again where there are fewer.
    Refusal where the task does not call its network.
    """
    items = network.loaded.splits.val
    places = [place % len(items) for place in range(n)]
    if isinstance(items, InMemory):
        batch: Any = items.take(torch.tensor(places))
    else:
        batch = network.task.collate([items[place] for place in places])
    calls: list[Arguments] = []

    def note(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append((args, kwargs))

    handle = network.model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        network.task.score(network.model, batch)
    finally:
        handle.remove()
    if not calls:
        raise Refusal("score must call the network, for its inputs to be known; got no call")
    return calls[0]

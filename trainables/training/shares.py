"""A rank's share of every step of a stage: forward and backward at rank 0's weights.

Rank 0 lays out the weights that a forward uses, masked or shrunk as its method wants them; every
rank works on its share of the batch; the gradients come together at rank 0, which makes those of
the weights learnt, and of what the method learns, of their sum.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.isolation import reseed
from trainables.parallel.norms import synchronised
from trainables.parallel.packing import GradientSum, Packed
from trainables.parallel.ranks import Order, Ranks, Told
from trainables.training.batches import Batches, Micro, training_batches
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import derived_seed

Scale = Callable[[Tensor], Tensor]


class Share:
    """The part of one rank in the steps of one stage.

    `batches` are those of the rank alone. A step's loss is weighted by its weight over that of the
    whole batch, whatever the sizes of the shares.
    """

    def __init__(
        self, loaded: LoadedTask, ranks: Ranks, seed: int, stage: str, batches: Batches
    ) -> None:
        self._loaded, self._ranks, self.batches = loaded, ranks, batches
        self._seed, self._stage = seed, stage
        model = loaded.model
        self._state = Packed([*model.parameters(), *model.buffers()])
        trained = [p for p in model.parameters() if p.requires_grad]
        self._sum = GradientSum(trained, loaded.device)

    def require_alike(self) -> None:
        """Raise where the ranks have built different networks or read different data."""
        model, splits = self._loaded.model, self._loaded.splits
        layout = [[name, list(t.shape), str(t.dtype)] for name, t in _named(model).items()]
        text = json.dumps([layout, len(splits.train)])
        if others := self._ranks.dissenting(zlib.crc32(text.encode())):
            raise RuntimeError(
                "every process of a trial must build the same network and read the same data, got"
                f" another one at rank {', '.join(map(str, others))}: does the task depend on more"
                " than its keywords and the seed?"
            )

    def reseed(self, step: int) -> None:
        """Let this rank draw what it draws in a step, other numbers than the other ranks."""
        stage = f"{self._stage}, rank {self._ranks.rank}" if self._ranks.rank else self._stage
        reseed(derived_seed(self._seed, stage, 0, "dropout", step), self._loaded.device)

    def step(self, parts: Micro, scaled: Scale, *, compares: bool) -> tuple[Tensor, Tensor]:
        """Take rank 0's weights, and leave it the gradients of the whole batch.

        Returns the mean loss of the whole batch, detached, at rank 0, and its weight. `compares`:
        whether the ranks compare which weights are zero.
        """
        self._state.spread_(self._ranks)
        if compares:
            self._require_equal_masks()
        with synchronised(self._loaded.together, self._ranks):
            loss, weight = self._backward(parts, scaled)
        return self._sum.collect(self._ranks, loss), weight

    def _backward(self, parts: Micro, scaled: Scale) -> tuple[Tensor, Tensor]:
        """The share's part of the batch's mean loss, and the batch's weight [], float64."""
        task, device = self._loaded.task, self._loaded.device
        weights = [task.weight(part) for part in parts]
        whole = torch.zeros((), dtype=torch.float64, device=device)
        for weight in weights:
            whole += weight
        self._ranks.add_(whole)
        loss_sum = torch.zeros((), device=device)
        for part, weight in zip(parts, weights, strict=True):
            with self._loaded.autocast():
                loss = task.loss(self._loaded.forward, part)
            # A batch of void pixels alone weighs nothing, and its loss is 0.
            loss = loss * (weight / whole.clamp(min=1)).to(loss.dtype)
            scaled(loss).backward()  # type: ignore[no-untyped-call]
            loss_sum += loss.detach()
        return loss_sum, whole

    def _require_equal_masks(self) -> None:
        if others := self._ranks.dissenting(mask_checksum(self._loaded.weights)):
            raise RuntimeError(
                "every process of a trial must hold the same masks after a prune, got others at"
                f" rank {', '.join(map(str, others))}: its memory or what connects it is at fault"
            )


def mask_checksum(weights: Mapping[str, Tensor]) -> int:
    """Return a checksum of which of the weights are zero."""
    total = 0
    for weight in weights.values():
        alive = (weight.detach() != 0).flatten().cpu().numpy()
        total = zlib.crc32(np.packbits(alive).tobytes(), total)
    return total


def _named(model: torch.nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


class Led:
    """The stage of a trial at a rank that rank 0 leads."""

    def __init__(self, loaded: LoadedTask, ranks: Ranks, message: Mapping[str, Any]) -> None:
        self._loaded = loaded
        seed, stage = int(message["seed"]), str(message["stage"])
        batches = training_batches(
            loaded, message["batch_size"], seed, stage, message["steps"], message["micro_batch"]
        )
        self._share = Share(loaded, ranks, seed, stage, batches)
        self._next = -1
        self._parts: Iterator[Micro] = iter(())
        self._share.require_alike()

    def step(self, told: Told) -> None:
        """Do this rank's part of a step."""
        loaded, per_epoch = self._loaded, self._share.batches.per_epoch
        epoch, place = divmod(told.step, per_epoch)
        if told.step != self._next or place == 0:
            self._parts = self._share.batches.of_epoch(epoch, place)
        self._next = told.step + 1
        parts = next(self._parts)
        loaded.train_()
        if loaded.draws:
            self._share.reseed(told.step)
        loaded.model.zero_grad(set_to_none=True)
        self._share.step(parts, lambda loss: loss * told.scale, compares=told.compares)


def announce(ranks: Ranks, **message: Any) -> None:
    """Tell the other ranks, from rank 0, of the stage that is trained next."""
    ranks.tell(Order.STAGE, message)

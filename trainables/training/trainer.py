"""The training step and the epoch around it.

Takes learning rates, hooks and a loaded task as arguments; knows no Ray, no files of results, no
configuration and no command line, and of what is learnt only the `Task` contract.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainables.data.isolation import reseed
from trainables.methods.interface import Hooks
from trainables.parallel.ranks import Order, Ranks
from trainables.training.batches import Micro, training_batches
from trainables.training.heap import keep_freed_memory
from trainables.training.loaded import LoadedTask
from trainables.training.randomness import derived_seed
from trainables.training.shares import Share, announce


@dataclass
class Position:
    """Where a stage's training stands, and what its unfinished epoch has summed so far.

    `step` counts optimiser steps done in the stage; `loss_sum` is the sum over what the
    task counts, `weight` how many of these there were, and `train_s` the seconds, since the
    unfinished epoch's start.
    """

    step: int = 0
    loss_sum: float = 0.0
    weight: int = 0
    train_s: float = 0.0


@dataclass
class Trainer:
    """Trains one stage: `rates` gives one learning rate per step, `stage` names the random draws.

    `micro_batch`: examples per forward, the whole batch where it is None; the parts of a step are
    weighted by their weight, so that their gradients sum to that of the whole batch.
    """

    loaded: LoadedTask
    hooks: Hooks
    optimiser: torch.optim.Optimizer
    rates: Sequence[float]
    batch_size: int
    seed: int
    stage: str
    position: Position = field(default_factory=Position)
    micro_batch: int | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        if self.loaded.device.type == "cpu":
            keep_freed_memory()
        self.scaler = torch.amp.GradScaler(
            self.loaded.device.type, enabled=self.loaded.precision == "fp16"
        )
        self._batches = training_batches(
            self.loaded, self.batch_size, self.seed, self.stage, len(self.rates), self.micro_batch
        )
        self._scales = [float(group.get("lr_scale", 1.0)) for group in self.optimiser.param_groups]
        self._share: Share | None = None  # of several ranks, from the first step on
        self._compares = False
        self.hooks.bind(self.optimiser)

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch, the last smaller batch kept."""
        return self._batches.per_epoch

    @property
    def done(self) -> bool:
        """Whether every step of the stage is done."""
        return self.position.step >= len(self.rates)

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, from 0."""
        return self.position.step // self.steps_per_epoch

    def run(self, deadline: float) -> bool:
        """Train to the end of the epoch, or until `time.perf_counter()` passes the deadline.

        Returns whether the epoch ended (the last one may be cut short by the stage's length).
        """
        start = time.perf_counter()
        if self.loaded.ranks is not None:
            self._meet(self.loaded.ranks)
        self.loaded.train_()
        epoch = self.epoch
        last = min((epoch + 1) * self.steps_per_epoch, len(self.rates))
        total = torch.zeros((), device=self.loaded.device)
        weights: int | Tensor = 0
        for parts in self._batches.of_epoch(epoch, self.position.step % self.steps_per_epoch):
            loss, weight = self._step(parts)
            total += loss * weight
            weights = weights + weight
            if self.position.step >= last or time.perf_counter() > deadline:
                break
        self.position.loss_sum += float(total)
        self.position.weight += int(weights)
        self.loaded.synchronise()
        self.position.train_s += time.perf_counter() - start
        return self.position.step >= last

    def _meet(self, ranks: Ranks) -> None:
        """Tell the other ranks what is trained, once; masks are compared at the next step."""
        self._compares = True
        if self._share is not None:
            return
        announce(
            ranks,
            seed=self.seed,
            stage=self.stage,
            batch_size=self.batch_size,
            steps=len(self.rates),
            micro_batch=self.micro_batch,
        )
        self._share = Share(self.loaded, ranks, self.seed, self.stage, self._batches)
        self._share.require_alike()

    def _step(self, parts: Micro) -> tuple[Tensor, int | Tensor]:
        """One optimiser step; returns the mean loss of the batch, detached, and its weight."""
        step = self.position.step
        if self.loaded.draws:
            seed = derived_seed(self.seed, self.stage, 0, "dropout", step)
            reseed(seed, self.loaded.device)
        for group, scale in zip(self.optimiser.param_groups, self._scales, strict=True):
            group["lr"] = self.rates[step] * scale
        self.optimiser.zero_grad(set_to_none=True)
        self.hooks.before_forward(step)
        if self._share is None:
            loss, weight = self._backward(parts)
        else:
            loss, weight = self._shared_backward(self._share, parts, step)
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimiser)
            self.hooks.on_gradients(step)
            if self.clip_norm is not None:
                self._clip(self.clip_norm)
            self.scaler.step(self.optimiser)
            self.scaler.update()
        else:
            self.hooks.on_gradients(step)
            if self.clip_norm is not None:
                self._clip(self.clip_norm)
            self.optimiser.step()
        self.hooks.after_step(step)
        self.position.step = step + 1
        return loss, weight

    def _backward(self, parts: Micro) -> tuple[Tensor, int | Tensor]:
        """Gradients of the batch's mean loss, summed over its parts; that mean, and the weight."""
        task = self.loaded.task
        if len(parts) == 1:
            return self._part_backward(parts[0]), task.weight(parts[0])
        weights = [task.weight(part) for part in parts]
        whole: int | Tensor = sum(weights[1:], weights[0])
        shares = [weight / _positive(whole) for weight in weights]
        losses = [self._part_backward(*pair) for pair in zip(parts, shares, strict=True)]
        return torch.stack(losses).sum(), whole

    def _shared_backward(self, share: Share, parts: Micro, step: int) -> tuple[Tensor, Tensor]:
        """The same of the whole batch, of which `parts` are rank 0's."""
        assert self.loaded.ranks is not None
        scale = self.scaler.get_scale() if self.scaler.is_enabled() else 1.0
        self.loaded.ranks.tell(Order.STEP, step=step, scale=scale, compares=self._compares)
        scaled = self.scaler.scale if self.scaler.is_enabled() else _as_it_is
        loss, weight = share.step(parts, scaled, compares=self._compares)
        self._compares = False
        self._refuse_unshared_gradients()
        return loss, weight

    def _refuse_unshared_gradients(self) -> None:
        """The other ranks know nothing of what a method learns: the loss must not reach it."""
        extra = self.hooks.extra_parameters()
        if extra is None:
            return
        for name, parameter in extra.named.items():
            if parameter.grad is not None:
                raise ValueError(
                    "compute.processes must be 1 for a method whose own parameters get gradients"
                    f" from the loss itself, not from those of the weights, got one of {name}"
                )

    def _part_backward(self, part: Any, share: float | Tensor | None = None) -> Tensor:
        with self.loaded.autocast():
            loss = self.loaded.task.loss(self.loaded.forward, part)
        if share is not None:
            loss = loss * share
        scaled = self.scaler.scale(loss) if self.scaler.is_enabled() else loss
        scaled.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _clip(self, norm: float) -> None:
        every = [p for group in self.optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(every, norm)

    def close_epoch(self) -> dict[str, float]:
        """Return the finished epoch's numbers, by the schema's names, and start the next one."""
        p = self.position
        epoch = (p.step - 1) // self.steps_per_epoch
        row = {
            "epoch": epoch,
            "step": p.step,
            "lr": self.rates[epoch * self.steps_per_epoch],
            "train_loss": p.loss_sum / p.weight,
            "train_s": p.train_s,
            f"train_{self.loaded.task.counts}_per_s": p.weight / p.train_s,
        }
        self.position = Position(step=p.step)
        return row


def _as_it_is(loss: Tensor) -> Tensor:
    return loss


def _positive(weight: int | Tensor) -> int | Tensor:
    """A weight to divide by: a batch of void pixels alone weighs nothing, and its loss is 0."""
    return weight.clamp(min=1) if isinstance(weight, Tensor) else max(weight, 1)


def draws(model: nn.Module) -> bool:
    """Whether a built-in model draws random numbers while it trains."""
    return any(map(_draws, model.modules()))


def _draws(module: nn.Module) -> bool:
    """Whether a module draws: dropout of units or of whole paths."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    # Known by its name: importing torchvision for a class that is seldom there takes seconds.
    kind = type(module)
    if kind.__name__ == "StochasticDepth" and kind.__module__.startswith("torchvision."):
        return bool(getattr(module, "p", 0))
    return False


def finite(model: nn.Module) -> bool:
    """Whether every parameter and buffer of the model is finite."""
    tensors = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
    with torch.no_grad():
        sums = torch.stack([t.detach().sum(dtype=torch.float64) for t in tensors])
    return bool(torch.isfinite(sums).all())

"""The training step, the epoch around it, evaluation, and BatchNorm re-estimation.

Takes learning rates, hooks and data as arguments; knows no Ray, no files and no command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.data.tensors import Split, TaskData
from trainables.methods.interface import Hooks
from trainables.training.randomness import derived_seed, epoch_order, generator

EVALUATION_BATCH = {"cpu": 200, "cuda": 1000}
"""Images a forward of the evaluation, by device: on a CPU larger ones leave its caches. Part of
what fixes the bits of a result."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Bench:
    """What a worker keeps between trials: the data on the device and one (compiled) model.

    `forward` is the model itself or its compiled form; both share their weights.
    """

    data: TaskData
    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    device: torch.device
    precision: str = "fp32"

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the forward runs."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_DTYPES[self.precision])

    def synchronise(self) -> None:
        """Wait for the device, so that a clock can be read."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@dataclass(frozen=True)
class Optimiser:
    """SGD's settings."""

    momentum: float
    weight_decay: float
    nesterov: bool

    def build(self, model: nn.Module, hooks: Hooks) -> torch.optim.SGD:
        """Return SGD over the model's parameters and those that the hooks learn."""
        groups = [{"params": list(model.parameters()), "weight_decay": self.weight_decay}]
        if (extra := hooks.extra_parameters()) is not None:
            groups.append(
                {"params": list(extra.named.values()), "weight_decay": extra.weight_decay}
            )
        optimiser = torch.optim.SGD(
            groups, lr=0.0, momentum=self.momentum, nesterov=self.nesterov, fused=True
        )
        if self.momentum:
            # torch would leave the buffers unset where the first step under fp16 overflows.
            for parameter in (p for group in optimiser.param_groups for p in group["params"]):
                zeros = torch.zeros_like(parameter, requires_grad=False)
                optimiser.state[parameter]["momentum_buffer"] = zeros
        return optimiser


@dataclass
class Position:
    """Where a stage's training stands, and what its unfinished epoch has summed so far.

    `step` counts optimiser steps done in the stage; `loss_sum` is the sum over images, and
    `train_s` the seconds, since the unfinished epoch's start.
    """

    step: int = 0
    loss_sum: float = 0.0
    images: int = 0
    train_s: float = 0.0


@dataclass
class Trainer:
    """Trains one stage: `rates` gives one learning rate a step, `place` names the random draws."""

    bench: Bench
    hooks: Hooks
    optimiser: torch.optim.SGD
    rates: Sequence[float]
    batch_size: int
    seed: int
    place: str
    position: Position = field(default_factory=Position)

    def __post_init__(self) -> None:
        self.scaler = torch.amp.GradScaler(
            self.bench.device.type, enabled=self.bench.precision == "fp16"
        )
        self._draws = any(map(_draws, self.bench.model.modules()))
        self.hooks.bind(self.optimiser)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last smaller one kept."""
        return -(-len(self.bench.data.train.labels) // self.batch_size)

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
        self.bench.model.train()
        epoch = self.epoch
        last = min((epoch + 1) * self.steps_per_epoch, len(self.rates))
        total = torch.zeros((), device=self.bench.device)
        for images, labels in self._batches(epoch):
            total += self._step(images, labels) * len(labels)
            self.position.images += len(labels)
            if self.position.step >= last or time.perf_counter() > deadline:
                break
        self.position.loss_sum += float(total)
        self.bench.synchronise()
        self.position.train_s += time.perf_counter() - start
        return self.position.step >= last

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from the position on; order and augmentation are functions of the epoch."""
        train, augment = self.bench.data.train, self.bench.data.augment
        n = len(train.labels)
        order = epoch_order(n, self.seed, self.place, epoch).to(self.bench.device)
        draws = None
        if augment is not None:
            draws = augment.draw(n, generator(self.seed, self.place, epoch, "augment"))
            draws = draws.to(self.bench.device)
        first = (self.position.step - epoch * self.steps_per_epoch) * self.batch_size
        for start in range(first, n, self.batch_size):
            index = order[start : start + self.batch_size]
            images = train.images.index_select(0, index)
            if augment is not None and draws is not None:
                images = augment.apply(images, draws[start : start + self.batch_size])
            yield images, train.labels.index_select(0, index)

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One optimiser step; returns the mean loss of the batch, detached."""
        step = self.position.step
        if self._draws:
            torch.manual_seed(derived_seed(self.seed, self.place, 0, "dropout", step))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rates[step]
        self.optimiser.zero_grad(set_to_none=True)
        self.hooks.before_forward(step)
        with self.bench.autocast():
            loss = functional.cross_entropy(self.bench.forward(images), labels)
        if self.scaler.is_enabled():
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.scaler.unscale_(self.optimiser)
            self.hooks.on_gradients(step)
            self.scaler.step(self.optimiser)
            self.scaler.update()
        else:
            loss.backward()  # type: ignore[no-untyped-call]
            self.hooks.on_gradients(step)
            self.optimiser.step()
        self.hooks.after_step(step)
        self.position.step = step + 1
        return loss.detach()

    def close_epoch(self) -> dict[str, float]:
        """Return the finished epoch's numbers, by the schema's names, and start the next one."""
        p = self.position
        epoch = (p.step - 1) // self.steps_per_epoch
        row = {
            "epoch": epoch,
            "step": p.step,
            "lr": self.rates[epoch * self.steps_per_epoch],
            "train_loss": p.loss_sum / p.images,
            "train_s": p.train_s,
            "train_images_per_s": p.images / p.train_s,
        }
        self.position = Position(step=p.step)
        return row


def _draws(module: nn.Module) -> bool:
    """Whether a module draws random numbers while it trains: dropout of units or of whole paths."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    # Known by its name: importing torchvision for a class that is seldom there takes seconds.
    kind = type(module)
    if kind.__name__ == "StochasticDepth" and kind.__module__.startswith("torchvision."):
        return bool(getattr(module, "p", 0))
    return False


@torch.inference_mode()
def evaluate(bench: Bench, split: Split) -> tuple[float, float]:
    """Return mean cross-entropy (nats) and accuracy in [0, 1] of the model on a split."""
    bench.model.eval()
    loss = torch.zeros((), device=bench.device)
    correct = torch.zeros((), device=bench.device, dtype=torch.int64)
    size = EVALUATION_BATCH[bench.device.type]
    pairs = zip(torch.split(split.images, size), torch.split(split.labels, size), strict=True)
    for images, labels in pairs:
        with bench.autocast():
            logits = bench.model(images)
        loss += functional.cross_entropy(logits.float(), labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
    n = len(split.labels)
    return float(loss) / n, int(correct) / n


def reestimate_batch_norm(bench: Bench, batch_size: int, seed: int, place: str) -> bool:
    """Reset BatchNorm's running statistics and average them anew over one pass of training data.

    As `torch.optim.swa_utils.update_bn` does it. Returns False, having done nothing, for a model
    without BatchNorm.
    """
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in bench.model.modules()):
        return False
    train, augment = bench.data.train, bench.data.augment
    batches: Iterator[Tensor] = iter(torch.split(train.images, batch_size))
    if augment is not None:
        draws = augment.draw(len(train.labels), generator(seed, place, 0, "bn")).to(bench.device)
        plain = torch.split(train.images, batch_size)
        batches = (
            augment.apply(images, draws[k * batch_size : (k + 1) * batch_size])
            for k, images in enumerate(plain)
        )
    torch.manual_seed(derived_seed(seed, place, 0, "bn", 1))  # for what else draws, as dropout does
    with _momenta_kept(bench.model), bench.autocast():
        torch.optim.swa_utils.update_bn(batches, bench.model)
    return True


@contextmanager
def _momenta_kept(model: nn.Module) -> Iterator[None]:
    """Put BatchNorm's own momenta back even if a pass fails: the model serves later trials too."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def momentum_state(optimiser: torch.optim.SGD, names: Mapping[int, str]) -> dict[str, Tensor]:
    """Return the momentum buffers by parameter name; `names` maps id(parameter) to name."""
    return {
        names[id(p)]: optimiser.state[p]["momentum_buffer"]
        for group in optimiser.param_groups
        for p in group["params"]
        if optimiser.state.get(p, {}).get("momentum_buffer") is not None
    }


def load_momentum(
    optimiser: torch.optim.SGD, parameters: Mapping[str, Tensor], saved: Mapping[str, Tensor]
) -> None:
    """Put saved momentum buffers in the optimiser, copied to the parameters' device and layout."""
    for name, value in saved.items():
        parameter = parameters[name]
        buffer = torch.empty_like(parameter, requires_grad=False)
        buffer.copy_(value)
        optimiser.state[parameter]["momentum_buffer"] = buffer


def finite(model: nn.Module) -> bool:
    """Whether every parameter and buffer of the model is finite."""
    tensors = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
    with torch.no_grad():
        sums = torch.stack([t.detach().sum(dtype=torch.float64) for t in tensors])
    return bool(torch.isfinite(sums).all())

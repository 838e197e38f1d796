"""The training step and BatchNorm's passes: what a fault or another trial must not leave behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from tests.trainables.training.loading import loaded
from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.methods.interface import Hooks
from trainables.training.batch_norm import reestimate_batch_norm
from trainables.training.loaded import LoadedTask
from trainables.training.optimisers import Optimiser, sgd
from trainables.training.trainer import Trainer, draws


def noisy(model: nn.Module) -> LoadedTask:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 4, 4, generator=generator)
    part = InMemory.of(images, torch.arange(8) % 2)
    return loaded(model, Splits(part, part, part), draws=draws(model))


def test_an_overflow_in_the_first_step_of_fp16_leaves_no_trace() -> None:
    model = nn.Linear(2, 1, bias=False)
    start = model.weight.detach().clone()
    optimiser = Optimiser(sgd(0.9, nesterov=False), weight_decay=0.0).build(model, Hooks())
    optimiser.param_groups[0]["lr"] = 0.5
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for gradient in (float("inf"), 1.0):
        scaler.scale(torch.zeros(()))  # type: ignore[no-untyped-call]
        model.weight.grad = torch.full((1, 2), 4 * gradient)
        scaler.unscale_(optimiser)
        scaler.step(optimiser)
        scaler.update(4.0)
    assert torch.equal(model.weight.detach(), start - 0.5)
    assert torch.equal(optimiser.state[model.weight]["momentum_buffer"], torch.ones(1, 2))


class Paths(nn.Module):
    """A block that is left out at random, behind BatchNorm, and BatchNorm behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.BatchNorm2d(1), nn.BatchNorm2d(1)
        self.drop, self.head = StochasticDepth(0.5, "row"), nn.Linear(16, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images)
        return self.head(self.last(x + self.drop(x)).flatten(1))


def trained(noise: int) -> list[Tensor]:
    torch.manual_seed(1)
    task = noisy(Paths())
    optimiser = Optimiser(sgd(0.9, False), 0.0).build(task.model, Hooks())
    trainer = Trainer(task, Hooks(), optimiser, [0.1] * 4, 4, 0, "dense")
    torch.manual_seed(noise)
    trainer.run(float("inf"))
    torch.manual_seed(noise + 1)
    reestimate_batch_norm(task, 4, 0, "cycle 1")
    return [value.clone() for value in task.model.state_dict().values()]


def test_what_a_model_draws_does_not_hang_on_what_the_process_drew_before() -> None:
    assert all(map(torch.equal, trained(5), trained(77)))


def test_a_failed_pass_leaves_batch_norms_momentum_as_it_was() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(1, momentum=0.25)

        def forward(self, images: Tensor) -> Any:
            self.norm(images)
            raise RuntimeError("cuDNN error")

    task = noisy(model := Fails())
    with pytest.raises(RuntimeError, match="cuDNN"):
        reestimate_batch_norm(task, 4, 0, "cycle 1")
    assert model.norm.momentum == 0.25

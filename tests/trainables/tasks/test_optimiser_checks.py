"""A user's optimiser is tried before anything starts: each fault is one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from trainables.tasks.optimiser_checks import OptimiserChecks
from trainables.vocabulary.refusal import Refusal


class Signed(torch.optim.Optimizer):
    """Steps by the sign of a running mean, with decoupled decay."""

    def __init__(
        self, params: Any, lr: float = 1e-4, beta: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                mean = self.state[parameter].setdefault("mean", torch.zeros_like(parameter))
                mean.lerp_(parameter.grad, 1 - group["beta"])
                self.move(parameter, mean, group)

    def move(self, parameter: Any, mean: Any, group: Any) -> None:
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(mean.sign(), alpha=group["lr"])


class Noisy(Signed):
    def move(self, parameter: Any, mean: Any, group: Any) -> None:
        parameter.sub_(mean + 1e-3, alpha=group["lr"])


class Forgetful(Signed):
    calls = 0

    def move(self, parameter: Any, mean: Any, group: Any) -> None:
        self.calls += 1
        parameter.sub_(mean, alpha=group["lr"] / self.calls)


class Listing(Signed):
    def move(self, parameter: Any, mean: Any, group: Any) -> None:
        self.state[parameter].setdefault("history", []).append(1)


def tried(target: Any, **options: Any) -> dict[str, Any]:
    name = f"mine:{getattr(target, '__name__', target)}"
    return OptimiserChecks(name, target, options, repr).run()


def test_every_keyword_is_filled_in() -> None:
    assert tried(Signed, beta="0.5") == {"beta": 0.5}
    assert tried(Signed) == {"beta": 0.9}
    found = tried(torch.optim.NAdam, betas=[0.8, 0.99])
    assert found["betas"] == [0.8, 0.99]
    assert found["momentum_decay"] == 0.004


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (3, {}, r"must be a subclass of torch\.optim\.Optimizer, got mine:3, a int"),
        (Signed, {"gamma": 1}, r"dense\.options\.gamma must be a known key, got 1; known are beta"),
        (Signed, {"lr": 1}, r"dense\.options\.lr must be left out, as it is filled in"),
        (Signed, {"beta": "much"}, r"dense\.options\.beta must be a number, got 'much'"),
        (Noisy, {}, r"must leave an entry at zero .* got mine:Noisy, which moves it"),
        (Forgetful, {}, r"must keep all that it remembers in its state or its groups, got mine:F"),
        (Listing, {}, r"must remember tensors and numbers alone, got a list as history of mine:L"),
    ],
)
def test_each_fault_is_one_sentence(target: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message) as refusal:
        tried(target, **options)
    assert "\n" not in str(refusal.value)


def test_whether_it_decays_is_read_off_its_signature() -> None:
    assert OptimiserChecks("a:B", torch.optim.NAdam, {}, repr).takes_decay
    assert not OptimiserChecks("a:B", torch.optim.Rprop, {}, repr).takes_decay


def test_an_optimiser_that_needs_a_closure_is_refused() -> None:
    with pytest.raises(Refusal, match=r"dense\.optimiser must take steps of its own, without a cl"):
        tried(torch.optim.LBFGS)


@pytest.mark.parametrize(
    "target",
    [torch.optim.Adam, torch.optim.RMSprop, torch.optim.RAdam, torch.optim.Adagrad,
     torch.optim.Adamax, torch.optim.ASGD, torch.optim.Adadelta],
)  # fmt: skip
def test_torchs_own_pass(target: Any) -> None:
    assert "lr" not in tried(target)

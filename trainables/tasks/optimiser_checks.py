"""What a user's optimiser must do, tried on a few numbers before anything starts."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.tasks.keywords import arguments, resolved
from trainables.vocabulary.refusal import Refusal

KEY = "dense.optimiser"
_GIVEN = ("params", "lr", "weight_decay")
_RATES = (0.0, 0.1, 0.05, 0.1, 0.02, 0.01)
"""A warm-up begins at rate 0."""

Gradients = Sequence[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class OptimiserChecks:
    """The checks of one optimiser class with its keywords; `words` tells faults of its code."""

    name: str
    target: Any
    options: Mapping[str, Any]
    words: Callable[[BaseException], str]

    @property
    def takes_decay(self) -> bool:
        """Whether it has a weight decay."""
        return "weight_decay" in inspect.signature(self.target).parameters

    def run(self) -> dict[str, Any]:
        """Return every keyword of the optimiser with its value; Refusal for what it cannot do."""
        if not (isinstance(self.target, type) and issubclass(self.target, torch.optim.Optimizer)):
            kind = type(self.target).__name__
            raise Refusal(
                f"{KEY} must be a subclass of torch.optim.Optimizer, got {self.name}, a {kind}"
            )
        keywords = resolved(self.target, self.options, "dense.options", _GIVEN)
        try:
            parameters, optimiser = self._trained(keywords, _gradients())
            resumed = self._resumed(keywords, _gradients())
        except Exception as error:
            rule = "must take steps of its own, without a closure"
            raise Refusal(f"{KEY} {rule}, got {self.words(error)}") from error
        self._remembers_by_parameter(optimiser)
        self._is_exact_when_resumed(parameters, resumed)
        self._keeps_zeros(parameters)
        return keywords

    def _made(
        self, keywords: Mapping[str, Any], values: Sequence[Tensor]
    ) -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
        parameters = [nn.Parameter(value.clone()) for value in values]
        decay = {"weight_decay": 0.1} if self.takes_decay else {}
        groups = [{"params": [p], **decay} for p in parameters]
        made = self.target(groups, lr=1.0, **arguments(self.target, keywords, {}))
        return parameters, made

    def _trained(
        self, keywords: Mapping[str, Any], gradients: Gradients
    ) -> tuple[list[nn.Parameter], torch.optim.Optimizer]:
        parameters, optimiser = self._made(keywords, _start())
        for rate, step in zip(_RATES, gradients, strict=True):
            _take(optimiser, parameters, rate, step)
        return parameters, optimiser

    def _resumed(self, keywords: Mapping[str, Any], gradients: Gradients) -> list[nn.Parameter]:
        """The same steps, the second half by another optimiser with the first one's state."""
        half = len(gradients) // 2
        parameters, optimiser = self._made(keywords, _start())
        for rate, step in zip(_RATES[:half], gradients[:half], strict=True):
            _take(optimiser, parameters, rate, step)
        others, other = self._made(keywords, [p.detach() for p in parameters])
        other.load_state_dict(copy.deepcopy(optimiser.state_dict()))
        for rate, step in zip(_RATES[half:], gradients[half:], strict=True):
            _take(other, others, rate, step)
        return others

    def _remembers_by_parameter(self, optimiser: torch.optim.Optimizer) -> None:
        for state in optimiser.state.values():
            for name, value in state.items():
                if not isinstance(value, Tensor | int | float):
                    rule = "must remember tensors and numbers alone"
                    kind = type(value).__name__
                    raise Refusal(f"{KEY} {rule}, got a {kind} as {name} of {self.name}")

    def _is_exact_when_resumed(
        self, parameters: Sequence[Tensor], resumed: Sequence[Tensor]
    ) -> None:
        for one, other in zip(parameters, resumed, strict=True):
            if not torch.equal(one, other):
                rule = "must keep all that it remembers in its state or its groups"
                got = f"{self.name}, which goes on otherwise once that is saved and loaded"
                raise Refusal(f"{KEY} {rule}, got {got}")

    def _keeps_zeros(self, parameters: Sequence[Tensor]) -> None:
        """Pruned weights stay pruned only where zeros are left alone."""
        if any(bool(parameter.detach()[:, 0].any()) for parameter in parameters):
            rule = "must leave an entry at zero whose weight, gradient and memory are zero"
            raise Refusal(f"{KEY} {rule}, as pruned ones are, got {self.name}, which moves it")


def _start() -> list[Tensor]:
    """Two matrices whose first column is zero, as a pruned input's weights are."""
    draw = torch.Generator().manual_seed(0)
    values = [torch.randn(3, 4, generator=draw), torch.randn(2, 2, generator=draw)]
    return [_without_first_column(value) for value in values]


def _gradients() -> Gradients:
    draw = torch.Generator().manual_seed(1)
    return [
        (
            _without_first_column(torch.randn(3, 4, generator=draw)),
            _without_first_column(torch.randn(2, 2, generator=draw)),
        )
        for _ in _RATES
    ]


def _without_first_column(value: Tensor) -> Tensor:
    value[:, 0] = 0
    return value


def _take(
    optimiser: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    rate: float,
    gradients: tuple[Tensor, Tensor],
) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    optimiser.step()

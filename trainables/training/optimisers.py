"""Optimisers of the catalog over a model's parameters, and their state by parameter name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.methods.interface import Hooks

_BUFFER = "momentum_buffer"
_SGD_PREFIX = "momentum"
"""Under which stages have always kept SGD's buffer."""


@dataclass(frozen=True)
class Optimiser:
    """SGD's settings."""

    momentum: float
    weight_decay: float
    nesterov: bool

    def build(self, model: nn.Module, hooks: Hooks) -> torch.optim.Optimizer:
        """Return SGD over the parameters that are trained and those that the hooks learn."""
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [{"params": trained, "weight_decay": self.weight_decay}]
        if (extra := hooks.extra_parameters()) is not None:
            groups.append(
                {"params": list(extra.named.values()), "weight_decay": extra.weight_decay}
            )
        optimiser = torch.optim.SGD(
            groups, lr=0.0, momentum=self.momentum, nesterov=self.nesterov, fused=True
        )
        if self.momentum:
            # torch would leave the buffers unset where the first step under fp16 overflows.
            for parameter in _parameters(optimiser):
                zeros = torch.zeros_like(parameter, requires_grad=False)
                optimiser.state[parameter][_BUFFER] = zeros
        return optimiser


def _parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimiser.param_groups for p in group["params"]]


def optimiser_state(
    optimiser: torch.optim.Optimizer, names: Mapping[int, str]
) -> dict[str, Tensor]:
    """Return all that the optimiser remembers, as `<what>.<parameter>`.

    `names` maps id(parameter) to name. SGD's buffer goes by the name of momentum.
    """
    return {
        f"{_kept(key)}.{names[id(p)]}": value
        for p in _parameters(optimiser)
        for key, value in optimiser.state.get(p, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimiser_state(
    optimiser: torch.optim.Optimizer,
    parameters: Mapping[str, Tensor],
    saved: Mapping[str, Tensor],
) -> None:
    """Put a saved state in the optimiser, copied to the parameters' device and layout.

    Entries of other kinds (weights, masks, rates) are passed over.
    """
    for name, value in saved.items():
        what, _, parameter_name = name.partition(".")
        if what not in STATE_KINDS:
            continue
        parameter = parameters[parameter_name]
        optimiser.state[parameter][_raw(what)] = _copied(value, parameter)


def _copied(value: Tensor, like: Tensor) -> Tensor:
    if value.shape != like.shape:  # a count of steps
        return value.clone()
    buffer = torch.empty_like(like, requires_grad=False)
    buffer.copy_(value)
    return buffer


def _kept(key: str) -> str:
    return _SGD_PREFIX if key == _BUFFER else key


def _raw(what: str) -> str:
    return _BUFFER if what == _SGD_PREFIX else what


STATE_KINDS: frozenset[str] = frozenset({_SGD_PREFIX})


def trained_names(model: nn.Module, extra: Mapping[str, Any]) -> dict[str, nn.Parameter]:
    """Return what may be learnt by name: the model's parameters, and a method's own under extra."""
    own = {f"extra.{name}": p for name, p in extra.items()}
    return {**dict(model.named_parameters()), **own}

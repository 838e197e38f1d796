"""Optimisers over what a model trains, in groups, and what they remember by parameter name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainables.methods.interface import Hooks
from trainables.networks.parameters import matches

Make = Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
"""Makes an optimiser of groups of parameters, at rate 0."""

_BUFFER = "momentum_buffer"
_KEPT = {_BUFFER: "momentum"}
"""Under which name stages have always kept SGD's buffer; others are kept as `optimiser.<key>`."""


@dataclass(frozen=True)
class Group:
    """Parameters by pattern, with a factor of each step's rate and, where given, their own decay.

    A pattern fits names of parameters or of the layers that hold them, or names of module types.
    """

    match: tuple[str, ...]
    weight_decay: float | None = None
    lr_scale: float = 1.0


@dataclass(frozen=True)
class Optimiser:
    """An optimiser to be built: `weight_decay` is that of parameters outside of `groups`."""

    make: Make
    weight_decay: float
    groups: Sequence[Group] = field(default=())

    def build(self, model: nn.Module, hooks: Hooks) -> torch.optim.Optimizer:
        """Return the optimiser over what is trained of the model, and what the hooks learn.

        ValueError for a pattern that fits no parameter that is trained.
        """
        chosen = parameters_by_group(model, self.groups)
        rest, *own = chosen
        groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": self.weight_decay}]
        for group, parameters in zip(self.groups, own, strict=True):
            decay = self.weight_decay if group.weight_decay is None else group.weight_decay
            scale = {"lr_scale": group.lr_scale}
            groups.append({"params": parameters, "weight_decay": decay, **scale})
        if (extra := hooks.extra_parameters()) is not None:
            groups.append(
                {"params": list(extra.named.values()), "weight_decay": extra.weight_decay}
            )
        return self.make([group for group in groups if group["params"]])


def parameters_by_group(model: nn.Module, groups: Sequence[Group]) -> list[list[nn.Parameter]]:
    """Return the parameters that are trained: those in no group, then those of each group.

    Of several groups that fit a parameter the first has it. ValueError for a pattern that fits no
    parameter that is trained.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    members = [
        {name for names in _matches(model, trained, at, group).values() for name in names}
        for at, group in enumerate(groups)
    ]
    chosen: list[list[nn.Parameter]] = [[] for _ in range(len(groups) + 1)]
    for name, parameter in trained.items():
        place = next((at for at, names in enumerate(members, start=1) if name in names), 0)
        chosen[place].append(parameter)
    return chosen


def _matches(
    model: nn.Module, trained: Mapping[str, Any], at: int, group: Group
) -> dict[str, list[str]]:
    return matches(model, list(trained), group.match, f"dense.groups.{at}.match")


def sgd(momentum: float, nesterov: bool) -> Make:
    """SGD, its momentum at zero from the start: torch leaves it unset until a step that counts,
    and under fp16 the first may not."""

    def make(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        made = torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=nesterov, fused=True)
        if momentum:
            for parameter in _parameters(made):
                zeros = torch.zeros_like(parameter, requires_grad=False)
                made.state[parameter][_BUFFER] = zeros
        return made

    return make


def adamw(beta1: float, beta2: float, eps: float) -> Make:
    """AdamW: weight decay shrinks weights by rate times decay, beside the step."""
    return lambda groups: torch.optim.AdamW(
        groups, lr=0.0, betas=(beta1, beta2), eps=eps, fused=True
    )


def own(target: Callable[..., torch.optim.Optimizer], options: Mapping[str, Any]) -> Make:
    """An optimiser of the user's, with keywords of its own.

    It is made at rate 1, since some refuse 0; every step sets its rate.
    """
    return lambda groups: target(groups, lr=1.0, **options)


def _parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimiser.param_groups for p in group["params"]]


def optimiser_state(
    optimiser: torch.optim.Optimizer, names: Mapping[int, str]
) -> dict[str, Tensor]:
    """Return all that the optimiser remembers of its parameters, by their names.

    `names` maps id(parameter) to name. Tensors are `optimiser.<key>.<parameter>`, SGD's buffer
    `momentum.<parameter>`; plain numbers are tensors [] under `number.<key>.<parameter>`, and
    numbers of a group under `group.<index>.<key>`.
    """
    saved: dict[str, Tensor] = {}
    for parameter in _parameters(optimiser):
        name = names[id(parameter)]
        for key, value in optimiser.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                saved[f"{_KEPT.get(key, f'optimiser.{key}')}.{name}"] = value
            elif isinstance(value, int | float):
                saved[f"number.{key}.{name}"] = torch.tensor(value, dtype=_dtype(value))
    return {**saved, **dict(_group_numbers(optimiser))}


def _dtype(value: float) -> torch.dtype:
    if isinstance(value, bool):
        return torch.bool
    return torch.int64 if isinstance(value, int) else torch.float64


_TOLD = frozenset({"params", "lr", "weight_decay", "lr_scale"})
"""Entries of a group that the study fixes; any other may be memory."""


def _group_numbers(optimiser: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    """What the groups hold beyond what they were made with: some count their steps there."""
    for at, group in enumerate(optimiser.param_groups):
        for key, value in group.items():
            if key in _TOLD or not isinstance(value, int | float):
                continue
            if value != optimiser.defaults.get(key):
                yield f"group.{at}.{key}", torch.tensor(value, dtype=_dtype(value))


def load_optimiser_state(
    optimiser: torch.optim.Optimizer,
    parameters: Mapping[str, Tensor],
    saved: Mapping[str, Tensor],
) -> None:
    """Put a saved state in the optimiser, copied to the parameters' device and layout.

    Entries of other kinds (weights, masks, rates) are passed over.
    """
    on_device = {
        id(p): bool(group.get("fused") or group.get("capturable"))
        for group in optimiser.param_groups
        for p in group["params"]
    }
    for name, value in saved.items():
        kind, _, rest = name.partition(".")
        key, _, place = (_BUFFER, "", rest) if kind == _KEPT[_BUFFER] else rest.partition(".")
        if kind == "group":
            optimiser.param_groups[int(key)][place] = value.item()
        elif kind == "number":
            optimiser.state[parameters[place]][key] = value.item()
        elif kind in (_KEPT[_BUFFER], "optimiser"):
            parameter = parameters[place]
            optimiser.state[parameter][key] = _copied(value, parameter, on_device[id(parameter)])


def _copied(value: Tensor, like: Tensor, on_device: bool) -> Tensor:
    """A copy where the optimiser wants it; torch counts the steps of some on the device."""
    if value.shape != like.shape:
        return value.to(like.device, copy=True) if on_device else value.clone()
    buffer = torch.empty_like(like, dtype=value.dtype, requires_grad=False)
    buffer.copy_(value)
    return buffer


def trained_names(model: nn.Module, extra: Mapping[str, Any]) -> dict[str, nn.Parameter]:
    """Return what may be learnt by name: the model's parameters, and a method's own under extra."""
    own_names = {f"extra.{name}": p for name, p in extra.items()}
    return {**dict(model.named_parameters()), **own_names}

"""One operation of a forward as the rules see it: flows for its tensors, and what they may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.removal.channels import Channels, Places, Reading, Values
from trainables.removal.flow import Flow, unknown


@dataclass(frozen=True, eq=False)
class Step:
    """One operation: its arguments, with flows for tensors, and the shape of what it gives.

    `layers`: by the weight that makes them, channels that are candidates for removal. `biased`: the
    weights of layers whose bias may take over what a constant channel adds.
    """

    channels: Channels
    operation: str
    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shape: tuple[int, ...]
    layers: dict[str, Places] = field(default_factory=dict)
    biased: frozenset[str] = frozenset()

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """Return an argument given by position or by name."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    @property
    def flows(self) -> list[Flow]:
        """All tensors among the arguments, those in lists included."""
        flat: list[Any] = []
        for argument in (*self.args, *self.kwargs.values()):
            flat += argument if isinstance(argument, list | tuple) else [argument]
        return [flow for flow in flat if isinstance(flow, Flow)]

    def keep(self, places: Places | None, reason: str) -> None:
        """Let channels stay, where the dimension is followed."""
        if places is not None:
            self.channels.keep(places, reason)

    def tie(self, a: Places | None, b: Places | None, reason: str) -> Places | None:
        """Tie two dimensions; one that meets a dimension not followed stays."""
        if a is None or b is None:
            self.keep(a, reason)
            self.keep(b, reason)
            return None
        self.channels.tie(a, b)
        return a

    def made(self, weight: Flow, bias: Flow | None, axis: int = 0) -> Places | None:
        """Return the channels that a layer makes, and note them as candidates."""
        places = weight.places[axis]
        if bias is not None:
            places = self.tie(places, bias.places[0], f"{weight.name} has another bias")
        if places is not None:
            self.layers[weight.name] = places
        return places

    def read(self, flow: Flow, axis: int, weight: Flow, weight_axis: int, whole: bool) -> None:
        """Let a layer sum over a dimension, weighted along another.

        `whole`: each output sees all of the weight, so that a constant adds a constant.
        """
        reason = f"{layer(weight.name)} reads it with others that must stay"
        places = self.tie(flow.places[axis], weight.places[weight_axis], reason)
        if places is None:
            return
        silent = flow.zeros_at(axis) | weight.zeros_at(weight_axis)
        added = unknown(len(places))
        if whole and weight.name in self.biased:
            added = np.where(silent, np.nan, flow.fixed_at(axis))
        self.channels.read(Reading(places, silent, added, weight.name))

    def applied(self, *columns: Values | None) -> Values:
        """Return what a place-by-place operation makes of fixed numbers; NaN where one is NaN.

        `columns` stand in the place of the tensors among the arguments, in their order.
        """
        left = iter(columns)
        args = [_single(next(left)) if isinstance(a, Flow) else a for a in self.args]
        result: Tensor = self.target(*args, **self.kwargs)
        if result.is_complex():  # no number that a bias can take over
            return unknown(len(result))
        values: Values = result.double().numpy()
        missing = np.logical_or.reduce([np.isnan(c) for c in columns if c is not None])
        return np.where(missing, np.nan, values)


def _single(values: Values | None) -> Tensor:
    assert values is not None
    return torch.from_numpy(values).float()


def layer(weight: str) -> str:
    """Return a weight's name as its layer is called: without `.weight`."""
    return weight.removesuffix(".weight")


def opaque(step: Step) -> Flow:
    """Keep all that the operation reads."""
    for flow in step.flows:
        for places in flow.followed:
            step.channels.keep(places, f"{step.operation} reads it as a whole")
    return Flow.blank(step.shape)

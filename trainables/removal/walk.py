"""The channels of all tensors of a network, followed through one forward."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import Node

from trainables.removal.channels import Channels, Places, Values
from trainables.removal.flow import Flow
from trainables.removal.rules import RULES, Rule
from trainables.removal.step import Step, opaque
from trainables.removal.traced import Trace

_RESHAPES = ("view", "reshape", "_unsafe_view", "flatten", "unflatten")


@dataclass(frozen=True)
class Trust:
    """What a plan may rely on beyond what the operations show; equality is measured afterwards.

    `shapes`: that a forward holds no width as a number where it changes a shape. `biases`: that a
    layer adds its bias as torch's own layers do, so that it may take constants over. `heads`: that
    nobody reads what an attention layer says beside its output.
    """

    shapes: bool = True
    biases: bool = True
    heads: bool = True


class Walk:
    """Follows the channels of all tensors through a forward.

    `layers` are the channels that layers make, by weight; `parameters` all tensors of the network
    that took part, by name.
    """

    def __init__(self, model: nn.Module, trace: Trace, trust: Trust) -> None:
        self.channels = Channels()
        self.layers: dict[str, Places] = {}
        self.parameters: dict[str, Flow] = {}
        self._names, self._trust = trace.names, trust
        self._biased = frozenset(_with_bias(model)) if trust.biases else frozenset[str]()
        self._tensors = {
            **dict(model.named_parameters(remove_duplicate=False)),
            **dict(model.named_buffers(remove_duplicate=False)),
        }
        self._same: dict[int, Flow] = {}
        self._flows: dict[Node, Any] = {}
        for node in trace.nodes:
            self._take(node)

    def _take(self, node: Node) -> None:
        if node.op == "placeholder":
            name = self._names.get(node.name)
            self._flows[node] = self._parameter(name) if name else Flow.blank(_shape(node))
        elif node.op == "call_function":
            self._flows[node] = self._called(node)
        elif node.op == "output":
            self._ends(node)
        else:
            self._flows[node] = Flow.blank(_shape(node))

    def _parameter(self, name: str) -> Flow:
        tensor = self._tensors[name]
        if id(tensor) not in self._same:
            sides = [self.channels.new(n) if n > 1 else None for n in tensor.shape]
            fixed = [None if p is None else _fixed(tensor, axis) for axis, p in enumerate(sides)]
            shape = tuple(tensor.shape)
            flow = Flow(shape, tuple(sides), tuple(fixed), tensor.detach(), name)
            self._same[id(tensor)] = flow
            self.parameters[name] = flow
        return self._same[id(tensor)]

    def _called(self, node: Node) -> Any:
        args, kwargs = self._resolved(node.args), self._resolved(node.kwargs)
        if node.target is operator.getitem:
            inner, at = args
            return inner[at]
        name, several = _operation(node), _several(node)
        target: Any = node.target
        step = Step(
            self.channels,
            name,
            target,
            tuple(args),
            kwargs,
            _shape(node),
            self.layers,
            self._biased,
        )
        flow = self._rule(name, bool(several))(step)
        return [flow, *(Flow.blank(shape) for shape in several[1:])] if several else flow

    def _rule(self, name: str, several: bool) -> Rule:
        reshapes = name in _RESHAPES and not self._trust.shapes
        if reshapes or (several and name not in _FIRST_OF_SEVERAL):
            return opaque
        return RULES.get(name, opaque)

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Node):
            return self._flows[value]
        if isinstance(value, list | tuple):
            return [self._resolved(inner) for inner in value]
        if isinstance(value, Mapping):
            return {key: self._resolved(inner) for key, inner in value.items()}
        return value

    def _ends(self, node: Node) -> None:
        for flow in torch.utils._pytree.tree_leaves(self._resolved(node.args)):
            if isinstance(flow, Flow):
                for places in flow.followed:
                    self.channels.keep(places, "it is an output of the network")


_FIRST_OF_SEVERAL = ("_native_batch_norm_legit_no_training",)
"""Operations that give several tensors, the first of which is what a rule speaks of."""


def _fixed(tensor: Tensor, axis: int) -> Values:
    """The numbers of a vector; of others where they are zero along a dimension."""
    if tensor.is_complex():  # zero, or no number that a bias can take over
        tensor = torch.zeros(tensor.shape).masked_fill_(tensor.cpu() != 0, torch.nan)
    values = tensor.detach().double().cpu()
    if values.dim() == 1:
        numbers: Values = values.numpy()
        return numbers
    zero = (values.movedim(axis, 0).flatten(1) == 0).all(1).numpy()
    return np.where(zero, 0.0, np.nan)


def _with_bias(model: nn.Module) -> Iterator[str]:
    """The weights of torch's layers that add a bias, or may be given one."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            yield f"{name}.weight" if name else "weight"


def _operation(node: Node) -> str:
    packet = getattr(node.target, "overloadpacket", None)
    return str(packet or node.target).removeprefix("aten.")


def _several(node: Node) -> list[tuple[int, ...]]:
    """The shapes of the tensors that an operation gives, where it gives more than one."""
    value = node.meta.get("val")
    if not isinstance(value, list | tuple):
        return []
    return [tuple(getattr(inner, "shape", ())) for inner in value]


def _shape(node: Node) -> tuple[int, ...]:
    several = _several(node)
    if several:
        return several[0]
    return tuple(getattr(node.meta.get("val"), "shape", ()))

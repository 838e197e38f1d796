"""How a task calls its network: inputs as it gives them, and which of their sizes vary.

Read off two calls, on two and on three examples: a size that differs between them is dynamic in
whatever is exported, the batch first of all.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map

from trainables.deploy.inputs import inputs_of
from trainables.deploy.trained import Trained
from trainables.vocabulary.refusal import Refusal

_FEWER, _MORE = 2, 3
"""Examples of the two calls; one example would be taken for a fixed size."""


@dataclass(frozen=True)
class Call:
    """The arguments of one call of a network, on two examples.

    `dynamic` holds by input tensor, in their order, the dimensions whose size varies; `names` are
    those of the forward's parameters that they are given for, numbered where one holds several.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dynamic: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]

    def dynamic_shapes(self, model: nn.Module, varying: Any) -> dict[str, Any]:
        """Return by the names of the forward's parameters what varies, as `torch.export` wants it.

        `varying` stands for a size that differs between calls.
        """
        leaves = tensors_in(self.args, self.kwargs)
        dims = {id(leaf): own for leaf, own in zip(leaves, self.dynamic, strict=True)}

        def shape(leaf: Any) -> Any:
            return dict.fromkeys(dims[id(leaf)], varying) if isinstance(leaf, Tensor) else None

        return dict(tree_map(shape, dict(_bound(model, self.args, self.kwargs).arguments)))


def tensors_in(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """Return the tensors in the arguments of a call, in order."""
    leaves, _ = tree_flatten((tuple(args), dict(kwargs)))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def positional(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call in the order of the forward's parameters, as far as it goes.

    So that one call has one order of inputs, whether it names them or not.
    """
    bound = _bound(model, args, kwargs)
    return bound.args, bound.kwargs


def _bound(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    return inspect.signature(model.forward).bind(*args, **kwargs)


def call_of(network: Trained) -> Call:
    """Return how the task's `score` calls the network on examples of validation.

    Refusal where it does not call it, or calls it otherwise on a batch of another size.
    """
    fewer, more = (positional(network.model, *inputs_of(network, n)) for n in (_FEWER, _MORE))
    pairs = list(zip(tensors_in(*fewer), tensors_in(*more), strict=False))
    alike = len(tensors_in(*fewer)) == len(tensors_in(*more))
    if not alike or any(a.ndim != b.ndim for a, b in pairs):
        raise Refusal("score must call the network alike on batches of 2 and of 3 examples")
    dynamic = tuple(
        tuple(dim for dim in range(a.ndim) if a.shape[dim] != b.shape[dim]) for a, b in pairs
    )
    if not any(dynamic):
        raise Refusal(
            "score must give the network inputs that grow with the batch, got"
            f" {[tuple(a.shape) for a, _ in pairs]} for 2 and for 3 examples"
        )
    return Call(*fewer, dynamic, _names(network.model, *fewer))


def _names(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
    names: list[str] = []
    for name, value in _bound(model, args, kwargs).arguments.items():
        n = len(tensors_in((value,), {}))
        names += [name] if n == 1 else [f"{name}_{number}" for number in range(n)]
    return tuple(names)

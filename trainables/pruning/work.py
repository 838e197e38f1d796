"""Multiply-adds of a model by weight, read from the operations in which its weights take part.

One forward of a copy without memory, on torch's meta device and in evaluation mode: the model and
the random generators stay as they are, and nothing is computed. A weight is known in an operation
by its storage, so also where a function uses it (`F.linear` on a tied weight, attention's packed
projections) and no module is called.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from trainables.pruning.prunable import Prunable, prunable, trained_weights

Inputs = Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]
"""One input of a model: a tensor is `model(x)`, a tuple `model(*x)`, a mapping `model(**x)`."""


@dataclass(frozen=True)
class Work:
    """What one forward of one input takes.

    `counts`: multiply-adds by weight, for every prunable weight and every weight of a convolution,
    linear or attention layer; one that the forward does not meet has 0. `order`: the prunable
    weights as the forward meets them first.
    """

    counts: dict[str, int]
    order: tuple[str, ...]

    @property
    def total(self) -> int:
        """Multiply-adds of the dense model."""
        return sum(self.counts.values())


def call(model: Callable[..., Any], inputs: Inputs) -> Any:
    """Return what the model makes of one batch of inputs, in any of the forms of `Inputs`."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def moved(inputs: Any, move: Callable[[Tensor], Tensor]) -> Any:
    """Return the same structure with each of its tensors moved."""
    if isinstance(inputs, Tensor):
        return move(inputs)
    if isinstance(inputs, Mapping):
        return {key: moved(value, move) for key, value in inputs.items()}
    if isinstance(inputs, tuple) and hasattr(inputs, "_fields"):  # a named tuple
        return type(inputs)(*(moved(value, move) for value in inputs))
    if isinstance(inputs, tuple | list):
        return type(inputs)(moved(value, move) for value in inputs)
    return inputs


def work_of(target: nn.Module | Prunable, inputs: Inputs) -> Work:
    """Return the multiply-adds of a model on `inputs`, a batch of one.

    Each weight counts once for every position it is used at, padding included; biases,
    normalisation, activations and products of two activations count nothing.
    """
    weights = prunable(target)
    counted = {**prunable(weights.model, trained_weights), **prunable(weights.model), **weights}
    blueprint, images = _without_memory(weights.model)
    names = {_storage(images[id(p)]): name for name, p in counted.items()}
    meter = _Meter(names)
    with _plain_attention(), torch.no_grad(), torch.random.fork_rng(devices=[]), meter:
        call(blueprint, moved(inputs, lambda t: torch.empty_like(t, device="meta")))
    return Work(
        {name: meter.counts.get(name, 0) for name in counted},
        tuple(name for name in meter.counts if name in weights),
    )


def theoretical_speedup(counts: Mapping[str, int], masks: Mapping[str, Tensor]) -> float:
    """Multiply-adds of the dense model over those on non-zero weights, >= 1; higher is cheaper.

    What a machine would gain that skips every zero at no cost. A layer without a weight left counts
    nothing, one that the masks do not name counts as dense.

    Raises:
        ValueError: a mask without a count, or nothing is left to multiply.
    """
    if unknown := sorted(set(masks) - set(counts)):
        raise ValueError(f"masks must name weights with multiply-adds, got {unknown}")
    kept = Fraction(0)
    for name, count in counts.items():
        mask = masks.get(name)
        share = 1 if mask is None else Fraction(int(mask.count_nonzero()), mask.numel())
        kept += count * share
    if kept == 0:
        raise ValueError("theoretical_speedup needs a multiply-add on a non-zero weight, got none")
    return float(sum(counts.values()) / kept)


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, by name, the multiply-adds of products in which a known storage takes part."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = names
        self.counts: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        products = _PRODUCTS.get(func.overloadpacket)
        if products is not None:
            for factor in args:
                name = self._name(factor)
                if name is not None:
                    n = products(args, factor, result)
                    self.counts[name] = self.counts.get(name, 0) + n
        return result

    def _name(self, factor: Any) -> str | None:
        return self._names.get(_storage(factor)) if isinstance(factor, Tensor) else None


def _matrix_products(args: tuple[Any, ...], _weight: Tensor, result: Tensor) -> int:
    """Of `mm(a, b)`, `addmm(c, a, b)`, their batched forms and `mv`: results times inner size."""
    matrices = [a for a in args if isinstance(a, Tensor)][-2:]
    return result.numel() * int(matrices[0].shape[-1])


def _convolution_products(args: tuple[Any, ...], weight: Tensor, result: Tensor) -> int:
    """Every weight meets each position: of the input where the convolution is transposed."""
    features, transposed = args[0], bool(args[6])
    positions = features if transposed else result
    return positions.numel() * weight.numel() // int(weight.shape[0])


_aten: Any = torch.ops.aten
_PRODUCTS: dict[Any, Callable[[tuple[Any, ...], Tensor, Tensor], int]] = {
    _aten.mm: _matrix_products,
    _aten.addmm: _matrix_products,
    _aten.bmm: _matrix_products,
    _aten.baddbmm: _matrix_products,
    _aten.mv: _matrix_products,
    _aten.addmv: _matrix_products,
    _aten.convolution: _convolution_products,
}


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Without attention's fast path, whose one operation hides the products inside."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _without_memory(model: nn.Module) -> tuple[nn.Module, dict[int, Tensor]]:
    """A copy in evaluation mode whose parameters and buffers have shapes but no values, and its
    parameters by the id of those that they stand for."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        empty = torch.empty_like(parameter, device="meta")
        memo[id(parameter)] = nn.Parameter(empty, requires_grad=False)
    images: dict[int, Tensor] = dict(memo)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo).eval(), images

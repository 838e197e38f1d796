"""Multiply-adds of a model by weight, read from the operations in which its weights take part.

One forward in evaluation mode, of a copy without memory on torch's meta device, where nothing is
computed; of the model itself where that needs numbers. The model and the random generators stay as
they are. A weight is known in an operation by its storage, so also where a function uses it
(`F.linear` on a tied weight, attention's packed projections) and no module is called; what is made
of a weight alone, entry by entry (a copy, a standardised weight), stands for it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainables.pruning.prunable import Prunable, places, prunable, weights_of_products

Inputs = Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]
"""One input of a model: a tensor is `model(x)`, a tuple `model(*x)`, a mapping `model(**x)`."""


@dataclass(frozen=True)
class Work:
    """What one forward of one input takes.

    `counts`: multiply-adds by weight, for every prunable weight and every weight of a convolution,
    linear or attention layer; 0 for one that takes part in no product. `order`: the prunable
    weights as the forward meets them first; those that no operation uses are not in it.
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
    if dataclasses.is_dataclass(inputs) and not isinstance(inputs, type):
        held = {field.name: getattr(inputs, field.name) for field in dataclasses.fields(inputs)}
        return dataclasses.replace(inputs, **{k: moved(value, move) for k, value in held.items()})
    return inputs


def work_of(target: nn.Module | Prunable, inputs: Inputs) -> Work:
    """Return the multiply-adds of a model on `inputs`, a batch of one.

    Each weight counts once for every position it is used at, padding included; biases,
    normalisation, activations and products of two activations count nothing.
    """
    weights = prunable(target)
    try:
        meter = _measured(weights, _blueprint, inputs)
    except Exception:  # indices made on the CPU, a branch on a value, NumPy: it needs numbers
        meter = _measured(weights, _itself, inputs)
    return Work(
        {name: meter.counts.get(name, 0) for name in _counted(weights)},
        tuple(name for name in meter.counts if name in weights),
    )


def _counted(weights: Prunable) -> dict[str, nn.Parameter]:
    """Weights of layers wherever one of their places is in one, and all that is prunable."""
    by_layers = {
        group[0][0]: group[0][1]
        for group in places(weights.model)
        if any(weights_of_products(*place) for place in group)
    }
    return {**by_layers, **weights}


Stand = Callable[[nn.Module], AbstractContextManager[tuple[nn.Module, dict[int, Tensor], str]]]
"""Gives what runs in a model's place, its parameters by the id of the model's own, its device."""


def _measured(weights: Prunable, stand: Stand, inputs: Inputs) -> _Meter:
    with stand(weights.model) as (runner, images, device):
        names = {_storage(images[id(p)]): name for name, p in _counted(weights).items()}
        meter = _Meter(names, (*runner.parameters(), *runner.buffers()))
        given = moved(inputs, lambda tensor: _placed(tensor, device))
        with _plain_attention(), torch.no_grad(), torch.random.fork_rng(devices=[]), meter:
            call(runner, given)
    return meter


def _placed(tensor: Tensor, device: str) -> Tensor:
    return torch.empty_like(tensor, device=device) if device == "meta" else tensor.to(device)


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
    """Counts, by name, the multiply-adds of products in which a known storage takes part.

    `constants` are the model's own tensors: what is made of these alone is no activation.
    """

    def __init__(self, names: Mapping[int, str], constants: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = dict(names)
        self._constants = {_storage(tensor): tensor for tensor in constants}
        self.counts: dict[str, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if products := _PRODUCTS.get(func.overloadpacket):
            for factor in args:
                if isinstance(factor, Tensor) and (name := self._name(factor)):
                    self._count(name, products(args, factor, result))
        else:
            tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
            self._follow(tensors, result)
        return result

    def _count(self, name: str, products: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + products

    def _follow(self, tensors: Sequence[Tensor], result: Any) -> None:
        """Let what is made of one weight, entry by entry, stand for it; note weights in use."""
        if isinstance(result, Tensor) and all(_storage(t) in self._constants for t in tensors):
            self._constants.setdefault(_storage(result), result)  # kept: no other takes its place
            names = {self._name(t) for t in tensors if t.numel() == result.numel()} - {None}
            if len(names) == 1:
                self._names.setdefault(_storage(result), str(names.pop()))
            return
        for tensor in tensors:
            if name := self._name(tensor):
                self._count(name, 0)

    def _name(self, tensor: Tensor) -> str | None:
        return self._names.get(_storage(tensor))


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


@contextmanager
def _blueprint(model: nn.Module) -> Iterator[tuple[nn.Module, dict[int, Tensor], str]]:
    """A copy whose parameters and buffers have shapes but no values."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        empty = torch.empty_like(parameter, device="meta")
        memo[id(parameter)] = nn.Parameter(empty, requires_grad=False)
    images: dict[int, Tensor] = dict(memo)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    yield copy.deepcopy(model, memo).eval(), images, "meta"


@contextmanager
def _itself(model: nn.Module) -> Iterator[tuple[nn.Module, dict[int, Tensor], str]]:
    """The model, in evaluation mode for as long as it runs."""
    modes = [(module, module.training) for module in model.modules()]
    parameters = list(model.parameters())
    try:
        yield model.eval(), {id(p): p for p in parameters}, str(parameters[0].device)
    finally:
        for module, training in modes:
            module.training = training

"""Weights in fewer bits: halves, and eight-bit integers with one scale for each output.

int8 is torchao's symmetric quantisation of weights alone, as `Int8WeightOnlyConfig` makes it of
linear layers; convolutions have it too, as matrices [out, in x kh x kw]. Zero stays zero, so that
masks hold.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final, Literal, get_args

import torch
from torch import Tensor, nn

from trainables.vocabulary.refusal import Refusal

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

QUANTISERS: Final = ("torchao",)
"""The packages that int8 needs, of the project's extra of that name."""

SCALE: Final = "scale"
"""Follows a colon in the name of the scales [out] of an int8 tensor."""


def in_precision(
    tensors: Mapping[str, Tensor], precision: Precision, key: str = "--precision"
) -> dict[str, Tensor]:
    """Return the state of a network as it is stored in a precision.

    Under fp32 as it was trained; fp16 rounds every floating tensor; int8 rounds those of two or
    more dimensions, with the scales of NAME in `NAME:scale`, and leaves the others.
    Refusal, naming the key that asks for it, for a value that fp16 or int8 cannot hold.
    """
    if precision == "fp32":
        return dict(tensors)
    if precision == "fp16":
        return {name: _half(name, value, key) for name, value in tensors.items()}
    stored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if value.is_floating_point() and value.ndim >= 2:
            stored[name], stored[f"{name}:{SCALE}"] = quantised(name, value, key)
        else:
            stored[name] = value
    return stored


def as_trained(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state that a network loads: halves as floats, integers times their scales."""
    state = {}
    for name, value in stored.items():
        if f"{name}:{SCALE}" in stored:
            state[name] = dequantised(value, stored[f"{name}:{SCALE}"])
        elif not name.endswith(f":{SCALE}"):
            state[name] = value.float() if value.dtype == torch.float16 else value
    return state


def quantised(name: str, weight: Tensor, key: str = "--precision") -> tuple[Tensor, Tensor]:
    """Return a weight [out, ...] as int8 in [-128, 127], and its scales [out] in fp32.

    Each output's largest magnitude is 127.5 scales. Refusal for infinities.
    """
    if not bool(weight.isfinite().all()):
        raise Refusal(f"{key} must hold every weight, got int8 for {name} with infinities")
    if not weight.numel():
        return weight.to(torch.int8), torch.ones(len(weight))
    tensor_class, per_row = _torchao()
    held = tensor_class.from_hp(weight.float().reshape(len(weight), -1), per_row())
    return held.qdata.reshape(weight.shape), held.scale.reshape(-1)


def available() -> tuple[Precision, ...]:
    """Return the precisions that can be made here: int8 needs torchao."""
    return tuple(p for p in PRECISIONS if p != "int8" or find_spec("torchao") is not None)


def require_precision(precision: str) -> None:
    """Refuse int8 where torchao is not installed."""
    if precision == "int8" and find_spec("torchao") is None:
        install = "pip install 'bimp-study[int8]'"
        raise Refusal(f"--precision int8 needs torchao, which is not installed: {install}")


def weight_only_(model: nn.Module) -> None:
    """Put torchao's int8 weights into a network's linear layers, in place; products take them."""
    with _importing():
        from torchao.quantization import Int8WeightOnlyConfig, quantize_
    quantize_(model, Int8WeightOnlyConfig())


def _torchao() -> tuple[Any, Any]:
    """torchao's int8 tensors and their scales by row."""
    with _importing():
        from torchao.quantization import Int8Tensor, PerRow
    return Int8Tensor, PerRow


@contextmanager
def _importing() -> Iterator[None]:
    """Within this context torchao is imported without its warnings."""
    logger = logging.getLogger("torch.utils._pytree")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it registers its enumerations in a way that torch deprecates
    try:
        with warnings.catch_warnings():
            # Its text has escapes that Python warns of when it is compiled, which is once; before
            # Python 3.12 these are deprecations.
            for category in (SyntaxWarning, DeprecationWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        logger.setLevel(level)


def dequantised(levels: Tensor, scale: Tensor) -> Tensor:
    """Return the fp32 weight [out, ...] of levels and scales [out]."""
    return levels.float() * scale.reshape(-1, *(1 for _ in levels.shape[1:]))


def _half(name: str, value: Tensor, key: str) -> Tensor:
    if not value.is_floating_point():
        return value
    half = value.half()
    if bool((half.isinf() & value.isfinite()).any()):
        largest = float(value[value.isfinite()].abs().max())
        raise Refusal(f"{key} must hold every weight, got fp16 for {name} up to {largest:g}")
    return half

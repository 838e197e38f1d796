"""Arithmetic on lists of tensors, one per layer, in one call for all layers and without gradients.

The one place that uses torch's `_foreach_` functions for the methods: their names are private and
their stubs refuse lists of parameters. A name that ends in `_` works in place on its first list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Tensors = Sequence[Tensor]

_torch: Any = torch


@torch.no_grad()
def copy_(into: Tensors, values: Tensors) -> None:
    """Copy each of `values` into its place, keeping the layout there."""
    _torch._foreach_copy_(list(into), list(values))


@torch.no_grad()
def product(a: Tensors, b: Tensors | float) -> list[Tensor]:
    """a * b, with one tensor each or one number for all."""
    return list(_torch._foreach_mul(list(a), _operand(b)))


@torch.no_grad()
def multiply_(a: Tensors, b: Tensors | float) -> None:
    """a *= b."""
    _torch._foreach_mul_(list(a), _operand(b))


@torch.no_grad()
def add_(a: Tensors, b: Tensors | float) -> None:
    """a += b."""
    _torch._foreach_add_(list(a), _operand(b))


@torch.no_grad()
def subtract_(a: Tensors, b: Tensors) -> None:
    """a -= b; each of `b` may be broadcast to its partner's shape."""
    _torch._foreach_sub_(list(a), list(b))


@torch.no_grad()
def add_product_(a: Tensors, b: Tensors, c: Tensors, factor: float = 1.0) -> None:
    """a += factor * b * c."""
    _torch._foreach_addcmul_(list(a), list(b), list(c), value=factor)


@torch.no_grad()
def magnitudes(a: Tensors) -> list[Tensor]:
    """|a|."""
    return list(_torch._foreach_abs(list(a)))


@torch.no_grad()
def signs(a: Tensors) -> list[Tensor]:
    """-1, 0 or 1."""
    return list(_torch._foreach_sign(list(a)))


@torch.no_grad()
def sigmoid_(a: Tensors) -> None:
    """a = 1 / (1 + exp(-a))."""
    _torch._foreach_sigmoid_(list(a))


@torch.no_grad()
def at_least_(a: Tensors, least: float) -> None:
    """a = max(a, least)."""
    _torch._foreach_clamp_min_(list(a), least)


@torch.no_grad()
def positive(a: Tensors) -> list[Tensor]:
    """1 where a > 0, else 0."""
    return signs(_torch._foreach_clamp_min(list(a), 0.0))


def _operand(b: Tensors | float) -> list[Tensor] | float:
    return b if isinstance(b, int | float) else list(b)

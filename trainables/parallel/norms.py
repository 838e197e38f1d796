"""BatchNorm over the whole batch, where the ranks each hold a share of it.

torch's own synchronised layer takes tensors of a GPU alone; this one takes any, in the place of the
forward of the layers that are there, and only while a step is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trainables.parallel.ranks import Ranks

Norm = nn.modules.batchnorm._BatchNorm


class _Total(torch.autograd.Function):
    """The sum of a tensor over the ranks; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        total = values.detach().clone()
        ranks.add_(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous().clone()
        ctx.ranks.add_(total)
        return total, None


@contextmanager
def synchronised(norms: Sequence[Norm], ranks: Ranks) -> Iterator[None]:
    """Within this context layers in training mode normalise by the mean and the variance of what
    all ranks hold together. Every rank must call each of them equally often, in the same order."""
    for norm in norms:
        norm.forward = partial(_forward, norm, ranks)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward  # that of the class is left


def _forward(norm: Norm, ranks: Ranks, x: Tensor) -> Tensor:
    """Normalise [N, C, ...] by the mean and the biased variance of each channel over all ranks."""
    if not norm.training:
        plain: Tensor = type(norm).forward(norm, x)
        return plain
    inner = [dim for dim in range(x.dim()) if dim != 1]
    shape = [1, -1, *[1] * (x.dim() - 2)]
    values = x.float()
    count = torch.full((1,), float(x.numel() // x.shape[1]), device=x.device)
    sums: Tensor = _Total.apply(torch.cat([values.sum(inner), count]), ranks)
    n = sums[-1].detach()
    mean = sums[:-1] / n
    centred = values - mean.view(shape)
    variance = _Total.apply(centred.square().sum(inner), ranks) / n
    _note(norm, mean.detach(), variance.detach() * n / (n - 1))
    normal = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        normal = normal * norm.weight.view(shape) + norm.bias.view(shape)
    result: Tensor = normal.to(x.dtype)
    return result


@torch.no_grad()
def _note(norm: Norm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics, by the unbiased variance, as BatchNorm does."""
    if norm.running_mean is None or norm.running_var is None:
        return
    momentum = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if momentum is None:
            momentum = 1.0 / float(norm.num_batches_tracked)
    assert momentum is not None
    norm.running_mean.lerp_(mean, momentum)
    norm.running_var.lerp_(variance, momentum)

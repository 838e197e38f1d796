"""Many tensors in one message: what the network holds, and the gradients of all ranks as a sum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from trainables.parallel.ranks import Ranks

_ALIGNED = 16
"""Bytes at multiples of which every tensor begins, so that a view of any type may begin there."""

_torch: Any = torch


class Packed:
    """Tensors of any types and shapes, end to end in one buffer of bytes on their device."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = [t.detach() for t in tensors]
        device = self._tensors[0].device
        ends = list(accumulate(_padded(t) for t in self._tensors))
        self.buffer = torch.zeros(ends[-1], dtype=torch.uint8, device=device)
        starts = [0, *ends[:-1]]
        self._views = [
            self.buffer[at : at + t.nbytes].view(t.dtype).view(t.shape)
            for at, t in zip(starts, self._tensors, strict=True)
        ]

    def spread_(self, ranks: Ranks) -> None:
        """Put rank 0's values into the tensors of every rank."""
        if ranks.rank == 0:
            _copy_(self._views, self._tensors)
        ranks.spread_(self.buffer)
        if ranks.rank:
            _copy_(self._tensors, self._views)


def _padded(tensor: Tensor) -> int:
    return -(-tensor.nbytes // _ALIGNED) * _ALIGNED


class GradientSum:
    """The gradients of some parameters and a loss, summed over the ranks for rank 0.

    A parameter that no rank's forward has used keeps no gradient, so that an optimiser passes it
    over as it does in one process.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], device: torch.device) -> None:
        self._loss = torch.zeros(1, dtype=torch.float64, device=device)
        kinds = dict.fromkeys(p.dtype for p in parameters)
        self._flats = [_Flat([p for p in parameters if p.dtype == kind], device) for kind in kinds]

    def collect(self, ranks: Ranks, loss: Tensor) -> Tensor:
        """Sum up; returns the loss [] over all ranks at rank 0, its own at the others."""
        self._loss.fill_(0.0).add_(loss)
        for flat in self._flats:
            flat.collect(ranks)
        ranks.add_to_first_(self._loss)
        return self._loss[0].to(loss.dtype)


class _Flat:
    """Gradients of one type in one buffer, and behind them for each whether a rank has one."""

    def __init__(self, parameters: Sequence[nn.Parameter], device: torch.device) -> None:
        self._parameters = list(parameters)
        ends = list(accumulate(p.numel() for p in parameters))
        n = ends[-1]
        dtype = parameters[0].dtype
        self._buffer = torch.zeros(n + len(parameters), dtype=dtype, device=device)
        starts = [0, *ends[:-1]]
        self._views = [
            self._buffer[at : at + p.numel()].view(p.shape)
            for at, p in zip(starts, parameters, strict=True)
        ]
        self._used = self._buffer[n:]

    @torch.no_grad()
    def collect(self, ranks: Ranks) -> None:
        missing = [place for place, p in enumerate(self._parameters) if p.grad is None]
        self._used.fill_(1)
        for place in missing:
            self._views[place].zero_()
            self._used[place] = 0
        pairs = [(v, p.grad) for v, p in zip(self._views, self._parameters, strict=True)]
        there = [(view, grad) for view, grad in pairs if grad is not None]
        _copy_([view for view, _ in there], [grad for _, grad in there])
        ranks.add_to_first_(self._buffer)
        if ranks.rank:
            return
        _copy_([grad for _, grad in there], [view for view, _ in there])
        if missing:
            self._take_over(missing)

    def _take_over(self, missing: Sequence[int]) -> None:
        """Give parameters that rank 0's share did not use the gradients of other shares."""
        used = self._used.tolist()
        for place in missing:
            if used[place]:
                parameter = self._parameters[place]
                parameter.grad = torch.empty_like(parameter, requires_grad=False)
                parameter.grad.copy_(self._views[place])


@torch.no_grad()
def _copy_(into: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    if into:
        _torch._foreach_copy_(list(into), list(values))

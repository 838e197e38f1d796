"""The weights that a method learns, put aside while the model holds others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from trainables.methods import lists
from trainables.methods.lists import Tensors


class Aside:
    """Lets the model hold other values of some parameters, and gives the learnt ones back.

    Values are copied into the parameters' own memory, so a compiled model sees them too.
    """

    def __init__(self, parameters: Tensors) -> None:
        self._parameters = list(parameters)
        self._learnt: list[Tensor] = []  # made at the first use

    def use_(self, values: Tensors) -> None:
        """Put the learnt weights aside and `values`, one a parameter, in their place."""
        if not self._learnt:
            self._learnt = [torch.empty_like(p, requires_grad=False) for p in self._parameters]
        lists.copy_(self._learnt, self._parameters)
        lists.copy_(self._parameters, values)

    def restore_(self) -> None:
        """Put the learnt weights back."""
        lists.copy_(self._parameters, self._learnt)

    @contextmanager
    def used(self, values: Tensors) -> Iterator[None]:
        """Within this context the model holds `values`, after it the learnt weights again."""
        self.use_(values)
        try:
            yield
        finally:
            self.restore_()


def gradients(parameters: Tensors) -> list[Tensor]:
    """The parameters' gradients; zeros for a parameter that the forward did not use."""
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]

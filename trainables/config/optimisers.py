"""Optimisers by name: which keys of `dense` each reads, and what methods may rely on.

A name "module:attribute" is a class of torch's or of the user's, of which nothing is known but that
it leaves an entry at zero whose weight, gradient and memory are zero: that is tried before it runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Need = Literal["coupled decay", "momentum"]
"""What a method may need of an optimiser, in a word."""

NEEDS: dict[Need, str] = {
    "coupled decay": "add weight decay to the gradient",
    "momentum": "sum past gradients into momentum, each at its own size",
}
"""The same as a rule of a refusal, which goes on with why."""


@dataclass(frozen=True)
class OptimiserRecord:
    """An optimiser: `uses` names keys of `dense` that it alone reads, `offers` what it gives."""

    name: str
    source: str
    uses: frozenset[str] = frozenset()
    offers: frozenset[Need] = frozenset()


OPTIMISERS: dict[str, OptimiserRecord] = {
    record.name: record
    for record in (
        OptimiserRecord(
            "sgd",
            "Robbins and Monro 1951, with the momentum of Polyak 1964 or Nesterov 1983",
            frozenset({"momentum", "nesterov"}),
            frozenset({"coupled decay", "momentum"}),
        ),
        OptimiserRecord(
            "adamw",
            "Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization",
            frozenset({"beta1", "beta2", "eps"}),
        ),
    )
}


def optimiser_of(name: str) -> OptimiserRecord:
    """Return the optimiser of that name, or a record for a reference, which offers nothing."""
    return OPTIMISERS.get(name) or OptimiserRecord(name, "the user's own", frozenset({"options"}))

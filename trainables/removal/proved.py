"""A masked network without its zero filters: smaller, and proved equal on real examples."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from trainables.pruning.work import Inputs
from trainables.removal.plan import Kept, Plan, plan_of, shrink
from trainables.removal.traced import NotTraced, Trace, traced
from trainables.removal.walk import Trust
from trainables.tasks.task import Forward, Task

TOLERANCE = 1e-5
"""Largest difference of an output, of the largest output where that is above 1."""

MOST_BATCHES = 2
"""Evaluation batches on which a removal is proved."""

_REASONS_TOLD = 3


class NotRemoved(ValueError):
    """A network from which nothing can be taken, or not so that its outputs stay the same."""


@dataclass(frozen=True, eq=False)
class Removal:
    """A network without its zero filters, and how far its outputs lie from the masked one's.

    `difference`: the largest of any output, over all examples of `n_batches` batches.
    """

    model: nn.Module = field(repr=False)
    plan: Plan
    difference: float
    n_batches: int

    @property
    def n_filters(self) -> int:
        """How many filters are gone."""
        return sum(self.plan.removed.values())


def without_zero_filters(
    task: Task, model: nn.Module, example: Inputs, batches: Iterable[Any]
) -> Removal:
    """Return a network with its masks applied as a smaller one; the given one stays as it is.

    Args:
        task: says which layers may lose filters, and how a batch is judged.
        model: the masked network.
        example: one input, as `Task.example` gives it.
        batches: of real examples; the first few are what equality is proved on.

    Raises:
        NotRemoved: the forward cannot be followed, no filter can go, or outputs would differ.
    """
    was = [(module, module.training) for module in model.modules()]
    try:
        return _proved(task, model.eval(), example, list(islice(batches, MOST_BATCHES)))
    finally:
        for module, training in was:
            module.training = training


def _proved(task: Task, model: nn.Module, example: Inputs, batches: list[Any]) -> Removal:
    try:
        trace = traced(model, example)
    except NotTraced as error:
        raise NotRemoved(str(error)) from error
    *firsts, last = _TRUSTS
    for trust in firsts:
        try:
            return _attempt(task, model, trace, batches, trust)
        except _Unequal:
            continue
    return _attempt(task, model, trace, batches, last)


_TRUSTS = (
    Trust(),
    Trust(biases=False),
    Trust(heads=False),
    Trust(shapes=False, biases=False, heads=False),
)


class _Unequal(NotRemoved):
    """The smaller network does not run, or gives something else."""


def _attempt(
    task: Task, model: nn.Module, trace: Trace, batches: list[Any], trust: Trust
) -> Removal:
    plan = plan_of(model, trace, task.removable, trust)
    if plan.empty:
        raise NotRemoved(f"no filter can be taken out{_because(plan.kept)}")
    smaller = shrink(copy.deepcopy(model), plan.as_json())
    difference = 0.0
    for batch in batches:
        difference = max(difference, _difference(task, model, smaller, batch))
    return Removal(smaller, plan, difference, len(batches))


def _because(kept: tuple[Kept, ...]) -> str:
    if not kept:
        return ": none has all of its weights at zero"
    told = "; ".join(str(k) for k in kept[:_REASONS_TOLD])
    more = len(kept) - _REASONS_TOLD
    return f": {told}" + (f"; and {more} more" if more > 0 else "")


def _difference(task: Task, model: nn.Module, smaller: nn.Module, batch: Any) -> float:
    """The largest difference of an output; _Unequal where it is beyond the tolerance."""
    before = outputs(task, model, batch)
    try:
        after = outputs(task, smaller, batch)
    except Exception as error:  # a forward that holds its widths as numbers
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        raise _Unequal(f"the network does not run without its zero filters: {reason}") from error
    if [t.shape for t in before] != [t.shape for t in after]:
        raise _Unequal("the network gives other shapes without its zero filters")
    worst = 0.0
    for one, other in zip(before, after, strict=True):
        if not (one.is_floating_point() or one.is_complex()):
            if not torch.equal(one, other):
                raise _Unequal("the network gives other whole numbers without its zero filters")
            continue
        apart = float((one - other).abs().max()) if one.numel() else 0.0
        scale = max(1.0, float(one.abs().max()) if one.numel() else 0.0)
        if not apart <= TOLERANCE * scale:
            rule = f"must give the same outputs within {TOLERANCE:g}, of the largest above 1"
            raise _Unequal(f"the network without its zero filters {rule}, got {apart:.3g} apart")
        worst = max(worst, apart)
    return worst


@torch.no_grad()
def outputs(task: Task, model: nn.Module, batch: Any) -> list[Tensor]:
    """Return all tensors that the network gives while the task judges a batch, in their order."""
    results: list[Tensor] = []

    def recorded(*args: Any, **kwargs: Any) -> Any:
        result = model(*args, **kwargs)
        results.extend(t.detach() for t in tree_leaves(result) if isinstance(t, Tensor))
        return result

    forward: Forward = recorded
    task.score(forward, batch)
    return results

"""The cost of sparsity in sentences."""

from __future__ import annotations

import math

from analysis.answer.statements import SparsityCost, Step
from analysis.answer.wording import (
    amount,
    gap,
    interval_words,
    name_of,
    part_words,
    place_words,
    signed_gap,
)
from analysis.selection.series import SPARSITY
from analysis.stats.closeness import side
from trainables.vocabulary.wording import counted


def cost_sentence(cost: SparsityCost) -> str:
    """Return what is reached at each sparsity with one schedule, and what its step costs."""
    who = name_of(cost.by, cost.name)
    at = f" and {place_words(cost.at)}" if cost.at else ""
    where = "dense" if cost.start_at is None else f"at {part_words(SPARSITY, cost.start_at)}"
    levels = [f"{where} {amount(cost.metric, cost.start)}"]
    levels += [_step(one, cost.metric) for one in cost.steps]
    tuned = ", tuned on the other seeds" if cost.tuned else ""
    return f"With {who}{at} ({counted(cost.n, 'seed')}{tuned}): {'; '.join(levels)}."


def _step(one: Step, metric: str) -> str:
    reached = f"at {part_words(SPARSITY, one.end)} {amount(metric, one.mean)}"
    return f"{reached}, {cost_words(one, metric)}"


def cost_words(one: Step, metric: str) -> str:
    """Return a step's cost: clear, unclear, or a gain."""
    if math.isnan(one.cost):
        return "at a cost that no seed tells"
    size, within = gap(metric, one.cost), interval_words(metric, one.lo, one.hi)
    low, high = side(one.lo), side(one.hi)
    if within and (low != high or not low):
        return f"no clear cost ({signed_gap(metric, one.cost)}{within})"
    if not side(one.cost):
        return "no difference"
    return f"{size} {'worse' if one.cost > 0 else 'better'}{within}"

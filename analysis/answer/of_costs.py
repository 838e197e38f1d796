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
from analysis.selection.likeness import margin_of
from analysis.selection.series import SPARSITY
from analysis.stats.closeness import side
from trainables.vocabulary.wording import counted


def cost_sentence(cost: SparsityCost, margin: float | None = None) -> str:
    """Return what is reached at each sparsity with one schedule, and what its step costs.

    `margin`, in the unit shown, is the difference that does not matter.
    """
    who = name_of(cost.by, cost.name)
    at = f" and {place_words(cost.at)}" if cost.at else ""
    where = "dense" if cost.start_at is None else f"at {part_words(SPARSITY, cost.start_at)}"
    levels = [f"{where} {amount(cost.metric, cost.start)}"]
    levels += [_step(one, cost.metric, margin) for one in cost.steps]
    tuned = ", tuned on the other seeds" if cost.tuned else ""
    by_step = ", step by step" if len(cost.steps) > 1 else ""
    seeds = counted(cost.n, "seed") if cost.n else "no seed at both"
    return f"With {who}{at}{by_step} ({seeds}{tuned}): {'; '.join(levels)}."


def _step(one: Step, metric: str, margin: float | None) -> str:
    reached = f"at {part_words(SPARSITY, one.end)} {amount(metric, one.mean)}"
    return f"{reached}, {cost_words(one, metric, margin)}"


def cost_words(one: Step, metric: str, margin: float | None = None) -> str:
    """Return a step's cost: clear, unclear, or a gain.

    A cost beyond the margin whose interval holds zero is not settled; to call it no clear cost
    would make fourteen points that the seeds cannot settle sound like none.
    """
    if math.isnan(one.cost):
        return "at a cost that no seed tells"
    size, within = gap(metric, one.cost), interval_words(metric, one.lo, one.hi)
    low, high = side(one.lo), side(one.hi)
    way, limit = "worse" if one.cost > 0 else "better", margin_of(metric, margin)
    beside = within if one.cost > 0 else interval_words(metric, -one.hi, -one.lo)
    if within and (low != high or not low):
        if limit is not None and abs(one.cost) > limit:
            return f"{size} {way}, not settled{beside}"
        return f"no clear cost ({signed_gap(metric, one.cost)}{within})"
    return f"{size} {way}{beside}" if side(one.cost) else "no difference"

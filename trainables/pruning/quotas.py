"""How many weights each layer loses, over the model or by layer, and what it must keep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from trainables.formulas.sparsity import layer_zeros
from trainables.pruning.lowest import lowest
from trainables.pruning.prunable import Part, Prunable


def parts_of(weights: Prunable, masks: Mapping[str, Tensor]) -> dict[Part, int]:
    """Return the layers that have masks, each with how many of its weights are zero already."""
    return {
        part: part.size - int(flat(mask, part).count_nonzero())
        for name, mask in masks.items()
        for part in weights.parts(name)
    }


def flat(values: Tensor, part: Part) -> Tensor:
    """Return a layer's entries of a parameter's values, flat."""
    return values.flatten()[part.start : part.stop]


@dataclass(frozen=True)
class Quota:
    """A layer, how many of its weights are zero already, and how many may be in the end."""

    part: Part
    dead: int
    most_zeros: int

    @classmethod
    def all_of(cls, weights: Prunable, masks: Mapping[str, Tensor], least: float) -> list[Quota]:
        """Return every layer; each keeps `least` weights, or as many as it has alive."""
        return [
            cls(part, dead, max(dead, part.size - least_kept(part.size, least)))
            for part, dead in parts_of(weights, masks).items()
        ]


def least_kept(size: int, least: float) -> int:
    """How many weights a layer of `size` keeps: `least` itself, or below 1 that share, upwards."""
    if least >= 1:
        return min(int(least), size)
    return math.ceil(Fraction(str(least)) * size)


def protected(score: Tensor, group: Sequence[Quota]) -> Tensor:
    """Return the scores with those that a layer must keep above all others: its best ones.

    Of equal scores the last are the best, as they go last.
    """
    score = score.double()
    sizes = [quota.part.size for quota in group]
    for quota, values in zip(group, torch.split(score, sizes), strict=True):
        values[~lowest(values, quota.most_zeros)] = math.inf
    return score


def one_group(layers: Sequence[Quota], zeros: int) -> list[tuple[Sequence[Quota], int]]:
    """Return all layers as one group."""
    return [(layers, zeros)]


def one_group_per_layer(layers: Sequence[Quota], zeros: int) -> list[tuple[Sequence[Quota], int]]:
    """Return the same share of each layer, but of one that may not lose so much all that it may."""
    full: set[int] = set()
    while True:
        rest = [place for place in range(len(layers)) if place not in full]
        left = zeros - sum(layers[place].most_zeros for place in full)
        sizes, dead = [layers[i].part.size for i in rest], [layers[i].dead for i in rest]
        counts = dict(zip(rest, layer_zeros(sizes, dead, left), strict=True))
        beyond = {place for place in rest if counts[place] > layers[place].most_zeros}
        if not beyond:
            return [([q], counts.get(place, q.most_zeros)) for place, q in enumerate(layers)]
        full |= beyond

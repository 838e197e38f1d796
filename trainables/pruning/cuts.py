"""Layers cut into the units of a structure: views of their values, and masks made of whole units.

What a unit is, is in `formulas.structures`; which units go first is in `ranking`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.formulas.structures import Structure, Unit
from trainables.pruning.layers import classifier, filter_rows, from_filter_rows
from trainables.pruning.prunable import Part, Prunable

Matrix = tuple[int, int]
"""Rows and columns of a layer, as a matrix [outputs, inputs x kernel]."""


@dataclass(frozen=True)
class Cut:
    """A layer as units of one size: `n` of them, row by row."""

    part: Part
    module: nn.Module
    matrix: Matrix
    unit: Unit

    @property
    def n(self) -> int:
        """How many units the layer has."""
        return self.part.size // self.size

    @property
    def size(self) -> int:
        """Weights of one unit."""
        return self.unit[0] * self.unit[1]

    def units(self, values: Tensor) -> Tensor:
        """Values of the shape of the layer's parameter as [n, size]."""
        rows, columns = self.matrix
        first = self.part.start // columns
        cut = filter_rows(self.module, values)[first : first + rows]
        height, width = self.unit
        lattice = cut.reshape(rows // height, height, columns // width, width)
        return lattice.transpose(1, 2).reshape(self.n, self.size)

    def rows_of(self, kept: Tensor) -> Tensor:
        """`kept` [n] as a mask of the layer's matrix."""
        rows, columns = self.matrix
        height, width = self.unit
        lattice = kept.reshape(rows // height, 1, columns // width, 1)
        return lattice.expand(-1, height, -1, width).reshape(rows, columns)


def cuts_of(weights: Prunable, structure: Structure) -> list[Cut]:
    """Return the layers that a structure cuts, in module order.

    Left out are those that it spares: the classifier, and under filters what has none.

    Raises:
        ValueError: a layer that the structure's units do not divide.
    """
    return [
        _cut(weights, part, structure)
        for name in ranked_weights(weights, structure)
        for part in weights.parts(name)
    ]


def ranked_weights(weights: Prunable, structure: Structure) -> list[str]:
    """Return the names of the weights that a structure ranks, all but those that it spares."""
    record, layers = structure.record, weights.layers
    names = list(layers) if record.with_filters else list(weights)
    spared = classifier(layers) if record.spares_classifier and layers else None
    return [name for name in names if name != spared]


def _cut(weights: Prunable, part: Part, structure: Structure) -> Cut:
    matrix = _matrix(weights, part)
    if reason := structure.misfit(*matrix):
        raise ValueError(f"{structure.name} must cut {part.layer}, but {reason}")
    return Cut(part, weights.modules[part.name], matrix, structure.unit(*matrix))


def _matrix(weights: Prunable, part: Part) -> Matrix:
    module, weight = weights.modules[part.name], weights[part.name]
    columns = filter_rows(module, weight.detach()).shape[1]
    return part.size // columns, columns


def matrices(weights: Prunable) -> dict[str, Matrix]:
    """Return by name the matrix of each weight; of packed projections that of one of the three."""
    return {name: _matrix(weights, weights.parts(name)[0]) for name in weights}


def masks_of(
    weights: Prunable, masks: Mapping[str, Tensor], cuts: Sequence[Cut], kept: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return masks without the units that are not `kept`, [n] for each of the cuts.

    Weights without a cut keep their masks; what was masked before stays so.
    """
    rows: dict[str, list[Tensor]] = {}
    for cut, flags in zip(cuts, kept, strict=True):
        rows.setdefault(cut.part.name, []).append(cut.rows_of(flags))
    pruned = dict(masks)
    for name, parts in rows.items():
        mask, module = masks[name], weights.modules[name]
        whole = from_filter_rows(module, torch.cat(parts), mask.shape)
        pruned[name] = mask & whole.to(mask.device)
    return pruned

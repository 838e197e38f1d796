"""Layers cut into the units of a structure: views of their values, and masks made of whole units.

What a unit is, is in `formulas.structures`; which units go first is in `ranking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.formulas.structures import Bundle, Structure, Unit
from trainables.pruning.bundles import bundles_of
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


@dataclass(frozen=True)
class JointCut:
    """Layers that are cut together: unit k is unit k of every one of them.

    One layer alone where a structure's units lie in one weight.
    """

    cuts: tuple[Cut, ...]

    @property
    def n(self) -> int:
        """How many units there are."""
        return self.cuts[0].n

    @property
    def size(self) -> int:
        """Weights of one unit."""
        return sum(cut.size for cut in self.cuts)

    def units(self, values: Callable[[str], Tensor]) -> Tensor:
        """What `values` gives by a weight's name, of its shape, as [n, size]."""
        return torch.cat([cut.units(values(cut.part.name)) for cut in self.cuts], 1)


def joint_cuts_of(weights: Prunable, structure: Structure) -> list[JointCut]:
    """Return what a structure cuts, in module order: heads of an attention layer, or single layers.

    Left out are layers that it spares: the classifier, and under filters what has none.

    Raises:
        ValueError: a layer that the structure's units do not divide.
    """
    if structure.record.parts:
        return [_joint_cut(weights, bundle) for bundle in bundles_of(weights, structure)]
    return [
        JointCut((_cut(weights, part, structure),))
        for name in ranked_weights(weights, structure)
        for part in weights.parts(name)
    ]


def cuts_of(weights: Prunable, structure: Structure) -> list[Cut]:
    """Return the layers of `joint_cuts_of`, each by itself."""
    return [cut for joint in joint_cuts_of(weights, structure) for cut in joint.cuts]


def _joint_cut(weights: Prunable, bundle: Bundle) -> JointCut:
    *makers, reader = bundle.weights
    by_rows = [
        Cut(part, weights.modules[name], (rows, columns), (rows // bundle.n, columns))
        for name in makers
        for part in weights.parts(name)
        for rows, columns in [_matrix(weights, part)]
    ]
    [part] = weights.parts(reader)
    rows, columns = _matrix(weights, part)
    last = Cut(part, weights.modules[reader], (rows, columns), (rows, columns // bundle.n))
    return JointCut((*by_rows, last))


def ranked_weights(weights: Prunable, structure: Structure) -> list[str]:
    """Return the names of the weights that a structure ranks, all but those that it spares."""
    record, layers = structure.record, weights.layers
    if record.parts:
        within = {name for bundle in bundles_of(weights, structure) for name in bundle.weights}
        return [name for name in weights if name in within]
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

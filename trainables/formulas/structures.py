"""What is removed together: the unit of pruning, and how a layer is cut into units.

A layer counts here as a matrix [outputs, inputs]: rows are what one output is made of, columns run
over inputs x kernel height x kernel width. The standard library alone, so that a plan knows what a
worker will do; the tensors are in `pruning.cuts`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Unit = tuple[int, int]
"""Rows and columns of a matrix that one unit covers."""

Choice = Literal["weights", "groups", "units"]
"""How a prune chooses: the lowest weights over model or layer, so many in every group of inputs, or
whole units in order until the next would be too much."""


@dataclass(frozen=True)
class Kind:
    """A family of structures.

    `unit(structure, rows, columns)` is the unit in a layer of that matrix. `with_filters`: what
    else belongs to a filter goes with its weights. `spares_classifier`: the classifier, whose
    outputs are the network's, loses none. `divides`: there may be layers that it does not divide.
    `parts`: the parts of a network, in words, of which each unit is one, over several weights; ""
    where a unit lies in one weight. `revision` counts the times that what retraining goes by after
    its prunes was mended.
    """

    name: str
    source: str
    choice: Choice
    unit: Callable[[Structure, int, int], Unit]
    with_filters: bool = False
    spares_classifier: bool = False
    divides: bool = False
    parts: str = ""
    revision: int = 1

    @property
    def ranks_all(self) -> bool:
        """Whether every prunable weight that it divides may go."""
        return not (self.with_filters or self.spares_classifier)

    @property
    def takes_along(self) -> bool:
        """Whether parameters that are not prunable, such as biases, go with its units."""
        return self.with_filters or bool(self.parts)


@dataclass(frozen=True)
class Bundle:
    """Weights that are cut together into `n` units, each with its share of every one of them.

    `weights` by name. A unit is a run of rows in all but the last, which make something of inputs,
    and a run of columns in the last, which reads it.
    """

    weights: tuple[str, ...]
    n: int


@dataclass(frozen=True)
class Structure:
    """What a prune removes: a kind, with the size of its blocks or groups where it has any.

    `block`: rows and columns of a block. `pattern`: (n, m), of every m inputs in a row n stay.
    """

    kind: str
    block: Unit | None = None
    pattern: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"structure must be one of {', '.join(KINDS)}, got {self.kind!r}")
        for kind, size in ((BLOCKS, self.block), (PATTERN, self.pattern)):
            if (self.kind == kind) != (size is not None):
                rule = "needs its size" if size is None else "is the one with that size"
                raise ValueError(f"structure {kind} {rule}, got {self.kind} with {size}")
        if self.block is not None and min(self.block) < 1:
            raise ValueError(f"a block must have rows and columns >= 1, got {self.block}")
        if self.pattern is not None and not 1 <= self.pattern[0] < self.pattern[1]:
            raise ValueError(f"a pattern n:m must have 1 <= n < m, got {self.pattern}")

    @property
    def name(self) -> str:
        """As records and figures call it: `2:4`, `blocks 4x4`, else the kind."""
        if self.pattern is not None:
            return "{}:{}".format(*self.pattern)
        return self.kind if self.block is None else "{} {}x{}".format(self.kind, *self.block)

    @property
    def record(self) -> Kind:
        """What is true of all structures of its kind."""
        return KINDS[self.kind]

    @property
    def group(self) -> int | None:
        """Neighbouring inputs over which the share is taken; None where it is a layer's or more."""
        return None if self.pattern is None else self.pattern[1]

    def unit(self, rows: int, columns: int) -> Unit:
        """Rows and columns of one unit in a layer of that matrix."""
        return self.record.unit(self, rows, columns)

    def misfit(self, rows: int, columns: int) -> str | None:
        """Why a layer of that matrix cannot be cut and stays dense, in words; None where it can."""
        height, width = self.unit(rows, columns)
        for divisor, length, what in (
            (height, rows, "outputs"),
            (width, columns, "inputs"),
            (self.group or 1, columns, "inputs"),
        ):
            if length % divisor:
                return f"{divisor} does not divide {length} {what}"
        return None


PATTERN = "n:m"
BLOCKS = "blocks"


def _whole(_structure: Structure, rows: int, columns: int) -> Unit:
    """All of it: into how many units it is cut is its bundle's to say."""
    return rows, columns


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("weights", "Han et al. 2015", "weights", lambda _s, _rows, _columns: (1, 1)),
        Kind(
            "filters",
            "Li et al. 2017, Pruning Filters",
            "units",
            lambda _s, _rows, columns: (1, columns),
            with_filters=True,
            spares_classifier=True,
            revision=2,  # d1 over the same entries above and below
        ),
        Kind(
            PATTERN,
            "Mishra et al. 2021, Accelerating Sparse Deep Neural Networks",
            "groups",
            lambda _s, _rows, _columns: (1, 1),
            divides=True,
        ),
        Kind(
            BLOCKS,
            "Gray, Radford and Kingma 2017, GPU Kernels for Block-Sparse Weights",
            "units",
            lambda s, _rows, _columns: s.block or (1, 1),
            divides=True,
        ),
        Kind(
            "rows",
            "Wen et al. 2016, Learning Structured Sparsity",
            "units",
            lambda _s, _rows, columns: (1, columns),
            spares_classifier=True,
        ),
        Kind(
            "columns",
            "Wen et al. 2016, Learning Structured Sparsity",
            "units",
            lambda _s, rows, _columns: (rows, 1),
        ),
        Kind(
            "heads",
            "Michel, Levy and Neubig 2019, Are Sixteen Heads Really Better than One?",
            "units",
            _whole,
            divides=True,
            parts="attention heads",
        ),
        Kind(
            "hidden",
            "McCarley, Chakravarti and Sil 2019, Structured Pruning of a BERT-based QA Model",
            "units",
            _whole,
            divides=True,
            parts="hidden units of feed-forward blocks",
        ),
    )
}

WEIGHTS = Structure("weights")


def structure_of(given: Structure | str) -> Structure:
    """Return a structure as it is, or by the name of a kind that needs no size.

    Raises:
        ValueError: an unknown name, or the name of a kind that needs a size.
    """
    return given if isinstance(given, Structure) else Structure(given)


def structure_in(prune: Mapping[str, Any]) -> Structure:
    """Return the structure of a section `prune` of a study file, as plain data."""
    if (pattern := prune.get("pattern")) is not None:
        return Structure(PATTERN, pattern=(pattern["n"], pattern["m"]))
    kind, block = prune.get("structure", "weights"), prune.get("block")
    if kind != BLOCKS or block is None:
        return Structure(kind)
    return Structure(kind, block=(block["rows"], block["columns"]))


def kind_named(name: str) -> str:
    """Return the kind of a structure by what records call it: that of `2:4` is `n:m`."""
    return PATTERN if ":" in name else name.partition(" ")[0]


def misfits(
    structure: Structure,
    matrices: Mapping[str, tuple[int, int]],
    bundles: Sequence[Bundle] = (),
) -> dict[str, str]:
    """Return the weights that a structure cannot cut, which stay dense, each with the reason.

    Args:
        structure: what is removed.
        matrices: rows and columns of each prunable weight, by name.
        bundles: what it cuts together, where its units lie in several weights.
    """
    if parts := structure.record.parts:
        reasons_of = {name: _outside(name, parts, bundles, matrices) for name in matrices}
        return {name: reason for name, reason in reasons_of.items() if reason}
    reasons = {name: structure.misfit(*matrix) for name, matrix in matrices.items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _outside(
    name: str, parts: str, bundles: Sequence[Bundle], matrices: Mapping[str, tuple[int, int]]
) -> str:
    """Why a weight is in no whole bundle; "" where it is in one."""
    for bundle in bundles:
        if name in bundle.weights:
            absent = [other for other in bundle.weights if other not in matrices]
            return f"its {parts} reach into {absent[0]}, which stays dense" if absent else ""
    return f"no {parts} lie in it"


def whole_bundles(bundles: Sequence[Bundle], names: Container[str]) -> list[Bundle]:
    """Return the bundles all of whose weights are among those names."""
    return [bundle for bundle in bundles if all(name in names for name in bundle.weights)]


def bundles_in(kept: Any, structure: Structure) -> list[Bundle]:
    """Return a structure's bundles of plain data: lists by kind of {weights, n}."""
    return [Bundle(tuple(one["weights"]), one["n"]) for one in kept.get(structure.kind, ())]

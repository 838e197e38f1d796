"""The section `prune`: what is removed, to which sparsity, and by which measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from trainables.config.sections import (
    BelowOne,
    Count,
    NonNegative,
    Section,
    name_or_reference,
)
from trainables.formulas.structures import Structure, structure_in
from trainables.vocabulary.refusal import Refusal, first_refusal

CRITERIA = ("magnitude", "random")
_criterion = name_or_reference("prune.criterion", CRITERIA)

Side = Annotated[Count, Field(le=1024)]
"""Rows or columns of a block, weights of a group: no kernel knows larger ones."""


class Pattern(Section):
    """Of every `m` inputs in a row `n` stay."""

    n: Side
    m: Side

    @model_validator(mode="after")
    def _some_go(self) -> Self:
        if self.n >= self.m:
            raise Refusal(f"prune.pattern.n must be below prune.pattern.m ({self.m}), got {self.n}")
        return self

    @property
    def sparsity(self) -> float:
        """1 - n/m."""
        return float(Fraction(self.m - self.n, self.m))

    @classmethod
    def of(cls, raw: Any) -> Self:
        """Return the pattern of a study file; Refusal names key, rule and value."""
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise first_refusal(error, at="prune.pattern") from None


class Block(Section):
    """Rows (outputs) and columns (inputs x kernel) of a block."""

    rows: Side
    columns: Side


class Prune(Section):
    """What is removed, to which sparsity, in how many cycles, and by which measure.

    `pattern`: n of every m inputs in a row stay, of single weights; it gives the sparsity. `block`:
    the size of blocks. `exclude`: prunable weights that stay dense: `first`, `last`, patterns over
    names of weights or layers, or names of module types. `keep_layer_min`: weights that every layer
    keeps; below 1 a share of the layer.
    """

    sparsity: BelowOne
    cycles: Annotated[Count, Field(le=10_000)] = 1
    structure: Literal["weights", "filters", "blocks", "rows", "columns", "heads", "hidden"] = (
        "weights"
    )
    pattern: Pattern | None = None
    block: Block | None = None
    scope: Literal["global", "layer"] = "global"
    criterion: Annotated[str, BeforeValidator(_criterion)] = "magnitude"
    filter_norm: Literal["l1", "l2"] = "l2"
    bn_reestimate: bool = True
    exclude: tuple[str, ...] = ()
    keep_layer_min: NonNegative = 0.0

    @model_validator(mode="before")
    @classmethod
    def _pattern_gives_sparsity(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("pattern") is None:
            return given
        pattern = given["pattern"]
        goal = (pattern if isinstance(pattern, Pattern) else Pattern.of(pattern)).sparsity
        asked = given.get("sparsity", goal)
        near = isinstance(asked, float) and math.isclose(asked, goal, abs_tol=1e-9)
        return {**given, "sparsity": goal if near else asked}

    @model_validator(mode="after")
    def _sparsity_is_the_patterns(self) -> Self:
        if self.pattern is not None and self.sparsity != self.pattern.sparsity:
            rule = f"must be absent beside prune.pattern, or 1 - n/m = {self.pattern.sparsity}"
            raise Refusal(f"prune.sparsity {rule}, got {self.sparsity}")
        return self

    @property
    def form(self) -> Structure:
        """The structure with its size; to be asked once the rules between keys have been kept."""
        return structure_in(self.model_dump(mode="json"))
